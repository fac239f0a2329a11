/** Reads the scheduled events of a state in PostgreSQL. */
import type { Query } from "../../postgres/connection.ts";
import { scheduledOf } from "../rows.ts";
import type { WaitingEvent, WaitingPage } from "../scheduler.ts";
import { listText, listType, plainRow } from "./values.ts";

/** Most events that are published together, and about most bytes. */
const [MOST_TOGETHER, MOST_BYTES] = [256, 1024 * 1024];

const COLUMNS = `number, topic, id, type, key, due_at, wait_ms, accepted_at, after_seq, stamped,
  redacted`;
const NOW = "floor(extract(epoch FROM clock_timestamp()) * 1000)";
const PAGE = `SELECT ${COLUMNS} FROM evs.scheduled
  WHERE ($1::text IS NULL OR topic = $1::text)
    AND (due_at, number) > ($2::text::double precision, $3::text::bigint)
  ORDER BY due_at, number LIMIT $4::text::int`;
const COUNT = `SELECT count(*) AS n FROM evs.scheduled WHERE $1::text IS NULL OR topic = $1::text`;
const BUT = `topic <> ALL($1${listType("text")}) AND number <> ALL($2${listType("bigint")})`;
const LEFT = `SELECT (SELECT due_at FROM evs.scheduled WHERE ${BUT} ORDER BY due_at, number LIMIT 1)
  - ${NOW}::double precision AS wait_ms`;
/** The lengths are known without reading the lines. */
const DUE = `SELECT ${COLUMNS}, line, md5(line) AS sum, ${NOW}::double precision AS now
  FROM evs.scheduled JOIN (
    SELECT number, sum(octet_length(line))
      OVER (ORDER BY due_at, number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
    FROM (SELECT number, due_at, line FROM evs.scheduled WHERE due_at <= ${NOW} AND ${BUT}
      ORDER BY due_at, number LIMIT ${MOST_TOGETHER}) AS due
  ) AS sized USING (number)
  WHERE coalesce(before, 0) < ${MOST_BYTES} ORDER BY due_at, number`;

/** What is left aside when something due is looked for. */
export interface LeftAside {
  topics: readonly string[];
  numbers: readonly number[];
}

/** An event that is due, with what it says. */
export interface DueEvent {
  item: WaitingEvent;
  line: Uint8Array;
  /** Tells this line from another one. */
  sum: string;
  /** The database's time when it was read, Unix ms. */
  now: number;
}

/** A page of those that wait, and how many there are. */
export async function readWaitingPage(
  query: Query,
  { topic = null, limit, after }: { topic?: string | null } & Omit<WaitingPage, "topic">,
): Promise<{ items: WaitingEvent[]; total: number }> {
  const { due, number } = after ?? { due: "-Infinity", number: 0 };
  const rows = await query(PAGE, [topic, String(due), String(number), String(limit)]);
  return { items: rows.map(plainRow).map(scheduledOf), total: await countWaiting(query, topic) };
}

/** How many wait. */
export async function countWaiting(query: Query, topic: string | null = null): Promise<number> {
  const [row] = await query(COUNT, [topic]);
  return plainRow(row!)["n"] as number;
}

/** The one that waits under an id. */
export async function readWaiting(
  query: Query,
  topic: string,
  id: string,
): Promise<WaitingEvent | undefined> {
  const sql = `SELECT ${COLUMNS} FROM evs.scheduled WHERE topic = $1 AND id = $2`;
  const [row] = await query(sql, [topic, id]);
  return row && scheduledOf(plainRow(row));
}

/** Those that wait under these ids; nobody publishes, cancels or changes them meanwhile. */
export async function holdWaiting(
  query: Query,
  { ids, topic }: { ids: readonly string[]; topic?: string | undefined },
): Promise<WaitingEvent[]> {
  const sql = `SELECT ${COLUMNS} FROM evs.scheduled
    WHERE id = ANY($1${listType("text")}) AND ($2::text IS NULL OR topic = $2::text)
    ORDER BY number FOR UPDATE`;
  return (await query(sql, [listText(ids), topic ?? null])).map(plainRow).map(scheduledOf);
}

/** How long until the next one is due by the database's clock, ms; Infinity if none waits. */
export async function leftUntilDue(
  query: Query,
  { topics, numbers }: LeftAside,
): Promise<number> {
  const [row] = await query(LEFT, [listText(topics), listText(numbers)]);
  return plainRow(row!)["wait_ms"] as number | null ?? Infinity;
}

/** Those that are due, as many as are published together, in order. */
export async function readDue(query: Query, { topics, numbers }: LeftAside): Promise<DueEvent[]> {
  const rows = await query(DUE, [listText(topics), listText(numbers)]);
  return rows.map(plainRow).map((row) => ({
    item: scheduledOf(row),
    line: row["line"] as Uint8Array,
    sum: row["sum"] as string,
    now: row["now"] as number,
  }));
}
