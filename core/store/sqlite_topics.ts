/** What is known of each topic without reading its events: kept in memory, loaded from the database. */
import type { DatabaseSync } from "node:sqlite";
import { position } from "./sqlite_schema.ts";

/** One topic of the event database. Plain data: it crosses from the writer's thread to the reader's. */
export interface TopicRow {
  id: number;
  name: string;
  firstSeq: number;
  lastSeq: number;
  bytes: number;
}

/** Reads where every topic begins and ends. */
export function loadTopics(database: DatabaseSync): Map<string, TopicRow> {
  // One aggregate with both ends would scan the range; two single ones are index look-ups.
  const low = database.prepare("SELECT min(pos) AS pos FROM log WHERE pos BETWEEN ? AND ?");
  const high = database.prepare("SELECT max(pos) AS pos FROM log WHERE pos BETWEEN ? AND ?");
  const rows = database.prepare(
    `SELECT t.id, t.name, t.last_seq,
            (SELECT ifnull(sum(bytes), 0) FROM blocks b WHERE b.topic = t.id) AS bytes
     FROM topics t`,
  ).all() as { id: number; name: string; last_seq: number; bytes: number }[];
  const topics = new Map<string, TopicRow>();
  for (const row of rows) {
    const base = position(row.id, 0);
    const end = position(row.id + 1, 0) - 1;
    const first = (low.get(base, end) as { pos: number | null }).pos;
    const last = (high.get(base, end) as { pos: number | null }).pos;
    const lastSeq = Math.max(row.last_seq, last === null ? 0 : last - base);
    topics.set(row.name, {
      id: row.id,
      name: row.name,
      firstSeq: first === null ? lastSeq + 1 : first - base,
      lastSeq,
      bytes: row.bytes,
    });
  }
  return topics;
}
