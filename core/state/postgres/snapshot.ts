/** Reads what of the state in PostgreSQL lives in memory, as of one moment. */
import {
  agesOf,
  begunOf,
  cursorOf,
  expiredRecordOf,
  expiryClockOf,
  linkOf,
  markOf,
  missedRecordOf,
  redactionRecordOf,
  type Row,
  scheduledOf,
  subscriptionOf,
  topicsOf,
  unansweredRecordOf,
  waitingOf,
} from "../rows.ts";
import type { CatalogSnapshot, SharedCatalogSnapshot } from "../catalog_diff.ts";
import type { StateSnapshot } from "../state.ts";
import type { RemovedDeadLetters } from "../../event/removed_dead_letters.ts";
import type { Query } from "../../postgres/connection.ts";
import { plainRow } from "./values.ts";

const TOPICS = `SELECT name, created_at, json_build_array(persistent::int, retention_period,
  max_events, max_bytes, schema_mode, store, durability, keeps, drops, dead_retention,
  dead_max)::text AS options, rev FROM evs.topic_options ORDER BY name COLLATE "C"`;
const RETRIES = `SELECT subscription, topic, id, seq, key, type, due_at, wait_ms, next_attempt,
  failures, edited_from, part FROM evs.retries ORDER BY number`;
const SCHEDULED = `SELECT number, topic, id, type, key, due_at, wait_ms, accepted_at, after_seq,
  stamped, redacted FROM evs.scheduled ORDER BY number`;
const SCHEMAS = `SELECT type, version, schema, registered_at AS "registeredAt"
  FROM evs.schemas ORDER BY registered_at, number`;
const IN_ORDER = `ORDER BY subscription COLLATE "C", topic COLLATE "C"`;

/** Reads the part of it that every node has in memory; `query` is as in {@link readSnapshot}. */
export async function readCatalog(query: Query): Promise<CatalogSnapshot> {
  const all = async (text: string): Promise<Row[]> => (await query(text)).map(plainRow);
  const as = async <T>(text: string): Promise<T[]> => await all(text) as unknown as T[];
  return {
    topics: topicsOf(await all(TOPICS)),
    subscriptions: (await all(`SELECT * FROM evs.subscriptions ORDER BY name COLLATE "C"`))
      .map(subscriptionOf),
    schemas: await as(SCHEMAS),
    levels: await as("SELECT type, level FROM evs.schema_levels"),
    redactions: (await all("SELECT * FROM evs.redactions ORDER BY topic, seq, id"))
      .map(redactionRecordOf),
  };
}

/** The catalog, and how often it was changed: see evs.compare_catalog. */
export interface CountedCatalog {
  catalog: SharedCatalogSnapshot;
  count: number;
}

/** The same where other nodes change it, too. */
export async function readSharedCatalog(query: Query): Promise<CountedCatalog> {
  const catalog = await readCatalog(query);
  const counters = new Map(
    (await query("SELECT name, rev FROM evs.counters")).map(plainRow)
      .map(({ name, rev }) => [name, rev as number]),
  );
  return {
    catalog: { ...catalog, schemasRev: counters.get("schemas")! },
    count: counters.get("catalog")!,
  };
}

/** Reads it; `query` is of a transaction that sees one moment. */
export async function readSnapshot(query: Query): Promise<StateSnapshot> {
  const all = async (text: string): Promise<Row[]> => (await query(text)).map(plainRow);
  const as = async <T>(text: string): Promise<T[]> => await all(text) as unknown as T[];
  return {
    ...await readCatalog(query),
    cursors: (await all("SELECT subscription, topic, part, next FROM evs.cursors")).map(cursorOf),
    done: (await all(`SELECT subscription, topic, part, seq FROM evs.done ${IN_ORDER}, seq`))
      .map(markOf),
    missed: (await all("SELECT * FROM evs.missed")).map(missedRecordOf),
    expired: (await all("SELECT * FROM evs.expired")).map(expiredRecordOf),
    ...expiryClockOf((await all("SELECT skew, newest FROM evs.expiry_clock"))[0]),
    retries: (await all(RETRIES)).map((row) => ({ ...waitingOf(row), ...linkOf(row) })),
    scheduled: (await all(SCHEDULED)).map(scheduledOf),
    unanswered: (await all("SELECT * FROM evs.unanswered")).map(unansweredRecordOf),
    begun: (await all("SELECT * FROM evs.begun")).map(begunOf),
    ends: (await all("SELECT topic, last_seq FROM evs.topic_ends"))
      .map((row) => ({ topic: row["topic"] as string, lastSeq: row["last_seq"] as number })),
    imports: await as("SELECT batch, part, at, reply FROM evs.imports"),
    deadLetterAges: agesOf((await all("SELECT ages FROM evs.dead_letter_ages"))[0]),
    removedDeadLetters: await readRemoved(query),
    jobs: (await all("SELECT record FROM evs.jobs ORDER BY number"))
      .map((row) => JSON.parse(row["record"] as string)),
    generation: ((await all("SELECT value FROM evs.generation"))[0]?.["value"] ?? 0) as number,
  };
}

/** What the limits on dead letters have removed. */
export async function readRemoved(query: Query): Promise<RemovedDeadLetters[]> {
  const rows = await query(
    `SELECT subscription, topic, expired, capped, last_at AS "lastAt" FROM evs.removed_dead_letters`,
  );
  return rows.map(plainRow) as unknown as RemovedDeadLetters[];
}
