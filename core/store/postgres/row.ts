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

/** What a checksum of {@link contentSum} is of. */
type Content = Omit<NewEvent, "idGiven" | "ttlMs" | "keySeq">;

/** The checksum of what the publisher sent. */
export function contentSum(event: Content): number {
  return sumOf(encoded(headOf(event)), event.payload);
}

/** About how much text is encoded at once: a call of the runtime costs more than a short text. */
const TOGETHER = 16 * 1024;

/** The checksums of many events. */
export function contentSums(events: readonly Content[]): number[] {
  const sums: number[] = [];
  for (let from = 0; from < events.length;) {
    const heads: string[] = [];
    for (let length = 0; length < TOGETHER && from + heads.length < events.length;) {
      const head = headOf(events[from + heads.length]!);
      heads.push(head);
      length += head.length;
    }
    sums.push(...sumsOf(heads, events.slice(from, from += heads.length)));
  }
  return sums;
}

function sumsOf(heads: readonly string[], events: readonly Content[]): number[] {
  const text = heads.join("");
  const bytes = encoded(text);
  // Where each head begins is known only if all characters are a byte each.
  if (bytes.length !== text.length) return events.map(contentSum);
  let at = 0;
  return events.map(({ payload }, i) => sumOf(bytes.subarray(at, at += heads[i]!.length), payload));
}

function headOf(event: Content): string {
  const { id, type, key, timestamp, expiresAt, schemaVersion, metadata } = event;
  return `${id}\n${type}\n${key === undefined ? "-" : `+${key}`}\n${timestamp}\n${
    expiresAt ?? ""
  }\n${schemaVersion}\n${metadata}\n`;
}

/** Valid until the next call. */
function encoded(text: string): Uint8Array {
  if (room.length < text.length * 3) room = new Uint8Array(text.length * 6);
  return room.subarray(0, encoder.encodeInto(text, room).written);
}

function sumOf(head: Uint8Array, payload: Uint8Array): number {
  return crc32(payload, crc32(head)) >>> 0;
}
