/**
 * `evs restore --store postgres://…`: puts a backup into a database. Everything is first unpacked
 * and verified against its checksums. Then it becomes the schema `evs` in one transaction, so that
 * nothing is there if it is interrupted at any moment; a schema that was there is kept beside it.
 */
import { systemClock } from "../../base/clock.ts";
import { CannotStoreError, ConflictError, DataDirError } from "../../base/errors.ts";
import { exists } from "../../base/if_there.ts";
import { makeStaging, removeLeftBehind } from "../../data_dir/staging.ts";
import { openPostgres, type Postgres, type Query } from "../../postgres/connection.ts";
import { UnknownOutcomeError } from "../../postgres/errors.ts";
import {
  checkServer,
  hasSchema,
  holdMigrations,
  makeSchema,
  migrateIn,
} from "../../postgres/migrations.ts";
import { patiently } from "../../postgres/patience.ts";
import type { PostgresOptions } from "../../postgres/url.ts";
import { listSpool, SPOOL_FOLDER } from "../../spool/spool_folder.ts";
import { STATE_MIGRATIONS } from "../../state/postgres/migrations.ts";
import { readNodes } from "../../state/postgres/node_list.ts";
import { plainRow } from "../../state/postgres/values.ts";
import { redactionRecordOf } from "../../state/rows.ts";
import { StateTables } from "../../state/state_tables.ts";
import type { RedactionRecord } from "../../state/state.ts";
import { FileEventStore } from "../../store/file/file_event_store.ts";
import { keptInFiles } from "../../store/file/kept_events.ts";
import type { KeptEvents } from "../../store/kept_events.ts";
import { STORE_MIGRATIONS } from "../../store/postgres/migrations.ts";
import { openKeptDatabase } from "../../store/sqlite/kept_events.ts";
import type { Manifest } from "../manifest.ts";
import { redactRestored } from "../redact_restored.ts";
import { type Restored, unpackBackup } from "../restore.ts";
import type { ArchiveSource } from "../tar.ts";
import { DEADLINE_MS } from "./backup_database.ts";
import { eventsInto, type EventsIntoOptions } from "./events_into.ts";
import { expirySkewOf } from "./expiry.ts";
import { stateInto } from "./state_into.ts";

/** How long a server that went away as it was told to keep everything is asked what became of it, ms. */
const PATIENCE_MS = 60_000;

/** What to restore, and where to. */
export interface DatabaseRestoreOptions {
  /** The backup: a file, or a stream to read it from. */
  file: string | ArchiveSource;
  database: PostgresOptions;
  /** Where it is unpacked in the meantime. */
  folder: string;
  /** Replace what the database has. */
  force: boolean;
  /** Unix ms. */
  now: number;
  /** Called as events are written. */
  told?: (events: number) => void;
}

/** A restored database; `keptAt` is a schema. */
export interface RestoredDatabase extends Restored {
  /** Where it is, without a password. */
  place: string;
}

/**
 * Restores a backup. Throws, without changing anything, if a node uses the database, if the backup
 * is incomplete or has what a database cannot keep.
 */
export async function restoreDatabase(
  { file, database, folder, force, now, told = () => {} }: DatabaseRestoreOptions,
): Promise<RestoredDatabase> {
  const postgres = await openPostgres(database, { deadline: DEADLINE_MS });
  try {
    await checkServer(postgres);
    // So that nobody waits for the unpacking in vain; it is asked again when nobody can change it.
    await postgres.transaction("state", (query) => takenBy(query, { postgres, file, force }));
    removeLeftBehind(folder);
    using staging = makeStaging(`${folder}/evs-restore`);
    const manifest = unpackBackup(file, staging.path);
    refuseSpool(staging.path);
    const context = { postgres, file, force, now, told, folder: staging.path, manifest };
    return { manifest, place: postgres.place, ...await inOneTransaction(context) };
  } finally {
    await postgres.close();
  }
}

interface Context {
  postgres: Postgres;
  file: string | ArchiveSource;
  force: boolean;
  now: number;
  told: (events: number) => void;
  /** With the unpacked backup. */
  folder: string;
  manifest: Manifest;
}

async function inOneTransaction(context: Context): Promise<Omit<Restored, "manifest">> {
  const { postgres } = context;
  const name = `restore ${crypto.randomUUID()}`;
  let result: Omit<Restored, "manifest"> = { redacted: 0 };
  try {
    await postgres.transaction("state", async (query) => {
      // Our disk may be slow.
      await query("SET LOCAL idle_in_transaction_session_timeout = 0");
      result = await restoreIn(query, context);
      // By which it is known, whatever becomes of the answer to the commit.
      await query("INSERT INTO evs.producers (producer) VALUES ($1)", [name]);
    });
  } catch (error) {
    if (!(error instanceof UnknownOutcomeError)) throw error;
    if (!await isKept(postgres, name)) {
      throw new CannotStoreError(`nothing was restored: ${error.message}`, {
        code: "postgres/unavailable",
        cause: error,
        hint: "restore again",
      });
    }
  }
  return result;
}

/** True if the transaction was kept; waits for it if it has not ended yet. */
function isKept(postgres: Postgres, name: string): Promise<boolean> {
  const options = { clock: systemClock, patience: PATIENCE_MS };
  return patiently(() =>
    postgres.transaction("state", async (query) => {
      await holdMigrations(query);
      const [table] = await query<{ there: boolean }>(
        "SELECT to_regclass('evs.producers') IS NOT NULL AS there",
      );
      if (!table!.there) return false;
      const rows = await query("SELECT 1 FROM evs.producers WHERE producer = $1", [name]);
      return rows.length > 0;
    }), options);
}

