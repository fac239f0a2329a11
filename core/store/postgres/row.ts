/**
 * A row of `evs.events`, and its checksum: CRC-32 of everything that the publisher sent, combined
 * with the numbers that the database gave. A row that the server returns changed is damage, and is
 * never delivered.
 */
import { crc32 } from "../../base/checksum.ts";
import type { NewEvent, StoredEvent } from "../../event/event.ts";

/** The columns that {@link eventOfRow} needs. */
export const EVENT_COLUMNS =
  "seq, id, type, key, key_seq, ts, expires_at, schema_version, metadata, payload, crc";

/** A row with those columns. */
export interface EventRow {
  seq: number;
  id: string;
  type: string;
  key: string | null;
  key_seq: number | null;
  ts: number;
  expires_at: number | null;
  schema_version: string;
  metadata: string;
  payload: string;
  crc: number;
}

/** By how much the number within the key is shifted before it goes into the checksum. */
const SHIFT = 2n ** 20n;
const encoder = new TextEncoder();
let room = new Uint8Array(4096);

/** The event of a row; undefined if its checksum says that it is damaged. */
export function eventOfRow(topic: string, row: EventRow): StoredEvent | undefined {
  const event: StoredEvent = {
    seq: row.seq,
    topic,
    id: row.id,
    type: row.type,
    timestamp: row.ts,
    schemaVersion: row.schema_version,
    metadata: row.metadata,
    payload: encoder.encode(row.payload),
  };
  if (row.key !== null) event.key = row.key;
  if (row.key_seq !== null) event.keySeq = row.key_seq;
  if (row.expires_at !== null) event.expiresAt = row.expires_at;
  return sumOfRow(event) === row.crc ? event : undefined;
}

/** The checksum of a stored event. The function `evs.append_1` combines it likewise. */
export function sumOfRow(event: StoredEvent): number {
  const sum = contentSum(event);
  const { seq, keySeq = 0 } = event;
  // Most numbers fit into the 32 bits that operators have.
  if (seq < 2 ** 31 && keySeq < 2 ** 11) return (sum ^ seq ^ keySeq << 20) >>> 0;
  return Number(BigInt(sum) ^ BigInt(seq) ^ BigInt(keySeq) * SHIFT);
}

/** The checksum of what the publisher sent. */
export function contentSum(
  event: Omit<NewEvent, "idGiven" | "ttlMs" | "keySeq">,
): number {
  const { id, type, key, timestamp, expiresAt, schemaVersion, metadata, payload } = event;
  const head = `${id}\n${type}\n${key === undefined ? "-" : `+${key}`}\n${timestamp}\n${
    expiresAt ?? ""
  }\n${schemaVersion}\n${metadata}\n`;
  if (room.length < head.length * 3) room = new Uint8Array(head.length * 6);
  const { written } = encoder.encodeInto(head, room);
  return crc32(payload, crc32(room.subarray(0, written))) >>> 0;
}
