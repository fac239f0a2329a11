/** Reads a whole event database and reports what is wrong with it. Changes nothing. */
import type { DatabaseSync } from "node:sqlite";
import { CheckedRows } from "./checked_rows.ts";
import { damagedCounts } from "./key_counts.ts";
import { countIn, type Damage, type Found } from "../damage.ts";
import { schemaFaults, structureFaults } from "./integrity.ts";
import { readDamage } from "./damage_register.ts";
import { EVENTS_FORMAT, migrateEvents } from "./migrations.ts";
import { pragma } from "./own_database.ts";
import { BLOCK } from "./position.ts";
import type { Seen } from "../seen.ts";
import { openEventDatabase } from "./event_database.ts";
import { loadTopics, type TopicRow } from "./topics.ts";
import { type Prepare, statementsOf } from "./statements.ts";

/** The result for one topic. */
export interface TopicVerdict {
  topic: string;
  firstSeq: number;
  lastSeq: number;
  /** Events that are present and intact. */
  intact: number;
}

/** The result for a database. */
export interface EventVerdict {
  format: number;
  /** False for an older format, which has no checksums: a daemon migrates it when it opens it. */
  checked: boolean;
  topics: TopicVerdict[];
  /** Damage found now. */
  found: Found[];
  /** Damage found before and recorded in the database. */
  known: Damage[];
  /** Faults of the database itself, as text. */
  faults: string[];
}

/**
 * Reads the database at `path`. Throws `DataDirError` if it cannot be opened at all. `quick` does
 * not read every event. `seen` is called for each event that is read.
 */
export function verifyEventDatabase(
  path: string,
  { quick, seen }: { quick: boolean; seen?: Seen } = { quick: false },
): EventVerdict {
  const database = openEventDatabase(path, { readOnly: true, asFound: true });
  try {
    const format = pragma(database, "user_version");
    if (format < EVENTS_FORMAT) {
      return { format, checked: false, topics: [], found: [], known: [], faults: [] };
    }
    return { format, checked: true, ...verify(database, quick, seen) };
  } finally {
    database.close();
  }
}

function verify(database: DatabaseSync, quick: boolean, seen?: Seen) {
  const prepare = statementsOf(database);
  // One snapshot, so that concurrent writes and retention do not show.
  prepare("BEGIN").run();
  const found: Found[] = [];
  const report = (what: Found) => {
    const last = found.at(-1);
    const follows = last && last.topic === what.topic && last.what === what.what &&
      last.lastSeq + 1 === what.firstSeq;
    if (follows) last.lastSeq = what.lastSeq;
    else found.push({ ...what });
  };
  // First of all: tables that are not ours cannot be read as ours.
  const faults = schemaFaults(database, migrateEvents);
  if (faults.length > 0) return { topics: [], found, known: [], faults };
  faults.push(...quick ? [] : structureFaults(database));
  const rows = new CheckedRows(prepare, report);
  const topics = [...loadTopics({ prepare, report, write: false }).values()].map((topic) =>
    quick ? asTold(topic) : readTopic(rows, topic, seen)
  );
  if (!quick && faults.length === 0) faults.push(...crossFaults(prepare));
  return { topics, found, known: readDamage(prepare), faults };
}

/** Assumes that all events are intact except those known to be lost. */
function asTold({ name, firstSeq, lastSeq, holes }: TopicRow): TopicVerdict {
  const lost = countIn(holes, { from: firstSeq, to: lastSeq });
  return { topic: name, firstSeq, lastSeq, intact: lastSeq - firstSeq + 1 - lost };
}

function readTopic(rows: CheckedRows, topic: TopicRow, seen?: Seen): TopicVerdict {
  let intact = 0;
  for (let from = topic.firstSeq; from <= topic.lastSeq; from += BLOCK) {
    const end = Math.min(topic.lastSeq, from + BLOCK - 1);
    const read = rows.read(topic, { from, end });
    intact += read.length;
    if (seen) { for (const { line } of read) seen.event(topic.name, line); }
  }
  return { ...asTold(topic), intact };
}

/** Checks columns and tables that are derived from events against the events. */
function crossFaults(prepare: Prepare): string[] {
  const faults: string[] = [];
  const { keys } = prepare(
    `SELECT count(*) AS keys FROM log WHERE json_valid(CAST(line AS TEXT))
     AND key IS NOT CAST(line AS TEXT) ->> '$.key'`,
  ).get() as { keys: number };
  if (keys > 0) faults.push(`events whose key column is not the key of the event: ${keys}`);
  const { ids } = prepare(
    `SELECT count(*) AS ids FROM given_ids g JOIN log l ON l.pos = g.topic * (1 << 36) + g.seq
     WHERE json_valid(CAST(l.line AS TEXT)) AND CAST(l.line AS TEXT) ->> '$.id' <> g.id`,
  ).get() as { ids: number };
  if (ids > 0) faults.push(`${ids} entries of the index of given ids name another event`);
  const counts = damagedCounts(prepare);
  if (counts > 0) faults.push(`${counts} rows of the table of key counts are damaged`);
  return faults;
}
