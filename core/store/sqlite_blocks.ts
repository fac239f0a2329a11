/** The sums that `blocks` keeps of each 1,024 seqs, gathered over one append and written once. */
import type { StatementSync } from "node:sqlite";
import type { NewEvent } from "../event.ts";
import { blockOf } from "./sqlite_schema.ts";

interface Sum {
  events: number;
  bytes: number;
  maxTimestamp: number;
  minId: string | null;
  maxId: string | null;
}

const UPSERT = `
  INSERT INTO blocks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
  ON CONFLICT DO UPDATE SET
    events = events + ?3,
    bytes = bytes + ?4,
    max_timestamp = max(max_timestamp, ?5),
    min_id = ifnull(min(min_id, ?6), ifnull(min_id, ?6)),
    max_id = ifnull(max(max_id, ?7), ifnull(max_id, ?7))`;

/** Sums of the events that one append stores on one topic. */
export class BlockSums {
  readonly #sums = new Map<number, Sum>();
  #block = -1;
  #current: Sum | undefined;

  add(seq: number, event: NewEvent, size: number): void {
    const block = blockOf(seq);
    if (block !== this.#block || !this.#current) {
      this.#block = block;
      this.#current = {
        events: 0,
        bytes: 0,
        maxTimestamp: event.timestamp,
        minId: null,
        maxId: null,
      };
      this.#sums.set(block, this.#current);
    }
    const sum = this.#current;
    sum.events++;
    sum.bytes += size;
    if (event.timestamp > sum.maxTimestamp) sum.maxTimestamp = event.timestamp;
    if (event.idGiven) return;
    if (sum.minId === null || event.id < sum.minId) sum.minId = event.id;
    if (sum.maxId === null || event.id > sum.maxId) sum.maxId = event.id;
  }

  /** Adds the sums to the table. */
  write(topicId: number, prepare: (sql: string) => StatementSync): void {
    for (const [block, sum] of this.#sums) {
      prepare(UPSERT).run(
        topicId,
        block,
        sum.events,
        sum.bytes,
        sum.maxTimestamp,
        sum.minId,
        sum.maxId,
      );
    }
  }
}
