/** What is stored and reported about a paused subscription. */
import { defined } from "../base/defined.ts";
import { truncate } from "../base/truncate.ts";
import type { PausedBy, SubscriptionRecord } from "../state/state.ts";

/** The reason of a pause as stored: truncated, and without characters that SQLite would cut. */
export function pauseReasonOf(reason: string): string {
  return truncate(reason).replaceAll("\0", "").toWellFormed();
}

/** What is reported about a pause, besides the fact itself. */
export function pauseOf(
  { paused, pauseReason, pausedBy, pausedUntil }: SubscriptionRecord,
): { pauseReason?: string; pausedBy?: PausedBy; pausedUntil?: number } {
  const by = paused ? pausedBy ?? "person" : undefined;
  return defined({ pauseReason, pausedBy: by, pausedUntil });
}

/**
 * True for a pause that only a person may end. Pauses from before `pausedBy` was stored count as
 * such.
 */
export function isPersons({ pausedBy }: SubscriptionRecord): boolean {
  return pausedBy === undefined || pausedBy === "person";
}

/** The same subscription, resumed. */
export function unpaused(record: SubscriptionRecord): SubscriptionRecord {
  const { pauseReason: _reason, pausedBy: _by, pausedUntil: _until, ...rest } = record;
  return { ...rest, paused: false };
}
