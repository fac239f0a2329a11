/** What is kept and told of a paused subscription. */
import { truncate } from "../base/truncate.ts";
import type { PausedBy, SubscriptionRecord } from "../state/state.ts";

/** Why somebody paused, as it is kept: clipped, and text that SQLite keeps whole. */
export function pauseReasonOf(reason: string): string {
  return truncate(reason).replaceAll("\0", "").toWellFormed();
}

/** What is told of a pause beside that it is one. */
export function pauseOf(
  { paused, pauseReason, pausedBy, pausedUntil }: SubscriptionRecord,
): { pauseReason?: string; pausedBy?: PausedBy; pausedUntil?: number } {
  return {
    ...(pauseReason === undefined ? {} : { pauseReason }),
    ...(paused ? { pausedBy: pausedBy ?? "person" } : {}),
    ...(pausedUntil === undefined ? {} : { pausedUntil }),
  };
}

/** True for a pause that only a person ends; so is one of before it was kept who paused. */
export function isPersons({ pausedBy }: SubscriptionRecord): boolean {
  return pausedBy === undefined || pausedBy === "person";
}

/** The same subscription, going on. */
export function unpaused(record: SubscriptionRecord): SubscriptionRecord {
  const { pauseReason: _reason, pausedBy: _by, pausedUntil: _until, ...rest } = record;
  return { ...rest, paused: false };
}
