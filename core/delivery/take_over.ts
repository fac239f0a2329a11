/**
 * Parts of a queue that come: it goes on with them where their rows say. Nothing of what others have
 * left is taken for new: what is done above a cursor is settled, and what the handlers of the owner
 * before had begun counts as ended without an answer, as after a restart (unanswered.ts). Its record
 * is that owner's, which may write it again at any time: so what was begun says under which claim,
 * and counts for the next one only.
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
import { countsAtStart, openDeliveries, OWN_PROCESS } from "./unanswered.ts";

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
  const open = openDeliveries(
    rows.begun.map((row) => ({ ...row, events: row.events.filter(isBegunBefore(rows)) })),
    mine,
  );
  const { unanswered, changes } = countsAtStart(queue.name, {
    unanswered: mine.unanswered,
    open,
  });
  const others = open.filter(({ consumer }) => !consumer.startsWith(OWN_PROCESS));
  queue.load({ ...mine, unanswered, open: others }, now);
  return [...changes, ...rows.begun.flatMap((row) => withoutCounted(row, rows))];
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
 * True of what was begun under the claim before the one that the part is taken over by. What is
 * older was counted by then, or was told too late: by an owner that had lost the part and did not
 * know it yet.
 */
function isBegunBefore({ parts }: PartRows): (event: BegunEvent) => boolean {
  const epochs = new Map(parts.map(({ part, epoch }) => [part, epoch]));
  return ({ part = 0, epoch }) => epoch !== undefined && epoch + 1 === epochs.get(part);
}

/** Leaves out of what a consumer had begun what nobody will count any more. */
function withoutCounted(record: BegunRecord, { parts }: PartRows): StateChange[] {
  const epochs = new Map(parts.map(({ part, epoch }) => [part, epoch]));
  const left = record.events.filter(({ part = 0, epoch = 0 }) => {
    return !(epoch < (epochs.get(part) ?? 0));
  });
  return left.length < record.events.length ? [{ op: "begun.left", record, left }] : [];
}
