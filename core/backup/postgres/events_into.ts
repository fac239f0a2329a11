/**
 * Writes the events of a backup into the tables of a PostgreSQL database, with their numbers. All
 * within a transaction of the caller: nobody sees any of it before the end.
 */
import { eventSlot } from "../../event/part.ts";
import type { Query } from "../../postgres/connection.ts";
import { listText } from "../../state/postgres/values.ts";
import type { KeptEvent, KeptEvents, KeptId, KeptTopic } from "../../store/kept_events.ts";
import { sumOfRow } from "../../store/postgres/row.ts";
import { batchesOf } from "./batches.ts";
import { keptWithout } from "./expiry.ts";

/** The columns of `evs.events` behind `topic_id`, with the values of an event. */
const COLUMNS: Record<string, [type: string, value: (kept: KeptEvent) => string | number | null]> =
  {
    seq: ["bigint", ({ event }) => event.seq],
    slot: ["smallint", ({ event }) => eventSlot(event)],
    given: ["boolean", ({ given }) => String(given)],
    id: ["text", ({ event }) => event.id],
    type: ["text", ({ event }) => event.type],
    key: ["text", ({ event }) => event.key ?? null],
    key_seq: ["bigint", ({ event }) => event.keySeq ?? null],
    ts: ["bigint", ({ event }) => event.timestamp],
    expires_at: ["bigint", ({ event }) => event.expiresAt ?? null],
    stored_at: ["bigint", ({ storedAt }) => Math.floor(storedAt)],
    schema_version: ["text", ({ event }) => event.schemaVersion],
    metadata: ["text", ({ event }) => event.metadata],
    payload: ["text", ({ event }) => decoder.decode(event.payload)],
    crc: ["bigint", ({ event }) => sumOfRow(event)],
  };
const decoder = new TextDecoder();

const INSERT = `INSERT INTO evs.events (topic_id, ${Object.keys(COLUMNS).join(", ")})
  SELECT $1::int, * FROM unnest(${
  Object.values(COLUMNS).map(([type], n) => `$${n + 2}::text::${type}[]`).join(", ")
})`;
const BLOCKS = `INSERT INTO evs.blocks (topic_id, block, max_ts, bytes)
  SELECT topic_id, (seq - 1) / 4096, max(ts), sum(octet_length(payload) + octet_length(metadata))
  FROM evs.events WHERE topic_id = $1 GROUP BY 1, 2`;
const SIZE = `UPDATE evs.topics SET stored_at = $2,
    bytes = coalesce((SELECT sum(bytes) FROM evs.blocks WHERE topic_id = $1), 0)
  WHERE topic_id = $1`;
const KEYS = `SELECT DISTINCT ON (key) key, seq, coalesce(key_seq, 0) AS number FROM evs.events
  WHERE topic_id = $1 AND key IS NOT NULL AND ($2::text IS NULL OR key > $2)
  ORDER BY key, seq DESC LIMIT ${1000}`;

/** How events are written. */
export interface EventsIntoOptions {
  /** Called as they are. */
  told: (events: number) => void;
  /** How far the clock that they expire by was ahead; see core/backup/postgres/expiry.ts. */
  skew: number;
}

/** Writes the events of all stores that the backup has. */
export async function eventsInto(
  query: Query,
  stores: readonly KeptEvents[],
  options: EventsIntoOptions,
): Promise<void> {
  for (const { kept, topic } of topicsIn(stores)) {
    await topicInto(query, { kept, topic, ...options });
  }
  await query("ANALYZE evs.events");
}

/** Each topic once: where it has events, else where more is known of it. */
function topicsIn(stores: readonly KeptEvents[]): Iterable<{ kept: KeptEvents; topic: KeptTopic }> {
  const topics = new Map<string, { kept: KeptEvents; topic: KeptTopic }>();
  const rank = ({ firstSeq, lastSeq }: KeptTopic) => firstSeq <= lastSeq ? Infinity : lastSeq;
  for (const kept of stores) {
    for (const topic of kept.topics()) {
      const other = topics.get(topic.name);
      if (!other || rank(topic) > rank(other.topic)) topics.set(topic.name, { kept, topic });
    }
  }
  return topics.values();
}

interface TopicCopy extends EventsIntoOptions {
  kept: KeptEvents;
  topic: KeptTopic;
}

async function topicInto(query: Query, { kept, topic, told, skew }: TopicCopy): Promise<void> {
  const { name, firstSeq, lastSeq } = topic;
  const [row] = await query<{ topic_id: number }>(
    "INSERT INTO evs.topics (name, first_seq, last_seq) VALUES ($1, $2, $3) RETURNING topic_id",
    [name, firstSeq, lastSeq],
  );
  const id = row!.topic_id;
  let storedAt = 0;
  let numbersApart = false;
  for (const found of kept.pages(name)) {
    const page = found.map((one) => keptWithout(skew, one));
    await query(INSERT, [
      id,
      ...Object.values(COLUMNS).map(([, value]) => listText(page.map(value))),
    ]);
    storedAt = page.at(-1)!.storedAt;
    numbersApart ||= page.some(({ event }) => event.key !== undefined && !event.keySeq);
    told(page.length);
  }
  for (const ids of batchesOf(kept.ids(name))) await idsInto(query, id, ids);
  await query(BLOCKS, [id]);
  await query(SIZE, [id, Math.floor(storedAt)]);
  if (numbersApart || kept.countsApart(name)) await numbersInto(query, { id, kept, topic });
}

async function idsInto(query: Query, topic: number, ids: readonly KeptId[]): Promise<void> {
  await query(
    `INSERT INTO evs.ids (topic_id, id, seq, stored_at)
     SELECT $1::int, * FROM unnest($2::text::text[], $3::text::bigint[], $4::text::bigint[])`,
    [
      topic,
      listText(ids.map(({ id }) => id)),
      listText(ids.map(({ seq }) => seq)),
      listText(ids.map(({ storedAt }) => Math.floor(storedAt))),
    ],
  );
}

/**
 * Keys whose last number is higher than their newest event tells: it was redacted or is damaged, or
 * is from the time before keys were numbered.
 */
async function numbersInto(
  query: Query,
  { id, kept, topic }: { id: number; kept: KeptEvents; topic: KeptTopic },
): Promise<void> {
  for (let after: string | null = null;;) {
    const keys: { key: string; seq: number; number: number }[] = await query(KEYS, [id, after]);
    const higher = keys.map(({ key, seq, number }) => {
      const last = kept.lastOfKey(topic.name, key);
      return { key, seq: Math.max(seq, last), last, isHigher: last > number };
    }).filter(({ isHigher }) => isHigher);
    if (higher.length > 0) {
      await query(
        `INSERT INTO evs.redacted_keys (topic_id, key, key_seq, seq)
         SELECT $1::int, * FROM unnest($2::text::text[], $3::text::bigint[], $4::text::bigint[])`,
        [
          id,
          listText(higher.map(({ key }) => key)),
          listText(higher.map(({ last }) => last)),
          listText(higher.map(({ seq }) => seq)),
        ],
      );
    }
    if (keys.length === 0) return;
    after = keys.at(-1)!.key;
  }
}
