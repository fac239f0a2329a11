/**
 * `evs backup` where the events are in PostgreSQL: everything as of one moment, while nodes work,
 * in the files of a data dir of one process.
 */
import { systemClock } from "../../base/clock.ts";
import { CannotStoreError } from "../../base/errors.ts";
import { openPostgres, type Postgres, type Query } from "../../postgres/connection.ts";
import { MARK } from "../../postgres/migrations.ts";
import type { PostgresOptions } from "../../postgres/url.ts";
import { STATE_MIGRATIONS } from "../../state/postgres/migrations.ts";
import { StateTables } from "../../state/state_tables.ts";
import { STORE_MIGRATIONS } from "../../store/postgres/migrations.ts";
import { EventCopy } from "../../store/sqlite/event_copy.ts";
import { copySpool } from "../backup.ts";
import { eventsFrom } from "./events_from.ts";
import { stateFrom } from "./state_from.ts";

/** Longer than any statement takes, ms. */
export const DEADLINE_MS = 60 * 60_000;
const FORMATS: Record<string, number> = {
  [STORE_MIGRATIONS.part]: STORE_MIGRATIONS.steps.length,
  state: STATE_MIGRATIONS.length,
};

/** What to copy. */
export interface DatabaseCopyOptions {
  database: PostgresOptions;
  /** What waits in its spool is copied as well. */
  dataDir: string;
  /** Unix ms. */
  now: number;
  /** Called as events are copied. */
  told?: (events: number) => void;
}

/** Copies the database into the files of a data dir in `staging`; returns their paths. */
export async function copyDatabaseInto(
  staging: string,
  { database, dataDir, now, told = () => {} }: DatabaseCopyOptions,
): Promise<string[]> {
  // Before the events: what is taken in meanwhile is then in both, and known by its ids.
  const spool = copySpool(dataDir, staging);
  const postgres = await openPostgres(database, { deadline: DEADLINE_MS });
  try {
    await postgres.transaction("read", async (query) => {
      await query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
      // Our disk may be slow.
      await query("SET LOCAL idle_in_transaction_session_timeout = 0");
      await assertFormats(query, postgres);
      await copyMoment(query, staging, { now, told });
    });
  } finally {
    await postgres.close();
  }
  return ["state.db", ...spool, "events.db"];
}

async function copyMoment(
  query: Query,
  staging: string,
  { now, told }: { now: number; told: (events: number) => void },
): Promise<void> {
  const events = new EventCopy(`${staging}/events.db`, systemClock);
  try {
    await eventsFrom(query, events, told);
  } finally {
    events.close();
  }
  const state = new StateTables(`${staging}/state.db`);
  try {
    await stateFrom(query, state, now);
  } finally {
    state.close();
  }
}

/** Refuses a database that has not what we copy, or more than that. */
async function assertFormats(query: Query, { place }: Postgres): Promise<void> {
  const [schema] = await query<{ mark: string | null }>(
    "SELECT obj_description(oid, 'pg_namespace') AS mark FROM pg_namespace WHERE nspname = 'evs'",
  );
  if (schema?.mark !== MARK) {
    throw new CannotStoreError(`there is nothing to back up in the database ${place}`, {
      code: "datadir/missing",
      hint: "check the name of the database in the URL",
    });
  }
  const rows = await query<{ part: string; format: number }>("SELECT part, format FROM evs.meta");
  const found = new Map(rows.map(({ part, format }) => [part, format]));
  for (const [part, known] of Object.entries(FORMATS)) {
    const format = found.get(part) ?? 0;
    if (format === known) continue;
    throw new CannotStoreError(
      `the tables of the ${part} in the database ${place} have format ${format}, ` +
        `and this version copies format ${known}`,
      {
        code: format > known ? "datadir/newer-format" : "datadir/older-format",
        hint: format > known
          ? "use the newest evs that works on this database"
          : "start a daemon of this version on it, which brings the tables up to date",
      },
    );
  }
}
