/** Deletes and redacts events in PostgreSQL. */
import { redactedEvent } from "../../event/redaction.ts";
import type { Postgres } from "../../postgres/connection.ts";
import type { RedactRequest } from "../store.ts";
import { EVENT_COLUMNS, eventOfRow, type EventRow, sumOfRow } from "./row.ts";

/** What a deletion works with. */
export interface DeletionContext {
  postgres: Postgres;
  /** Milliseconds for which given ids of deleted events are remembered. */
  dedupWindow: number;
  /** Unix ms; undefined: the database's clock. */
  now(): number | undefined;
}

/** Rows that are deleted in one transaction. */
const ROWS = 10_000;

/** Where a topic begins after a deletion. */
export interface Truncated {
  /** How many numbers the deleted events had. */
  count: number;
  firstSeq: number;
  lastSeq: number;
}

/**
 * Deletes the events below `seq`: no reader sees them from the first statement on. Their rows go in
 * transactions of their own. `forgets`: their given ids, too. Undefined if there is no such topic.
 */
export async function truncateTopic(
  context: DeletionContext,
  topic: string,
  { seq, forgets = false }: { seq: number; forgets?: boolean },
): Promise<Truncated | undefined> {
  const bound = Math.min(seq, Number.MAX_SAFE_INTEGER);
  const [row] = await context.postgres.query<
    { topic_id: number | null; was: number; first: number; last: number }
  >("state", "SELECT * FROM evs.truncate_1($1, $2, $3)", [topic, bound, forgets]);
  if (!row || row.topic_id === null) return undefined;
  await sweepTopic(context, row.topic_id);
  return { count: row.first - row.was, firstSeq: row.first, lastSeq: row.last };
}

/** Deletes the rows of a topic that are below its first seq. */
async function sweepTopic(context: DeletionContext, topic: number): Promise<void> {
  const values = [topic, ROWS, context.now() ?? null, context.dedupWindow];
  for (let rows = 1; rows > 0;) {
    const [row] = await context.postgres.query<{ n: number }>(
      "state",
      "SELECT evs.sweep_1($1, $2, $3, $4) AS n",
      values,
    );
    rows = row!.n;
  }
}

/**
 * Goes on with deletions of which rows were left: by a process that ended midway, or by the state,
 * which removes a topic and leaves the rows to the store. `topic`: only of this one.
 */
export async function sweepLeftovers(context: DeletionContext, topic?: string): Promise<void> {
  const topics = await context.postgres.query<{ topic_id: number }>(
    "state",
    `SELECT topic_id FROM evs.topics AS t WHERE first_seq > 1 AND name = coalesce($1, name)
       AND EXISTS (
         SELECT 1 FROM evs.events AS e WHERE e.topic_id = t.topic_id AND e.seq < t.first_seq)`,
    [topic ?? null],
  );
  for (const { topic_id } of topics) await sweepTopic(context, topic_id);
}

/** Replaces the content of an event; false if there is none with this seq and id. */
export async function redactEvent(
  { postgres }: DeletionContext,
  topic: string,
  { seq, id, ...content }: RedactRequest,
): Promise<boolean> {
  for (;;) {
    const [row] = await postgres.query<EventRow>(
      "state",
      `SELECT ${EVENT_COLUMNS} FROM evs.topics AS t JOIN evs.events AS e USING (topic_id)
       WHERE t.name = $1 AND e.seq = $2 AND e.seq >= t.first_seq`,
      [topic, seq],
    );
    const event = row && row.id === id ? eventOfRow(topic, row) : undefined;
    if (!row || !event) return false;
    const redacted = redactedEvent(event, content);
    const [done] = await postgres.query<{ done: boolean }>(
      "state",
      "SELECT evs.redact_1($1, $2, $3, $4, $5, $6) AS done",
      [topic, seq, row.crc, redacted.key ?? null, redacted.metadata, sumOfRow(redacted)],
    );
    // Otherwise somebody else was faster: it was redacted differently, or deleted.
    if (done!.done) return true;
  }
}
