/**
 * How what a subscription has at hand is stored by part. A position or a count that is of some parts
 * is a row a part, so that each part can go to another node by itself. A position of every part is
 * one row, and so a node that owns all parts writes one, as if there were none.
 */
import { EVERY_PART, maskOf, type PartMask, partsIn } from "../event/part.ts";
import type { CursorRecord } from "./records.ts";
import type { StateSnapshot } from "./state.ts";

/** What a queue is made of. */
export type QueueRows = Pick<
  StateSnapshot,
  "cursors" | "done" | "missed" | "expired" | "retries" | "unanswered" | "begun"
>;

/** The number of a row that is of every part. */
export const EVERY = -1;

/** The numbers of the rows that a position of these parts is. Absent: part 0, the only one. */
export function positionRows(mask: PartMask | undefined): number[] {
  return mask === EVERY_PART ? [EVERY] : countRows(mask);
}

/** The numbers of the rows that a count of these parts is: it is in the first, the others go. */
export function countRows(mask: PartMask | undefined): number[] {
  return mask === undefined ? [0] : partsIn(mask);
}

/** The parts of a row, as records have them. */
export function partsOfRow(row: number): { parts?: PartMask } {
  if (row === 0) return {};
  return { parts: row === EVERY ? EVERY_PART : maskOf([row]) };
}

/**
 * What there is of these parts of a subscription, with the position of each. What handlers had begun
 * is whole, because whoever counts it writes the rest of it back.
 */
export function rowsOfParts(
  all: QueueRows,
  { subscription, parts }: { subscription: string; parts: readonly number[] },
): QueueRows {
  const mask = maskOf(parts);
  const own = <T extends { subscription: string }>(records: readonly T[]) =>
    records.filter((one) => one.subscription === subscription);
  const isAsked = ({ part = 0 }: { part?: number }) => (mask & 1 << part) !== 0;
  const isCounted = ({ parts }: { parts?: PartMask }) => (mask & 1 << countRows(parts)[0]!) !== 0;
  return {
    cursors: positionsOf(own(all.cursors), parts),
    done: own(all.done).filter(isAsked),
    missed: own(all.missed).filter(isCounted),
    expired: own(all.expired).filter(isCounted),
    retries: own(all.retries).filter(isAsked),
    unanswered: own(all.unanswered).filter(isAsked),
    begun: own(all.begun),
  };
}

/** The positions of parts, those that stand at the same seq of a topic together. */
function positionsOf(cursors: readonly CursorRecord[], parts: readonly number[]): CursorRecord[] {
  const positions = new Map<string, CursorRecord>();
  for (const topic of new Set(cursors.map(({ topic }) => topic))) {
    const there = new Map(
      cursors.filter((one) => one.topic === topic)
        .flatMap((one) => positionRows(one.parts).map((row) => [row, one])),
    );
    for (const part of parts) {
      const cursor = there.get(part) ?? there.get(EVERY);
      if (!cursor) continue;
      const name = `${cursor.next} ${topic}`;
      const mask = (positions.get(name)?.parts ?? 0) | maskOf([part]);
      positions.set(name, { ...cursor, parts: mask });
    }
  }
  return [...positions.values()];
}
