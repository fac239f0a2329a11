/**
 * The schema `evs`: made when it is missing, migrated when it is older, refused when it is somebody
 * else's. Migrations only add, so that nodes of two versions work beside each other.
 *
 * `evs.meta` has a row for each part that keeps tables here: how many of its migrations ran.
 */
import { CannotStoreError } from "../base/errors.ts";
import type { Postgres, Query } from "./connection.ts";

/** The tables of one part. */
export interface Migrations {
  /** The part: `store` or `state`. */
  part: string;
  /** Statements, oldest first; never changed once they were released. */
  steps: readonly string[];
}

/** The oldest server that is tested. */
const OLDEST_SERVER = 140_000;
/** Two nodes that start at once migrate one after the other. */
const LOCK = 0x657673;
/** The comment on the schema `evs` that says whose it is. */
export const MARK = "env-event-stream";

/** Checks the database, and brings the tables of a part up to date: all of it or nothing. */
export async function migrate(postgres: Postgres, migrations: Migrations): Promise<void> {
  await checkServer(postgres);
  await postgres.transaction("state", async (query) => {
    await holdMigrations(query);
    await makeSchema(query, postgres.place);
    await migrateIn(query, migrations);
  });
}

/** Has nodes that start wait until this transaction is over. */
export async function holdMigrations(query: Query): Promise<void> {
  await query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
}

/** Brings the tables of a part up to date, in a transaction that {@link holdMigrations holds} them. */
export async function migrateIn(query: Query, { part, steps }: Migrations): Promise<void> {
  const [row] = await query<{ format: number }>(
    "SELECT format FROM evs.meta WHERE part = $1",
    [part],
  );
  const format = row?.format ?? 0;
  for (const step of steps.slice(format)) await query(step);
  if (format >= steps.length) return; // a newer node was here; it only added
  await query(
    `INSERT INTO evs.meta (part, format) VALUES ($1, $2)
     ON CONFLICT (part) DO UPDATE SET format = excluded.format`,
    [part, steps.length],
  );
}

/** Refuses a server that is too old, and a database that cannot keep every text. */
export async function checkServer(postgres: Postgres): Promise<void> {
  const [row] = await postgres.query<{ version: number; shown: string; encoding: string }>(
    "read",
    `SELECT current_setting('server_version_num')::int AS version,
       current_setting('server_version') AS shown, current_setting('server_encoding') AS encoding`,
  );
  const { version, shown, encoding } = row!;
  if (version < OLDEST_SERVER) {
    throw new CannotStoreError(`PostgreSQL at ${postgres.place} is version ${shown}`, {
      code: "postgres/too-old",
      hint: "version 14 or later is needed",
    });
  }
  if (encoding !== "UTF8") {
    throw new CannotStoreError(
      `the database at ${postgres.place} keeps text as ${encoding}, which cannot hold every event`,
      { code: "postgres/encoding", hint: "createdb --encoding UTF8 --template template0 NAME" },
    );
  }
}

/**
 * Looks for the schema: true if it is ours. Throws `CannotStoreError` if it is somebody else's; one
 * that is empty is nobody's.
 */
export async function hasSchema(query: Query, place: string): Promise<boolean> {
  return (await findSchema(query, place)) === "ours";
}

/** Makes the schema, or refuses one that is not ours. One that is empty becomes ours. */
export async function makeSchema(query: Query, place: string): Promise<void> {
  const found = await findSchema(query, place);
  if (found === "ours") return;
  if (found === "none") await query("CREATE SCHEMA evs");
  await query(`COMMENT ON SCHEMA evs IS '${MARK}'`);
  await query("CREATE TABLE evs.meta (part text PRIMARY KEY, format int NOT NULL)");
}

async function findSchema(query: Query, place: string): Promise<"none" | "empty" | "ours"> {
  const [found] = await query<{ mark: string | null; objects: number }>(
    `SELECT obj_description(oid, 'pg_namespace') AS mark,
       (SELECT count(*) FROM pg_class WHERE relnamespace = n.oid)
         + (SELECT count(*) FROM pg_proc WHERE pronamespace = n.oid)
         + (SELECT count(*) FROM pg_type WHERE typnamespace = n.oid) AS objects
     FROM pg_namespace AS n WHERE nspname = 'evs'`,
  );
  if (!found) return "none";
  if (found.mark === MARK) return "ours";
  if (found.objects === 0) return "empty";
  throw new CannotStoreError(
    `the schema evs of the database at ${place} has things in it that are not of env-event-stream`,
    { code: "postgres/foreign-schema", hint: "use a database of its own: createdb NAME" },
  );
}
