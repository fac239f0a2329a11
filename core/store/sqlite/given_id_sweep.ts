/**
 * Deletes expired given ids from SQLite. An id outlives its event by the dedup window, and a day's
 * ids are many. So no retention pass looks at all of them: each continues where the last one
 * stopped, for a few rows, and starts over at the end. That needs no index, which every append
 * would have to maintain.
 */
import type { Prepare } from "./statements.ts";

/**
 * Rows that a pass checks per deleted event, so that an expired id is gone within a quarter of the
 * window.
 */
const LOOKS_PER_EVENT = 4;
/** Rows that a pass checks at least. */
const LEAST_LOOKS = 1024;

/** Which ids may be deleted. */
export interface Expired {
  /** The topic's row id. */
  topic: number;
  /** Ids of events from this seq on are kept: their events are still stored. */
  before: number;
  /** Unix ms: ids stored later are kept. */
  receivedAt: number;
}

/** How many rows a pass that deletes `events` events checks. */
export function looksFor(events: number): number {
  return Math.max(LEAST_LOOKS, events * LOOKS_PER_EVENT);
}

/** Deletes given ids that have left the dedup window. */
export class GivenIdSweep {
  /**
   * The last id that was checked, by topic id. If absent, the next pass starts at the beginning; no
   * id is empty.
   */
  readonly #last = new Map<number, string>();

  /**
   * Checks the next `rows` ids of a topic and deletes those that may go; within a transaction. A
   * rollback is harmless: what it restores is found when the sweep comes round again.
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

  /** The topic was removed. */
  forget(topic: number): void {
    this.#last.delete(topic);
  }
}
