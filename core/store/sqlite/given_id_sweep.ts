/**
 * Takes given ids out of SQLite that are no longer looked up: an id outlives its event by the
 * window of deduplication, and a day of ids is many. So no pass of retention looks at all of them:
 * each goes on where the one before has ended, for a few rows, and begins anew behind the last. No
 * index is needed for that, which every append would pay for.
 */
import type { Prepare } from "./statements.ts";

/**
 * Rows that a pass looks at for each event that it removes: what is expired goes within a quarter
 * of the window.
 */
const LOOKS_PER_EVENT = 4;
/** And at least so many. */
const LEAST_LOOKS = 1024;

/** What may go. */
export interface Expired {
  /** The topic's row id. */
  topic: number;
  /** Ids of events from this seq on stay: they are stored. */
  before: number;
  /** Unix ms: ids that were stored later stay. */
  receivedAt: number;
}

/** How many rows a pass looks at that removes `events` events. */
export function looksFor(events: number): number {
  return Math.max(LEAST_LOOKS, events * LOOKS_PER_EVENT);
}

/** Forgets given ids that are no longer looked up. */
export class GivenIdSweep {
  /**
   * The last id that was looked at, by topic id. Absent: the next pass begins with the first; no id
   * is empty.
   */
  readonly #last = new Map<number, string>();

  /**
   * Looks at the next `rows` ids of a topic and removes those that may go; within a transaction.
   * One that is rolled back loses nothing: what it has left is found when the sweep comes round
   * again.
   */
  pass(prepare: Prepare, { topic, before, receivedAt }: Expired, rows: number): void {
    const from = this.#last.get(topic) ?? "";
    const to = prepare(
      "SELECT id FROM given_ids WHERE topic = ? AND id > ? ORDER BY id LIMIT 1 OFFSET ?",
    ).get(topic, from, rows - 1) as { id: string } | undefined;
    const of = "DELETE FROM given_ids WHERE topic = ? AND id > ? AND seq < ? AND received_at <= ?";
    if (to) prepare(`${of} AND id <= ?`).run(topic, from, before, receivedAt, to.id);
    else prepare(of).run(topic, from, before, receivedAt);
    if (to) this.#last.set(topic, to.id);
    else this.#last.delete(topic);
  }

  /** The topic is gone. */
  forget(topic: number): void {
    this.#last.delete(topic);
  }
}
