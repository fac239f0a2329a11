/**
 * Moves a queue's cursors, as a plan: backwards to redeliver, forwards to skip. Events that were
 * asked for and are gone are missed.
 */
import type { Missed } from "../reading/missed.ts";
import { EVERY_PART, partField, type PartMask } from "../event/part.ts";
import type { StateChange } from "../state/state.ts";
import type { Entry, TopicLane } from "./entry.ts";
import { cursorIn, type PartLanes, sumOfMissed } from "./part_lanes.ts";
import { type Plan, removeRetry } from "./plan.ts";
import type { DeliveryQueue } from "./queue.ts";
import type { StartOffset } from "./start_offset.ts";
import type { EventReader } from "../store/reader.ts";

/** The target of a seek on one topic. */
export interface SeekTarget {
  topic: string;
  /** The next seq to deliver, or one whose event is gone. */
  to: number;
  firstSeq: number;
  lastSeq: number;
}

/** The targets of a seek to these seqs, on topics that the queue has. */
export function seekTargets(
  queue: DeliveryQueue,
  starts: readonly StartOffset[],
  store: Pick<EventReader, "head">,
): SeekTarget[] {
  return starts.filter(({ topic }) => queue.lanes.has(topic)).map(({ topic, seq: to }) => {
    const { firstSeq, lastSeq } = store.head(topic);
    return { topic, to, firstSeq, lastSeq };
  });
}

/**
 * What a seek does: how many events are redelivered, how many are skipped, the old and new cursors,
 * and what was asked for and is gone; absent if nothing.
 */
export interface SeekSummary {
  redo: number;
  skip: number;
  topics: { topic: string; from: number; to: number }[];
  missed?: Missed[];
}

/**
 * Moves cursors, of all parts: whoever seeks has them all. Retries before the target are given up;
 * those at or after it stay and become due now, so that they keep their attempts and are delivered
 * once. Leases at or after it stay; leases before it are lost.
 */
export function planSeek(
  queue: DeliveryQueue,
  targets: readonly SeekTarget[],
): Plan<SeekSummary> {
  const seeks = targets.map((target) => planTopicSeek(queue, target));
  const missed = seeks.flatMap(({ missed }) => missed ?? []);
  const sum = (count: (seek: TopicSeek) => number) =>
    seeks.reduce((total, seek) => total + count(seek), 0);
  return {
    changes: seeks.flatMap(({ changes }) => changes),
    result: {
      redo: sum(({ redo }) => redo),
      skip: sum(({ skip }) => skip),
      topics: seeks.map(({ topic, from, to }) => ({ topic, from, to })),
      ...(missed.length > 0 ? { missed } : {}),
    },
    dead: [],
    apply() {
      for (const { apply } of seeks) apply();
    },
    rollback() {},
  };
}

/** A seek on one topic. */
interface TopicSeek {
  topic: string;
  from: number;
  to: number;
  redo: number;
  skip: number;
  missed?: Missed;
  changes: StateChange[];
  apply(): void;
}

