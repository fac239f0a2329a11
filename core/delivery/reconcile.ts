/**
 * Parts whose rows somebody else has changed: a person on another node sent dead letters again, or
 * made retries due. The owner goes on with what is stored, and keeps its other leases.
 */
import { maskOf, type PartMask } from "../event/part.ts";
import type { PartRows } from "../state/coordinator.ts";
import { type WaitingRetry, waitLeft } from "../state/records.ts";
import type { Entry, Now } from "./entry.ts";
import { dropEntry } from "./give_back.ts";
import type { DeliveryQueue } from "./queue.ts";
import { retryEntry } from "./retry_entry.ts";

/** A wait that differs by less is the same: it was rounded when it was stored. */
const SAME_MS = 2;

/**
 * Takes what others have changed of parts that are still here: `rows` are all their rows. The leases
 * of events that are elsewhere now end, and answers to them are told that they are lost: also those
 * of parts that are to be given back, of which nothing new is taken. No plan may be under way
 * (give_back.ts).
 */
export function reconcileParts(queue: DeliveryQueue, rows: PartRows, now: Now): void {
  const mask = maskOf(rows.parts.map(({ part }) => part)) & queue.lanes.own;
  settleDone(queue, rows.done.filter(({ part = 0 }) => (mask & 1 << part) !== 0));
  reconcileRetries(queue, {
    mask,
    rows: rows.retries.filter(({ part = 0 }) => (mask & 1 << part) !== 0),
    now,
  });
}

/** What has a mark now has a row elsewhere: it is not delivered from its topic any more. */
function settleDone(queue: DeliveryQueue, done: PartRows["done"]): void {
  for (const { topic, seq, part = 0 } of done) {
    const lane = queue.lanes.at(topic, part);
    if (!lane || lane.settled.has(seq)) continue;
    const twin = queue.heldOf(lane).get(seq) ??
      queue.bufferedOf(lane).find((entry) => entry.seq === seq);
    if (twin) dropEntry(queue, twin);
    lane.settled.add(seq);
    lane.dirty = true;
  }
}

function reconcileRetries(
  queue: DeliveryQueue,
  { mask, rows, now }: { mask: PartMask; rows: readonly WaitingRetry[]; now: Now },
): void {
  const wanted = new Map(rows.map((row) => [`${row.topic}\n${row.id}`, row]));
  for (const entry of [...queue.ready.retries.values()]) {
    if ((mask & 1 << entry.part) === 0) continue;
    const name = `${entry.topic}\n${entry.id}`;
    const row = wanted.get(name);
    if (row && isSame(entry, row, now)) wanted.delete(name);
    else dropEntry(queue, entry);
  }
  for (const row of wanted.values()) {
    if ((queue.lanes.frozen & 1 << (row.part ?? 0)) !== 0) continue;
    const entry = retryEntry(row, now);
    queue.counts.recall(entry);
    queue.ready.addRetry(entry);
  }
  queue.ready.wake(now.mono);
}

/** True if a row says what the queue knows: of one that is leased, whatever its wait was. */
function isSame(entry: Entry, row: WaitingRetry, now: Now): boolean {
  if (entry.nextAttempt !== row.nextAttempt || entry.failures !== row.failures) return false;
  const wait = entry.due ? 0 : Math.max(0, entry.dueMono - now.mono);
  return entry.lease !== undefined || Math.abs(wait - waitLeft(row, now.wall)) < SAME_MS;
}
