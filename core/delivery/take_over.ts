/**
 * Parts of a queue that come: it goes on with them where their rows say. Nothing of what others have
 * left is taken for new: what is done above a cursor is settled, and what their handlers had begun
 * counts as ended without an answer, as after a restart (unanswered.ts).
 *
 * Like all that changes the parts of a queue, this is for when no plan is under way (give_back.ts).
 */
import { maskOf, type PartMask } from "../event/part.ts";
import type { PartRows } from "../state/coordinator.ts";
import type { BegunEvent, BegunRecord } from "../state/records.ts";
import type { StateChange } from "../state/state.ts";
import type { Now } from "./entry.ts";
import { leaveParts } from "./give_back.ts";
import type { DeliveryQueue } from "./queue.ts";
import { countsAtStart, openDeliveries, type OpenDelivery, OWN_PROCESS } from "./unanswered.ts";

/**
 * Takes parts over, as they are stored: `rows` are all their rows. On topics for which they have no
 * cursor they have yet to begin (`DeliveryQueue.addTopic`). What it had of them before is dropped.
 * Returns what is to be stored: what their handlers had begun is counted once.
 */
export function takeParts(queue: DeliveryQueue, rows: PartRows, now: Now): StateChange[] {
  const mask = maskOf(rows.parts.map(({ part }) => part));
  leaveParts(queue, mask);
  queue.lanes.gain(mask);
  const mine = rowsOf(rows, mask);
  const begun = rows.begun.filter(({ events }) => events.some(isOf(mask)));
  const open = openDeliveries(
    begun.map((row) => ({ ...row, events: row.events.filter(isOf(mask)) })),
    mine,
  );
  const { unanswered, changes } = countsAtStart(queue.name, {
    unanswered: mine.unanswered,
    open,
  });
  const others = open.filter(({ consumer }) => !consumer.startsWith(OWN_PROCESS));
  queue.load({ ...mine, unanswered, open: others }, now);
  return [...changes, ...begun.flatMap((row) => withoutCounted(row, { mask, open: others }))];
}

/** The rows of these parts. */
function rowsOf(rows: PartRows, mask: PartMask): Omit<PartRows, "parts" | "begun"> {
  const isIn = isOf(mask);
  const areIn = ({ parts = 1 }: { parts?: PartMask }) => (parts & mask) !== 0;
  return {
    cursors: rows.cursors.filter(areIn).map((row) => ({ ...row, parts: (row.parts ?? 1) & mask })),
    done: rows.done.filter(isIn),
    missed: rows.missed.filter(areIn),
    expired: rows.expired.filter(areIn),
    retries: rows.retries.filter(isIn),
    unanswered: rows.unanswered.filter(isIn),
  };
}

function isOf(mask: PartMask): (of: { part?: number }) => boolean {
  return ({ part = 0 }) => (mask & 1 << part) !== 0;
}

/**
 * Leaves events of these parts out of what a consumer had begun, so that the next owner does not
 * count them again; but those that it may go on with, which are not counted yet.
 */
function withoutCounted(
  record: BegunRecord,
  { mask, open }: { mask: PartMask; open: readonly OpenDelivery[] },
): StateChange[] {
  const { subscription, consumer } = record;
  const nameOf = ({ topic, id }: Pick<BegunEvent, "topic" | "id">) => `${topic}\n${id}`;
  const kept = new Set(open.filter((one) => one.consumer === consumer).map(nameOf));
  const isIn = isOf(mask);
  const events = record.events.filter((event) => !isIn(event) || kept.has(nameOf(event)));
  if (events.length === record.events.length) return [];
  return events.length > 0
    ? [{ op: "begun.put", record: { ...record, events } }]
    : [{ op: "begun.remove", subscription, consumer }];
}