async function restoreIn(query: Query, context: Context): Promise<Omit<Restored, "manifest">> {
  const { postgres, folder, now, told } = context;
  const taken = await takenBy(query, context);
  const before = taken ? await knownRedactions(query) : [];
  const keptAt = taken ? await moveAside(query, now) : undefined;
  await makeSchema(query, postgres.place);
  const redacted = await redactRestored(folder, before);
  await migrateIn(query, STORE_MIGRATIONS);
  await migrateIn(query, { part: "state", steps: STATE_MIGRATIONS });
  const state = exists(`${folder}/state.db`) ? new StateTables(`${folder}/state.db`) : undefined;
  try {
    const skew = state ? expirySkewOf(state, now) : 0;
    await storesInto(query, folder, { told, skew });
    if (state) {
      refuseLocal(state);
      await stateInto(query, state, { now, skew });
    }
  } finally {
    state?.close();
  }
  return { redacted, ...keptAt === undefined ? {} : { keptAt } };
}

async function storesInto(
  query: Query,
  folder: string,
  options: EventsIntoOptions,
): Promise<void> {
  const stores = openStores(folder);
  try {
    await eventsInto(query, stores.map(({ kept }) => kept), options);
  } finally {
    for (const { close } of stores) await close();
  }
}

/**
 * True if there is a schema that has to give way. Throws if a node uses it, or without `force`; and
 * if it is somebody else's.
 */
async function takenBy(
  query: Query,
  { postgres: { place }, file, force }: Pick<Context, "postgres" | "file" | "force">,
): Promise<boolean> {
  await holdMigrations(query);
  if (!await hasSchema(query, place)) return false;
  await refuseNodes(query, place);
  if (force) return true;
  throw new ConflictError(`the database ${place} is not empty; it was left unchanged`, {
    code: "datadir/not-empty",
    hint:
      `evs restore ${typeof file === "string" ? file : "-"} --store … --force takes its place ` +
      "and keeps it beside, as another schema; or name another database",
  });
}

/** Refuses a database that somebody works on. */
async function refuseNodes(query: Query, place: string): Promise<void> {
  const alive = await hasTable(query, "nodes")
    ? (await readNodes(query)).filter(({ alive }) => alive).map(({ node }) => node)
    : [];
  const [others] = await query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND application_name IN ('evs append', 'evs state', 'evs node')`,
  );
  if (alive.length === 0 && others!.count === 0) return;
  const who = alive.length > 0 ? `nodes use the database ${place}: ${alive.join(", ")}` : undefined;
  throw new DataDirError("datadir/locked", who ?? `a program uses the database ${place}`, {
    hint: "evs daemon stop on each machine, then restore again; " +
      "a node that was killed counts as gone after two minutes",
  });
}

async function hasTable(query: Query, name: string): Promise<boolean> {
  const [row] = await query<{ there: boolean }>(
    "SELECT to_regclass($1) IS NOT NULL AS there",
    [`evs.${name}`],
  );
  return row!.there;
}

/** What the database has redacted is to stay so. */
async function knownRedactions(query: Query): Promise<RedactionRecord[]> {
  if (!await hasTable(query, "redactions")) return [];
  return (await query("SELECT * FROM evs.redactions")).map(plainRow).map(redactionRecordOf);
}

/** Renames the schema; returns the name that it has then. */
async function moveAside(query: Query, now: number): Promise<string> {
  const stamp = new Date(now).toISOString().replaceAll(/[-:.]/g, "").toLowerCase();
  const keptAt = `evs_before_restore_${stamp}`;
  await query(`ALTER SCHEMA evs RENAME TO ${keptAt}`);
  return keptAt;
}

function openStores(folder: string): { kept: KeptEvents; close(): void | Promise<void> }[] {
  const stores: { kept: KeptEvents; close(): void | Promise<void> }[] = [];
  if (exists(`${folder}/events.db`)) {
    const kept = openKeptDatabase(`${folder}/events.db`);
    stores.push({ kept, close: () => kept.close() });
  }
  if (exists(`${folder}/events/format`)) {
    const store = new FileEventStore(`${folder}/events`);
    stores.push({ kept: keptInFiles(store.kept()), close: () => store.close() });
  }
  return stores;
}

/** Events in a spool have no number yet, and wait for a daemon to give them one. */
function refuseSpool(folder: string): void {
  const waiting = listSpool(`${folder}/${SPOOL_FOLDER}`);
  if (waiting.length === 0) return;
  throw new ConflictError(
    `the backup has ${waiting.length} files of events that wait in the spool for a daemon; ` +
      "nothing was restored",
    {
      code: "backup/spool",
      hint:
        "restore it to a data dir, start the daemon there, which takes them in, and back up again",
    },
  );
}

/** Several nodes cannot share what one of them has in its memory. */
function refuseLocal(state: StateTables): void {
  const names: string[] = [];
  for (const { name } of state.rows("SELECT name FROM topics WHERE persistent = 0 ORDER BY name")) {
    names.push(String(name));
  }
  if (names.length === 0) return;
  throw new ConflictError(
    `nodes cannot share topics that store no events: ${names.slice(0, 5).join(", ")}` +
      `${names.length > 5 ? ", …" : ""}; nothing was restored`,
    {
      code: "topic/local-only",
      hint: "remove them, or update them to be stored, and back up again",
    },
  );
}