function planTopicSeek(queue: DeliveryQueue, target: SeekTarget): TopicSeek {
  const { topic, to, lastSeq, firstSeq } = target;
  if (!queue.lanes.has(topic)) queue.addLane(topic, firstSeq, { written: false });
  const lanes = queue.lanes.of(topic);
  const retries = [...queue.ready.retries.values()].filter((entry) => entry.topic === topic);
  const kept = retries.filter(({ seq }) => seq >= to);
  const given = retries.filter(({ seq }) => seq < to);
  const marks = kept.filter(({ seq }) => seq <= lastSeq);
  const from = Math.min(...lanes.map(cursorIn));
  // The first seq that is left. Marks below it are retries, which have copies of their own.
  const start = Math.max(to, firstSeq);
  const done =
    marks.filter((entry) =>
      entry.seq >= start && queue.lanes.at(topic, entry.part)?.settled.has(entry.seq)
    ).length;
  const redo = settledIn(queue.lanes, topic, [start, lastSeq]) - done;
  const low = Math.min(firstSeq, to);
  const skip = given.length + (to - low) - settledIn(queue.lanes, topic, [low, to - 1]);
  const next = nextFree(start, marks.map(({ seq }) => seq));
  const subscription = queue.name;
  const held = lanes.flatMap((lane) => [...queue.heldOf(lane).values()]);
  const except = [...held, ...marks].map(({ seq }) => seq);
  const missed = missedBetween(topic, { from: to, to: start - 1, except });
  const before = lanes.map((lane) => lane.missed).reduce(sumOfMissed, undefined);
  const total = missed ? addMissed(before, missed) : before;
  const named = queue.lanes.count === 1 ? {} : { parts: EVERY_PART };
  return {
    topic,
    from,
    to: start,
    redo,
    skip,
    missed,
    changes: [
      { op: "done.clear", subscription, topic },
      { op: "unanswered.clear", subscription, topic },
      ...given.map((entry) => removeRetry(queue, entry)),
      { op: "cursor.put", record: { subscription, topic, next, ...named } },
      ...marksAbove(queue, marks, { topic, next }),
      ...(missed && total ? [missedChange({ subscription, topic, ...named }, total)] : []),
    ],
    apply() {
      queue.counts.clear(topic);
      for (const entry of queue.ready.bufferedOf(topic)) queue.ready.drop(entry);
      for (const entry of [...given, ...held]) {
        if (entry.seq >= to) continue;
        if (entry.lease) queue.endLease(entry.lease);
        queue.ready.drop(entry);
      }
      const fresh = queue.addLane(topic, start, { written: true });
      for (const { seq } of marks) fresh.settled.add(seq);
      fresh.held = lanes.reduce((sum, { held }) => sum + held, 0);
      fresh.heldTo = Math.max(...lanes.map(({ heldTo }) => heldTo));
      fresh.writtenNext = next;
      fresh.lastSeq = lastSeq;
      if (total) fresh.missed = total;
      for (const entry of kept) queue.ready.makeDue(entry);
    },
  };
}

/**
 * How many of a range are done or dead. Where parts stand at different seqs, it is not known of
 * which part each of them is: then it is about as many.
 */
function settledIn(
  lanes: PartLanes,
  topic: string,
  [from, to]: readonly [number, number],
): number {
  const counts = lanes.of(topic).map((lane) => lane.settled.count(from, to) * lanes.shareOf(lane));
  return Math.round(counts.reduce((sum, count) => sum + count, 0));
}

function missedChange(
  of: { subscription: string; topic: string; parts?: PartMask },
  { from, to, count }: NonNullable<TopicLane["missed"]>,
): StateChange {
  return { op: "missed.put", record: { ...of, from, to, count } };
}

/** The marks of retries above the cursor: one change a part. */
function marksAbove(
  { name, lanes }: DeliveryQueue,
  retries: readonly Entry[],
  { topic, next }: { topic: string; next: number },
): StateChange[] {
  const byPart = Map.groupBy(retries.filter(({ seq }) => seq > next), ({ part }) => part);
  // Without parts the change is there even if it says nothing.
  if (lanes.count === 1 && byPart.size === 0) byPart.set(0, []);
  return Array.from(byPart, ([part, entries]) => ({
    op: "done.put",
    subscription: name,
    topic,
    seqs: entries.map(({ seq }) => seq),
    ...partField(part),
  }));
}

/** What is gone of a range; undefined if nothing. `except`: seqs that are kept elsewhere. */
function missedBetween(
  topic: string,
  { from, to, except }: { from: number; to: number; except: readonly number[] },
): Missed | undefined {
  const kept = new Set(except.filter((seq) => seq >= from && seq <= to)).size;
  const count = to - from + 1 - kept;
  return count > 0 ? { topic, from, to, count } : undefined;
}

/** The total with what a seek missed; what was counted before does not count again. */
function addMissed(before: TopicLane["missed"], missed: Missed): NonNullable<TopicLane["missed"]> {
  const { from, to, count } = missed;
  if (!before) return { from, to, count, stored: count };
  const known = Math.max(0, Math.min(to, before.to) - Math.max(from, before.from) + 1);
  const sum = before.count + Math.max(0, count - known);
  return {
    from: Math.min(from, before.from),
    to: Math.max(to, before.to),
    count: sum,
    stored: sum,
  };
}

/** The first seq from `from` on that is not in `taken`. */
function nextFree(from: number, taken: readonly number[]): number {
  const set = new Set(taken);
  let next = from;
  while (set.has(next)) next++;
  return next;
}
