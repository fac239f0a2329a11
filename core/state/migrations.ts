/**
 * The formats of the state database, one step each. A released step never changes: a new format is
 * a new step. Durations are ms, times Unix ms. Event lines and schemas are BLOBs, because SQLite
 * cuts TEXT off at a NUL when reading.
 */
import { DatabaseSync } from "node:sqlite";
import { InternalError } from "../base/errors.ts";
import { asUnreadable } from "../store/sqlite/sqlite_error.ts";
import { openReadOnly } from "../store/sqlite/read_only.ts";
import { repairWal } from "../store/sqlite/salvage/repair_wal.ts";
import { asDataDirError, pragma, refuseForeign } from "../store/sqlite/own_database.ts";

/** "EVSS": identifies our files, in `PRAGMA application_id`. */
const APPLICATION_ID = 0x45565353;

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE topics (
    name TEXT PRIMARY KEY,
    persistent INTEGER NOT NULL,
    retention_period INTEGER NOT NULL,
    max_events INTEGER NOT NULL,
    max_bytes INTEGER NOT NULL,
    schema_mode TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE subscriptions (
    name TEXT PRIMARY KEY,
    topic TEXT NOT NULL,                 -- or a pattern
    begins TEXT NOT NULL,                -- the offset it was made with
    max_retries INTEGER NOT NULL,
    backoff TEXT NOT NULL,               -- JSON
    event_types TEXT NOT NULL,           -- JSON; [] means all
    filter TEXT,                         -- CEL
    paused INTEGER NOT NULL,
    pause_reason TEXT,
    created_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE cursors (
    subscription TEXT NOT NULL,
    topic TEXT NOT NULL,
    next INTEGER NOT NULL,               -- the first seq that is neither settled nor kept as a retry
    PRIMARY KEY (subscription, topic)
  ) WITHOUT ROWID;
  CREATE TABLE done (                    -- settled out of order: at or above the cursor
    subscription TEXT NOT NULL,
    topic TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (subscription, topic, seq)
  ) WITHOUT ROWID;
  CREATE TABLE missed (                  -- what retention took before it was delivered
    subscription TEXT NOT NULL,
    topic TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (subscription, topic)
  ) WITHOUT ROWID;
  CREATE TABLE retries (
    subscription TEXT NOT NULL,
    topic TEXT NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    key TEXT,
    type TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    next_attempt INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    attempts TEXT NOT NULL,              -- JSON
    line BLOB NOT NULL,
    UNIQUE (subscription, topic, id)
  );
  CREATE TABLE dead_letters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL,
    topic TEXT NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    key TEXT,
    type TEXT NOT NULL,
    reason TEXT NOT NULL,
    died_at INTEGER NOT NULL,
    attempts TEXT NOT NULL,              -- JSON
    line BLOB NOT NULL,
    UNIQUE (subscription, topic, id)
  );
  CREATE INDEX dead_letters_id ON dead_letters (id);
  CREATE TABLE schemas (
    type TEXT NOT NULL,
    version TEXT NOT NULL,
    schema BLOB NOT NULL,
    registered_at INTEGER NOT NULL,
    PRIMARY KEY (type, version)
  );
  `,
  // Edited copies of dead letters (evs dlq edit, evs dlq import --retry).
  `
  ALTER TABLE retries ADD COLUMN edited_from TEXT;
  ALTER TABLE dead_letters ADD COLUMN edited_from TEXT;
  ALTER TABLE dead_letters ADD COLUMN edited_as TEXT;
  `,
  // The compatibility required of new versions of a type's schema (evs schema register --compat).
  `
  CREATE TABLE schema_levels (
    type TEXT PRIMARY KEY,
    level TEXT NOT NULL
  ) WITHOUT ROWID;
  `,
  // When a subscription pauses itself (evs consume --breaker), as JSON; NULL is never.
  `
  ALTER TABLE subscriptions ADD COLUMN breaker TEXT;
  `,
  // Where a topic's events are stored, and when they are acknowledged.
  `
  ALTER TABLE topics ADD COLUMN store TEXT NOT NULL DEFAULT 'default';
  ALTER TABLE topics ADD COLUMN durability TEXT NOT NULL DEFAULT 'default';
  `,
  // How long a retry waits from when it was scheduled; for older rows, from the end of the last
  // attempt.
  `
  ALTER TABLE retries ADD COLUMN wait_ms INTEGER NOT NULL DEFAULT 0;
  UPDATE retries SET wait_ms = max(0, due_at - ifnull(
    json_extract(attempts, '$[#-1].startedAt') + json_extract(attempts, '$[#-1].durationMs'), due_at));
  `,
  // Who paused a subscription and until when; events that were delivered but never answered.
  `
  ALTER TABLE subscriptions ADD COLUMN paused_by TEXT;     -- person (also NULL), breaker, command
  ALTER TABLE subscriptions ADD COLUMN paused_until INTEGER;
  ALTER TABLE subscriptions ADD COLUMN max_deliveries INTEGER NOT NULL DEFAULT 10;
  CREATE TABLE unanswered (                -- deliveries that ended without an answer
    subscription TEXT NOT NULL,
    topic TEXT NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (subscription, topic, id)
  ) WITHOUT ROWID;
  CREATE TABLE begun (                     -- what a consumer's handlers had when it last began some
    subscription TEXT NOT NULL,
    consumer TEXT NOT NULL,
    events TEXT NOT NULL,                  -- JSON
    PRIMARY KEY (subscription, consumer)
  ) WITHOUT ROWID;
  `,
  // Where each topic ended when the state was last closed, and how often it was opened and closed.
  `
  CREATE TABLE topic_ends (
    topic TEXT PRIMARY KEY,
    last_seq INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE generation (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    value INTEGER NOT NULL
  );
  `,
  // Which parts of an import of dead letters are done, and the reply to each: one that got no answer
  // is sent again.
  `
  CREATE TABLE imports (
    batch TEXT NOT NULL,
    part TEXT NOT NULL,
    at INTEGER NOT NULL,
    reply TEXT NOT NULL,                   -- JSON
    PRIMARY KEY (batch, part)
  ) WITHOUT ROWID;
  `,
  // Events that are published later (evs publish --delay, --at).
  `
  CREATE TABLE scheduled (
    number INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    key TEXT,
    due_at INTEGER NOT NULL,
    wait_ms INTEGER,                       -- NULL: somebody named the time
    accepted_at INTEGER NOT NULL,
    after_seq INTEGER NOT NULL,            -- the topic's last seq at acceptance
    stamped INTEGER NOT NULL,              -- 1: the publisher gave the timestamp
    line BLOB NOT NULL,
    UNIQUE (topic, id)
  );
  `,
  // What a topic's limits may not delete, and what is deleted besides (evs topic create --keep,
  // --drop).
  `
  ALTER TABLE topics ADD COLUMN keeps TEXT NOT NULL DEFAULT 'limits';
  ALTER TABLE topics ADD COLUMN drops TEXT NOT NULL DEFAULT 'limits';
  `,
  // When dead letters expire, and how many a subscription may have (evs topic create
  // --dead-retention, --dead-max).
  `
  ALTER TABLE topics ADD COLUMN dead_retention INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE topics ADD COLUMN dead_max INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX dead_letters_topic ON dead_letters (topic, subscription);
  CREATE TABLE removed_dead_letters (
    subscription TEXT NOT NULL,
    topic TEXT NOT NULL,
    expired INTEGER NOT NULL,
    capped INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (subscription, topic)
  ) WITHOUT ROWID;
  CREATE TABLE dead_letter_ages (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    ages TEXT NOT NULL                     -- JSON
  );
    `,
  // Events that were redacted (evs redact).
  `
  CREATE TABLE redactions (
    topic TEXT NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    by TEXT,
    reason TEXT,
    done INTEGER NOT NULL,                 -- 0: something may be left; the next start finishes it
    PRIMARY KEY (topic, seq, id)
  ) WITHOUT ROWID;
  `,
  // Scheduled events that were redacted.
  `
  ALTER TABLE scheduled ADD COLUMN redacted INTEGER NOT NULL DEFAULT 0;
  `,
  // Events that expired before a subscription handled them (evs publish --ttl), and the clock that
  // they expire by.
  `
  CREATE TABLE expired (
    subscription TEXT NOT NULL,
    topic TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (subscription, topic)
  ) WITHOUT ROWID;
  CREATE TABLE expiry_clock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    skew INTEGER NOT NULL,                 -- the difference from the wall clock, ms
    newest INTEGER NOT NULL                -- the latest time that it is known to have shown
  );
  `,
  // Acts on many dead letters that the daemon does by itself (evs dlq jobs), and their lists.
  `
  CREATE TABLE jobs (
    number INTEGER PRIMARY KEY,
    record TEXT NOT NULL                   -- JSON
  );
  CREATE TABLE job_parts (
    job INTEGER NOT NULL,
    part INTEGER NOT NULL,
    entries TEXT NOT NULL,                 -- JSON: [subscription, topic, id] of each
    PRIMARY KEY (job, part)
  ) WITHOUT ROWID;
  `,
  // What was done, by whom and by which way (evs audit).
  `
  CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    act TEXT NOT NULL,
    topic TEXT,
    subscription TEXT,
    record TEXT NOT NULL                   -- JSON
  );
  CREATE INDEX audit_at ON audit (at);
  `,
  // Groups of dead letters (evs dlq groups): what is known of each, which dead letters it has, and
  // how many it got in each period. Older dead letters are added when the database is opened.
  `
  CREATE TABLE dead_letter_groups (
    id TEXT PRIMARY KEY,
    reason TEXT NOT NULL,                  -- what the reasons have in common
    wide TEXT NOT NULL,                    -- the id of what many of them have in common
    whole INTEGER NOT NULL,                -- 1: it takes all with that
    merged TEXT,                           -- the group that it became a part of
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    total INTEGER NOT NULL,
    state TEXT NOT NULL,
    more INTEGER,                          -- it opens after so many more
    act TEXT,                              -- JSON: the last one
    notes TEXT NOT NULL,                   -- JSON
    samples TEXT NOT NULL                  -- JSON
  ) WITHOUT ROWID;
  CREATE INDEX dead_letter_groups_wide ON dead_letter_groups (wide);
  CREATE INDEX dead_letter_groups_merged ON dead_letter_groups (merged) WHERE merged IS NOT NULL;
  CREATE TABLE dead_letter_causes (
    number INTEGER PRIMARY KEY,            -- of the dead letter
    cause TEXT NOT NULL,                   -- the id of its group
    subscription TEXT NOT NULL
  );
  CREATE INDEX dead_letter_causes_cause ON dead_letter_causes (cause, subscription);
  CREATE TRIGGER dead_letter_gone AFTER DELETE ON dead_letters
    BEGIN DELETE FROM dead_letter_causes WHERE number = OLD.number; END;
  CREATE TABLE dead_letter_trend (
    cause TEXT NOT NULL,
    slot INTEGER NOT NULL,                 -- the number of the period since 1970
    count INTEGER NOT NULL,
    PRIMARY KEY (cause, slot)
  ) WITHOUT ROWID;
  `,
];

/**
 * The format that this version writes, in `PRAGMA user_version`. Older ones are migrated, newer
 * ones refused.
 */
export const STATE_FORMAT = MIGRATIONS.length;

/**
 * Opens the database and creates or migrates its tables. Every commit syncs. `again` is the format
 * with which this process has opened it before and is still reading it. The file is then opened
 * without migration or repair, because nothing may change under a reader. Closing a file also drops
 * all locks that the process has on it (fcntl(2)), so only SQLite may touch it.
 */
export function openStateDatabase(
  path: string,
  options: { readOnly?: boolean; asFound?: boolean; again?: number } = {},
): DatabaseSync {
  const { readOnly = false, again } = options;
  if (again !== undefined && again !== STATE_FORMAT) {
    throw new InternalError(
      `the daemon reads format ${again} of ${path}, and its program was replaced by one for format ${STATE_FORMAT}`,
      { hint: "start the daemon again" },
    );
  }
  let database: DatabaseSync | undefined;
  try {
    if (!readOnly && again === undefined) repairWal(path);
    database = options.asFound ? openReadOnly(path) : new DatabaseSync(path, { readOnly });
    database.exec("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF");
    refuseForeign(database, path, { application: APPLICATION_ID, format: STATE_FORMAT });
    if (readOnly) return database;
    // What REPLACE deletes is to fire triggers, too.
    database.exec("PRAGMA recursive_triggers = ON");
    database.exec(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216",
    );
    if (again === undefined) migrateState(database);
    return database;
  } catch (error) {
    database?.close();
    throw asUnreadable(error, path) ?? asDataDirError(error, path);
  }
}

/** Migrates the tables to this version's format, with one transaction per step. */
export function migrateState(database: DatabaseSync): void {
  for (let next = pragma(database, "user_version"); next < STATE_FORMAT; next++) {
    database.exec("BEGIN IMMEDIATE");
    database.exec(MIGRATIONS[next]!);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${next + 1}`);
    database.exec("COMMIT");
  }
}
