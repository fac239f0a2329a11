/** What subscriptions hold back from retention, as a value and in words. */
import { formatDuration } from "../base/units.ts";

/** Events that a topic's limits would delete, if its subscriptions had finished them. */
export interface HeldBack {
  /** The first seq. */
  from: number;
  /** The last seq. */
  to: number;
  /** How many there are. */
  count: number;
  /** The subscriptions that have not finished them; empty if the topic has none. */
  by: readonly string[];
  /** For how long events have been held back without a break, ms; at most since the start. */
  forMs: number;
}

/** From this long on, `evs doctor` and the log warn of it, ms. */
export const HELD_LONG_MS = 3_600_000;

/** Most subscriptions that are named. */
const NAMED = 5;

/**
 * In words.
 *
 * ```ts
 * heldBackText({ from: 3, to: 9, count: 7, by: ["mailer"], forMs: 60_000 });
 * // "7 events past its limits (3 to 9) wait for mailer, for 1m now"
 * ```
 */
export function heldBackText({ from, to, count, by, forMs }: HeldBack): string {
  const events = count === 1 ? `1 event past its limits (${from})` : `${count} events past its ` +
    `limits (${from} to ${to})`;
  const more = by.length > NAMED ? ` and ${by.length - NAMED} more` : "";
  const whom = by.length === 0
    ? "its first named subscription"
    : `${by.slice(0, NAMED).join(", ")}${more}`;
  const seconds = Math.max(1, Math.floor(forMs / 1000));
  return `${events} wait${count === 1 ? "s" : ""} for ${whom}, for ${
    formatDuration(seconds * 1000)
  } now`;
}
