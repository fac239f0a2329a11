/** The sums that `blocks` keeps of each 1,024 seqs, gathered over one append and written once. */
import type { StatementSync } from "node:sqlite";
import type { NewEvent } from "../event.ts";
import { metadataBytes } from "./append.ts";
import { packedId, type PackedRequest } from "./pack.ts";
import { BLOCK, blockOf } from "./sqlite_schema.ts";

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

  /** Adds the events of a packed request whose ids are all ours; returns the bytes that they count. */
  addPacked(request: PackedRequest, firstSeq: number): number {
    const { count, bounds, timestamps, metadata } = request;
    const shared = typeof metadata === "string" ? metadataBytes(metadata, 0) : undefined;
    let bytes = 0;
    for (let from = 0; from < count;) {
      const block = blockOf(firstSeq + from);
      const to = Math.min(count, (block + 1) * BLOCK - firstSeq + 1);
      let size = 0;
      let maxTimestamp = -Infinity;
      for (let i = from; i < to; i++) {
        size += bounds[2 * i + 1]! - bounds[2 * i]! + (shared ?? metadataBytes(metadata, i));
        maxTimestamp = Math.max(
          maxTimestamp,
          typeof timestamps === "number" ? timestamps : timestamps[i]!,
        );
      }
      const [minId, maxId] = idRange(request, from, to);
      this.#sums.set(block, { events: to - from, bytes: size, maxTimestamp, minId, maxId });
      bytes += size;
      from = to;
    }
    return bytes;
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

/** The lowest and the highest id of a part of a packed request. Ids that were made together rise. */
function idRange(request: PackedRequest, from: number, to: number): [string, string] {
  if (typeof request.ids !== "string") {
    return [packedId(request, from), packedId(request, to - 1)];
  }
  const ids = request.ids.split("\n").slice(from, to);
  return [
    ids.reduce((low, id) => id < low ? id : low),
    ids.reduce((high, id) => id > high ? id : high),
  ];
}
