/**
 * Parts of a queue that go: given back, in two steps, or lost to another node at once.
 *
 * None of this while a plan is under way: plans settle events in their lanes before that is durable,
 * and take it back there if it is refused. After a lane has given parts away, that would leave a gap
 * in it which nobody ever fills, and its cursor would stand there for good.
 */
import { maskOf, type PartMask } from "../event/part.ts";
import type { Entry } from "./entry.ts";
import type { OpenEvent, PartLane } from "./part_lanes.ts";
import type { DeliveryQueue } from "./queue.ts";

/**
 * Drops all that a queue has of some parts, and ends the leases of their events: whoever answers
 * them is told that they are lost.
 */
export function leaveParts(queue: DeliveryQueue, mask: PartMask): void {
  const parts = mask & queue.lanes.own;
  if (parts === 0) return;
  const entries = entriesOf(queue, parts);
  queue.lanes.leave(parts, (lane) => openIn(queue, lane));
  for (const entry of entries) dropEntry(queue, entry);
  queue.counts.leave(parts);
  queue.expired.leave(parts);
  for (const topic of queue.missed.topics()) {
    if (!queue.lanes.has(topic)) queue.missed.forget(topic);
  }
}

/**
 * Delivers nothing new of some parts. What is leased of them stays so until it is settled; all else
 * is dropped, and left to whoever gets them.
 */
export function freezeParts(queue: DeliveryQueue, mask: PartMask): void {
  const parts = mask & queue.lanes.own & ~queue.lanes.frozen;
  if (parts === 0) return;
  const entries = entriesOf(queue, parts);
  queue.lanes.freeze(parts, (lane) => openIn(queue, lane));
  for (const entry of entries) if (!entry.lease) dropEntry(queue, entry);
}

/** Of the frozen parts those of which nothing is leased: they can be given back. */
export function finishedParts({ lanes, ready }: DeliveryQueue): PartMask {
  if (lanes.frozen === 0) return 0;
  const leased = [...ready.leases.values()].filter(({ entry }) => entry.kind !== "ephemeral");
  return lanes.frozen & ~maskOf(leased.map(({ entry }) => entry.part));
}

/** Its lease ends, and it leaves the queue. */
export function dropEntry(queue: DeliveryQueue, entry: Entry): void {
  if (entry.lease) queue.endLease(entry.lease);
  queue.ready.drop(entry);
}

/** What of a lane is in memory and not settled: leased or not. */
function* openIn(queue: DeliveryQueue, lane: PartLane): Generator<OpenEvent> {
  for (const { seq, part } of queue.heldOf(lane).values()) yield { seq, part, held: true };
  for (const { seq, part } of queue.bufferedOf(lane)) yield { seq, part, held: false };
}

/** All events of some parts that a queue has in memory, but those of topics that store nothing. */
function entriesOf({ ready }: DeliveryQueue, parts: PartMask): Entry[] {
  const leased = Array.from(ready.leases.values(), ({ entry }) => entry);
  const all = new Set([...leased, ...ready.allBuffered(), ...ready.retries.values()]);
  return [...all].filter(({ kind, part }) => kind !== "ephemeral" && (parts & 1 << part) !== 0);
}
