/**
 * Positions of one process as those of several nodes: what was one queue is divided into parts. A
 * position holds for every part, and a mark belongs to the part of its event.
 */
import type { Query } from "../../postgres/connection.ts";
import { insertion } from "../../state/postgres/row_batch.ts";
import { BEGUN, CURSORS, EXPIRED, MISSED } from "../../state/postgres/tables.ts";
import { listText } from "../../state/postgres/values.ts";
import { EVERY } from "../../state/part_rows.ts";
import type { StateTables, TableRow } from "../../state/state_tables.ts";
import { batchesOf } from "./batches.ts";
import { partCountOf } from "./state_copies.ts";

const CURSOR_ROWS = `SELECT subscription, topic, next,
  CASE ${partCountOf("subscription")} WHEN 1 THEN 0 ELSE ${EVERY} END AS part FROM cursors`;
const MISSED_ROWS = "SELECT subscription, topic, 0 AS part, first, last, count FROM missed";
const EXPIRED_ROWS = "SELECT subscription, topic, 0 AS part, count FROM expired";
const MARKS = "SELECT subscription, topic, seq FROM done ORDER BY subscription, topic, seq";
const UNANSWERED_ROWS = "SELECT subscription, topic, id, seq, count FROM unanswered";

/** An event that is gone belongs to the part that it would belong to without a key. */
const PART = "coalesce(e.slot, (m.seq >> 8) & 255) % s.parts";
const OF_EVENT = `JOIN evs.subscriptions AS s ON s.name = m.subscription
  LEFT JOIN evs.topics AS t ON t.name = m.topic
  LEFT JOIN evs.events AS e ON e.topic_id = t.topic_id AND e.seq = m.seq`;
const PUT_MARKS = `INSERT INTO evs.done (subscription, topic, part, seq)
  SELECT m.subscription, m.topic, ${PART}, m.seq
  FROM unnest($1::text::text[], $2::text::text[], $3::text::bigint[])
    AS m(subscription, topic, seq) ${OF_EVENT}`;
const PUT_UNANSWERED = `INSERT INTO evs.unanswered (subscription, topic, id, part, seq, count)
  SELECT m.subscription, m.topic, m.id, ${PART}, m.seq, m.count
  FROM unnest($1::text::text[], $2::text::text[], $3::text::bigint[], $4::text::text[],
    $5::text::bigint[]) AS m(subscription, topic, seq, id, count) ${OF_EVENT}`;
const PART_OF = `SELECT ${PART} AS part
  FROM (SELECT $1::text AS subscription, $2::text AS topic, $3::bigint AS seq) AS m ${OF_EVENT}`;

/** Writes them, and what handlers had when they last began some. */
export async function positionsInto(query: Query, state: StateTables): Promise<void> {
  const counted = [[CURSORS, CURSOR_ROWS], [MISSED, MISSED_ROWS], [EXPIRED, EXPIRED_ROWS]] as const;
  for (const [table, rows] of counted) {
    for (const batch of batchesOf(state.rows(rows))) {
      const { text, values } = insertion(table, batch);
      await query(text, values);
    }
  }
  for (const batch of batchesOf(state.rows(MARKS))) {
    await query(PUT_MARKS, columnsOf(batch, ["subscription", "topic", "seq"]));
  }
  for (const batch of batchesOf(state.rows(UNANSWERED_ROWS))) {
    const columns = ["subscription", "topic", "seq", "id", "count"];
    await query(PUT_UNANSWERED, columnsOf(batch, columns));
  }
  for (const row of state.rows("SELECT subscription, consumer, events FROM begun")) {
    const { text, values } = insertion(BEGUN, [await begunWithParts(query, row)]);
    await query(text, values);
  }
}

function columnsOf(rows: readonly TableRow[], names: readonly string[]): string[] {
  return names.map((name) => listText(rows.map((row) => row[name] as string | number)));
}

async function begunWithParts(query: Query, row: TableRow): Promise<TableRow> {
  const events: { topic: string; seq: number; part?: number }[] = JSON.parse(
    row["events"] as string,
  );
  for (const event of events) {
    const [found] = await query<{ part: number }>(PART_OF, [
      row["subscription"],
      event.topic,
      event.seq,
    ]);
    if (found && found.part > 0) event.part = Number(found.part);
  }
  return { ...row, events: JSON.stringify(events) };
}
