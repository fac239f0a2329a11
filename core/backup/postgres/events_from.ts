/** Writes the events of a PostgreSQL database into a new event database, with their numbers. */
import type { Query } from "../../postgres/connection.ts";
import type { KeptEvent, KeptId } from "../../store/kept_events.ts";
import { EVENT_COLUMNS, eventOfRow, type EventRow } from "../../store/postgres/row.ts";
import type { EventCopy } from "../../store/sqlite/event_copy.ts";
import { PAGE_BYTES } from "../../store/store.ts";
import { rowsOf, SMALL } from "./rows_of.ts";

/** A row of `evs.heads`. */
interface TopicRow {
  topic_id: number;
  name: string;
  first_seq: number;
  last_seq: number;
  forgotten_seq: number;
}

/** A row of `evs.events`. */
interface KeptRow extends EventRow {
  given: boolean;
  stored_at: number;
}

/** A topic ends behind its last event, or where it ended when that was deleted. */
const TOPICS = `SELECT topic_id, name, first_seq, forgotten_seq, greatest(last_seq, coalesce((
    SELECT max(seq) FROM evs.events AS e WHERE e.topic_id = t.topic_id), 0)) AS last_seq
  FROM evs.heads AS t ORDER BY topic_id`;
const COLUMNS = `${EVENT_COLUMNS}, given, stored_at`;
const PAGE = `SELECT ${COLUMNS} FROM (
  SELECT ${COLUMNS}, sum(octet_length(payload) + octet_length(metadata))
    OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)::bigint AS before
  FROM evs.events WHERE topic_id = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq LIMIT 1000
) AS sized WHERE before IS NULL OR before < ${PAGE_BYTES} ORDER BY seq`;

/** Copies what the transaction of `query` sees; `told` is called as events are written. */
export async function eventsFrom(
  query: Query,
  copy: EventCopy,
  told: (events: number) => void,
): Promise<void> {
  const topics = await query<TopicRow>(TOPICS);
  for (const topic of topics) {
    const { name, first_seq: firstSeq, last_seq: lastSeq } = topic;
    copy.begin({ name, firstSeq, lastSeq });
    await idsFrom(query, topic, copy);
    for (let from = firstSeq; from <= lastSeq;) {
      const rows = await query<KeptRow>(PAGE, [topic.topic_id, from, lastSeq]);
      if (rows.length === 0) break;
      copy.add(rows.flatMap((row) => keptOf(topic, row)));
      told(rows.length);
      from = rows.at(-1)!.seq + 1;
    }
    copy.end();
    await countsFrom(query, topic, copy);
  }
}

/** None if the row is damaged: then it is missing in the copy, too. */
function keptOf({ name, forgotten_seq }: TopicRow, row: KeptRow): KeptEvent[] {
  const event = eventOfRow(name, row);
  if (!event) return [];
  return [{ event, given: row.given && row.seq > forgotten_seq, storedAt: row.stored_at }];
}

/** Before the events: one that was published again later counts. */
async function idsFrom(query: Query, { topic_id }: TopicRow, copy: EventCopy): Promise<void> {
  const ids = `SELECT id, seq, stored_at FROM evs.ids WHERE topic_id = ${topic_id}`;
  // Those of events that are deleted, and whose rows nobody has swept up yet.
  const deleted = `SELECT DISTINCT ON (id) id, seq, e.stored_at FROM evs.events AS e
    JOIN evs.topics AS t USING (topic_id) WHERE topic_id = ${topic_id} AND given
    AND seq < first_seq AND seq > forgotten_seq ORDER BY id, seq DESC`;
  for (const text of [ids, deleted]) {
    for await (const rows of rowsOf(query, text, SMALL)) {
      copy.addIds(rows.map((row): KeptId => ({
        id: row["id"] as string,
        seq: row["seq"] as number,
        storedAt: Number(row["stored_at"]),
      })));
    }
  }
}

/** Numbers of keys that redaction took from their events. */
async function countsFrom(query: Query, topic: TopicRow, copy: EventCopy): Promise<void> {
  const { topic_id, first_seq } = topic;
  const text = `SELECT key, key_seq FROM evs.redacted_keys
    WHERE topic_id = ${topic_id} AND seq >= ${first_seq}`;
  for await (const rows of rowsOf(query, text, SMALL)) {
    for (const row of rows) copy.addCount(row["key"] as string, Number(row["key_seq"]));
  }
}
