/**
 * The formats of the event database, one step each. A released step never changes: a new format is
 * a new step, and tests/fixtures keeps a database of every old one. Times are Unix ms.
 */
import type { DatabaseSync } from "node:sqlite";
import { rowSum, typeTag, valuesSum } from "./row_checksum.ts";
import { rebuildBlocks } from "./blocks.ts";
import { SEQ_SPAN } from "./position.ts";
import { statementsOf } from "./statements.ts";
import { pragma } from "./own_database.ts";

/** "EVSE": identifies our files, in `PRAGMA application_id`. */
export const APPLICATION_ID = 0x45565345;

const VIEW = `
  CREATE VIEW events AS
    SELECT topic, seq, line ->> '$.id' AS id, type, line ->> '$.timestamp' AS timestamp,
           strftime('%Y-%m-%dT%H:%M:%fZ', (line ->> '$.timestamp') / 1000.0, 'unixepoch') AS time,
           line ->> '$.schemaVersion' AS schema_version, key, line -> '$.metadata' AS metadata, payload
    FROM (
      SELECT t.name AS topic, l.pos - t.id * ${SEQ_SPAN} AS seq, l.type, l.key, CAST(l.line AS TEXT) AS line,
             CAST(substr(l.line, l.head + 1, length(l.line) - l.head - 1) AS TEXT) AS payload
      FROM topics t JOIN log l ON l.pos BETWEEN t.id * ${SEQ_SPAN} AND (t.id + 1) * ${SEQ_SPAN} - 1
    );
`;

const LOG_FORMAT_2 = `
  CREATE TABLE log (
    pos INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    key TEXT,
    head INTEGER NOT NULL,                -- bytes of the line before the payload
    sum INTEGER NOT NULL,                 -- checksum, see row_sum.ts
    line BLOB NOT NULL                    -- as on the wire, without its line feed
  );
`;

const MIGRATIONS: readonly ((database: DatabaseSync) => void)[] = [
  (database) =>
    database.exec(`
  CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    last_seq INTEGER NOT NULL DEFAULT 0   -- a floor: kept where the log no longer shows it
  );
  CREATE TABLE log (
    pos INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    key TEXT,
    head INTEGER NOT NULL,                -- bytes of the line before the payload
    line BLOB NOT NULL                    -- as on the wire, without its line feed
  );
  CREATE INDEX log_key ON log (key, pos) WHERE key IS NOT NULL;
  CREATE TABLE blocks (
    topic INTEGER NOT NULL,
    block INTEGER NOT NULL,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    max_timestamp INTEGER NOT NULL,
    min_id TEXT,                          -- of the ids that we made
    max_id TEXT,
    PRIMARY KEY (topic, block)
  ) WITHOUT ROWID;
  CREATE TABLE given_ids (
    topic INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (topic, id)
  ) WITHOUT ROWID;
  ${VIEW}
  `),
  // Checksums for every row, and a register of known damage.
  (database) => {
    defineSums(database);
    database.exec(`
  DROP VIEW events;
  DROP INDEX log_key;
  ALTER TABLE log RENAME TO log_1;
  ${LOG_FORMAT_2}
  INSERT INTO log
    SELECT pos, type, key, head, row_sum(pos, type, head, line), line FROM log_1 ORDER BY pos;
  DROP TABLE log_1;
  CREATE INDEX log_key ON log (key, pos) WHERE key IS NOT NULL;
  ALTER TABLE topics ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
  UPDATE topics SET sum = values_sum(id, name, last_seq);
  DROP TABLE blocks;
  CREATE TABLE blocks (
    topic INTEGER NOT NULL,
    block INTEGER NOT NULL,
    first INTEGER NOT NULL,               -- the first and the last seq in it
    last INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    max_timestamp INTEGER NOT NULL,
    min_id TEXT,                          -- of the ids that we made
    max_id TEXT,
    crc INTEGER NOT NULL,                 -- CRC-32 of all its lines, each with its line feed
    sum INTEGER NOT NULL,                 -- checksum of this row
    PRIMARY KEY (topic, block)
  ) WITHOUT ROWID;
  CREATE TABLE damage (
    topic INTEGER NOT NULL,
    first INTEGER NOT NULL,               -- the first and the last seq of it
    last INTEGER NOT NULL,
    what TEXT NOT NULL,
    lost INTEGER NOT NULL,                -- 1: these events cannot be handed out
    found_at INTEGER NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0,  -- 1: evs doctor --accept
    PRIMARY KEY (topic, first, last, what)
  ) WITHOUT ROWID;
  ${VIEW}
    `);
    rebuildBlocks(statementsOf(database));
  },
  // When events were stored. For topics without entries it is estimated from their blocks
  // (ages.ts).
  (database) =>
    database.exec(`
  CREATE TABLE ages (                     -- events from seq on were stored about then
    topic INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    sum INTEGER NOT NULL,                 -- checksum of this row
    PRIMARY KEY (topic, seq)
  ) WITHOUT ROWID;
  CREATE TABLE age_clock (                -- one row: by how much "at" differs from the wall clock, ms
    id INTEGER PRIMARY KEY CHECK (id = 1),
    skew INTEGER NOT NULL,
    sum INTEGER NOT NULL
  );
    `),
  // The last numbers of keys that their events no longer tell (key_counts.ts).
  (database) =>
    database.exec(`
  CREATE TABLE key_counts (
    topic INTEGER NOT NULL,
    high INTEGER NOT NULL,                -- 64 bits: a hash of the key; -1: the last lost seq
    low INTEGER NOT NULL,
    count INTEGER NOT NULL,
    sum INTEGER NOT NULL,                 -- checksum of this row
    PRIMARY KEY (topic, high, low)
  ) WITHOUT ROWID;
    `),
];

/**
 * The format that this version writes, in `PRAGMA user_version`. Older ones are migrated, newer
 * ones refused.
 */
export const EVENTS_FORMAT = MIGRATIONS.length;

/** Migrates the tables to this version's format, with one transaction per step. */
export function migrateEvents(database: DatabaseSync): void {
  for (let next = pragma(database, "user_version"); next < EVENTS_FORMAT; next++) {
    database.exec("BEGIN IMMEDIATE");
    MIGRATIONS[next]!(database);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${next + 1}`);
    database.exec("COMMIT");
  }
}

function defineSums(database: DatabaseSync): void {
  database.function(
    "row_sum",
    { deterministic: true },
    (pos, type, head, line) =>
      rowSum(line as Uint8Array, {
        pos: pos as number,
        head: head as number,
        tag: typeTag(type as string),
      }),
  );
  database.function(
    "values_sum",
    { deterministic: true, varargs: true },
    (...values) => valuesSum(...values as (string | number | null)[]),
  );
}
