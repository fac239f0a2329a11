/** Moves a queue's cursors, as a plan: backwards to redeliver, forwards to skip. */
import type { StateChange } from "../state/state.ts";
import { type Plan, removeRetry } from "./plan.ts";
import type { DeliveryQueue } from "./queue.ts";

/** The target of a seek on one topic. */
export interface SeekTarget {
  topic: string;
  /** The next seq to deliver. */
  to: number;
  firstSeq: number;
  lastSeq: number;
}

/**
 * What a seek does: how many events are redelivered, how many are skipped, and the old and new
 * cursors.
 */
export interface SeekSummary {
  redo: number;
  skip: number;
  topics: { topic: string; from: number; to: number }[];
}

/**
 * Moves cursors. Retries before the target are given up; those at or after it stay and become due
 * now, so that they keep their attempts and are delivered once. Leases at or after it stay; leases
 * before it are lost.
 */
export function planSeek(
  queue: DeliveryQueue,
  targets: readonly SeekTarget[],
): Plan<SeekSummary> {
  const seeks = targets.map((target) => planTopicSeek(queue, target));
  const sum = (count: (seek: TopicSeek) => number) =>
    seeks.reduce((total, seek) => total + count(seek), 0);
  return {
    changes: seeks.flatMap(({ changes }) => changes),
    result: {
      redo: sum(({ redo }) => redo),
      skip: sum(({ skip }) => skip),
      topics: seeks.map(({ topic, from, to }) => ({ topic, from, to })),
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
  changes: StateChange[];
  apply(): void;
}

function planTopicSeek(queue: DeliveryQueue, target: SeekTarget): TopicSeek {
  const { topic, to, lastSeq, firstSeq } = target;
  const lane = queue.lanes.get(topic) ?? queue.addLane(topic, firstSeq, { written: false });
  const retries = [...queue.ready.retries.values()].filter((entry) => entry.topic === topic);
  const kept = retries.filter(({ seq }) => seq >= to);
  const given = retries.filter(({ seq }) => seq < to);
  const marks = kept.map(({ seq }) => seq).filter((seq) => seq <= lastSeq);
  const from = queue.cursorOf(lane);
  const done = marks.filter((seq) => lane.settled.has(seq)).length;
  const redo = lane.settled.count(to, lastSeq) - done;
  const low = Math.min(firstSeq, to);
  const skip = given.length + (to - low) - lane.settled.count(low, to - 1);
  const next = nextFree(to, marks);
  const subscription = queue.name;
  return {
    topic,
    from,
    to,
    redo,
    skip,
    changes: [
      { op: "done.clear", subscription, topic },
      { op: "unanswered.clear", subscription, topic },
      ...given.map((entry) => removeRetry(queue, entry)),
      { op: "cursor.put", record: { subscription, topic, next } },
      { op: "done.put", subscription, topic, seqs: marks.filter((seq) => seq > next) },
    ],
    apply() {
      queue.counts.clear(topic);
      for (const entry of queue.ready.bufferedOf(topic)) queue.ready.drop(entry);
      for (const entry of [...given, ...queue.heldOf(lane).values()]) {
        if (entry.seq >= to) continue;
        if (entry.lease) queue.endLease(entry.lease);
        queue.ready.drop(entry);
      }
      const missed = lane.missed;
      const fresh = queue.addLane(topic, to, { written: true });
      for (const seq of marks) fresh.settled.add(seq);
      fresh.held = lane.held;
      fresh.heldTo = lane.heldTo;
      fresh.writtenNext = next;
      fresh.lastSeq = lastSeq;
      if (missed) fresh.missed = missed;
      for (const entry of kept) queue.ready.makeDue(entry);
    },
  };
}

/** The first seq from `from` on that is not in `taken`. */
function nextFree(from: number, taken: readonly number[]): number {
  const set = new Set(taken);
  let next = from;
  while (set.has(next)) next++;
  return next;
}
