/** How dead letters return to a queue. */
import { type FailedEvent, failedEvent } from "../state/dead_letter_name.ts";
import { retryOf } from "../state/dead_letter_page.ts";
import type { DeadLetterRecord, StateChange } from "../state/state.ts";
import { partField } from "../event/part.ts";
import type { Entry, Now } from "./entry.ts";
import { Marks } from "./marks.ts";
import type { PartLane } from "./part_lanes.ts";
import { cursorPlan, type Plan } from "./plan.ts";
import type { DeliveryQueue } from "./queue.ts";
import { retryEntry } from "./retry_entry.ts";

/** What a dead letter's place in a queue depends on. */
export interface Redelivery extends FailedEvent {
  editedFrom?: string;
  nextAttempt: number;
  /** Bytes of its event. */
  size: number;
}

/**
 * Adds dead letters as retries that are due now, with their history and a fresh retry budget. An
 * event that is already in delivery here is not added twice.
 */
export function planRedelivery(
  queue: DeliveryQueue,
  records: readonly DeadLetterRecord[],
  now: Now,
): Plan {
  const to = { to: queue.name, dueAt: now.wall };
  return planTake(queue, records.map(redeliveryOf), {
    now,
    changes: (taken) =>
      taken.map((i): StateChange => {
        const part = partField(queue.partOf(records[i]!));
        return { op: "retry.put", record: { ...retryOf(records[i]!, to), ...part } };
      }),
  });
}

/**
 * The same for dead letters in the state database: they are moved inside it, without coming into
 * memory. Those that are not added are removed.
 */
export function planRedeliveryFromState(
  queue: DeliveryQueue,
  entries: readonly Redelivery[],
  now: Now,
): Plan {
  return planTake(queue, entries, { now, changes: (taken) => movesOf(queue, entries, taken, now) });
}

/** The place of a record. */
export function redeliveryOf(record: DeadLetterRecord): Redelivery {
  const { editedFrom, attempts, line } = record;
  return {
    ...failedEvent(record),
    editedFrom,
    nextAttempt: (attempts.at(-1)?.attempt ?? 0) + 1,
    size: line.length,
  };
}

function movesOf(
  queue: DeliveryQueue,
  entries: readonly Redelivery[],
  taken: readonly number[],
  now: Now,
): StateChange[] {
  const changes: StateChange[] = [];
  const isTaken = new Set(taken);
  const moves = new Map<string, Extract<StateChange, { op: "dead.retry" }>>();
  for (const [i, entry] of entries.entries()) {
    const { subscription, topic, id } = entry;
    if (!isTaken.has(i)) {
      changes.push({ op: "dead.remove", subscription, topic, id });
      continue;
    }
    const from = `${subscription}\n${topic}`;
    const move = moves.get(from);
    if (move) move.ids.push(id);
    else {
      const about = { subscription, topic, to: queue.name, dueAt: now.wall };
      moves.set(from, { op: "dead.retry", ...about, ids: [id] });
    }
    if (queue.lanes.count > 1) (moves.get(from)!.parts ??= []).push(queue.partOf(entry));
  }
  return [...moves.values(), ...changes];
}

function planTake(
  queue: DeliveryQueue,
  entries: readonly Redelivery[],
  options: { now: Now; changes(taken: readonly number[]): StateChange[] },
): Plan {
  const { now } = options;
  const taken: number[] = [];
  const seen = new Set<string>();
  const settled = new Marks();
  const heldOf = bySeq((lane) => queue.heldOf(lane));
  const twinOf = bySeq((lane) =>
    new Map(queue.bufferedOf(lane).map((entry) => [entry.seq, entry]))
  );
  for (const [i, dead] of entries.entries()) {
    const { topic, seq, id, editedFrom } = dead;
    const name = `${topic}\n${id}`;
    if (seen.has(name) || queue.ready.retryOf(topic, id)) continue;
    const part = queue.partOf(dead);
    const lane = queue.lanes.at(topic, part);
    if (lane && heldOf(lane, seq)?.id === id) continue;
    seen.add(name);
    taken.push(i);
    // An edited copy is its own event: it does not stand for the one in the topic.
    const takes = lane !== undefined && editedFrom === undefined && seq > 0 &&
      seq <= lane.lastSeq && !lane.settled.has(seq);
    if (takes) {
      // Now, not when it is durable: it must not be leased from the topic meanwhile.
      const twin = twinOf(lane, seq);
      if (twin) queue.ready.drop(twin);
      settled.add(lane, seq, part);
      settled.join();
    }
  }
  const lanes = cursorPlan(queue, settled);
  return {
    changes: [...options.changes(taken), ...lanes.changes],
    result: undefined,
    dead: [],
    apply() {
      lanes.apply();
      for (const i of taken) {
        const entry = entries[i]!;
        const retry = {
          ...entry,
          subscription: queue.name,
          dueAt: now.wall,
          waitMs: 0,
          failures: 0,
        };
        const scheduled = retryEntry(retry, now, entry.size);
        scheduled.part = queue.partOf(entry);
        scheduled.due = true;
        queue.ready.addRetry(scheduled);
      }
    },
    rollback() {
      settled.undo((lane, seq) => lane.readNext = Math.min(lane.readNext, seq));
      queue.rewind();
    },
  };
}

/** Looks up entries by lane and seq; `read` returns those of a lane and is called once per lane. */
function bySeq(
  read: (lane: PartLane) => ReadonlyMap<number, Entry>,
): (lane: PartLane, seq: number) => Entry | undefined {
  const known = new Map<PartLane, ReadonlyMap<number, Entry>>();
  return (lane, seq) => {
    let entries = known.get(lane);
    if (!entries) known.set(lane, entries = read(lane));
    return entries.get(seq);
  };
}
