/** Sabotages of backups of a PostgreSQL database, and of restores into one. */
import type { Mutant } from "../mutant.ts";

const BACKUP = "A backup is consistent and complete";
const TTL = "An event expires when its time to live says so";

const POSITIONS = ["tests/core/backup/postgres/part_positions_test.ts"];
const COPIES = ["tests/core/backup/postgres/state_copies_test.ts"];
const KEPT = ["tests/core/store/kept_events_test.ts"];
const PARTS = ["tests/system/postgres/backup_positions_test.ts"];
const LOAD = ["tests/system/postgres/backup_load_test.ts"];
const OUTBOX = ["tests/system/postgres/backup_outbox_test.ts"];
const EXPIRY = ["tests/core/backup/postgres/expiry_test.ts"];
const EXPIRED = ["tests/system/postgres/restore_expiry_test.ts"];
const REFUSALS = ["tests/system/postgres/restore_refusals_test.ts"];

export const databaseBackupMutants: Mutant[] = [
  {
    name: "database backup: lets time run that did not where the clock was set back",
    promise: TTL,
    file: "core/backup/postgres/expiry.ts",
    from: 'Math.max(row["skew"] as number, row["newest"] as number - now)',
    to: 'row["skew"] as number',
    tests: EXPIRY,
  },
  {
    name: "database backup: moves the expiry the wrong way",
    promise: TTL,
    file: "core/backup/postgres/expiry.ts",
    from: "expiresAt: event.expiresAt! - skew",
    to: "expiresAt: event.expiresAt! + skew",
    tests: EXPIRY,
  },
  {
    name: "database backup: leaves events to expire by the clock of a process",
    promise: TTL,
    file: "core/backup/postgres/events_into.ts",
    from: "found.map((one) => keptWithout(skew, one))",
    to: "found.map((one) => keptWithout(0 * skew, one))",
    tests: EXPIRED,
  },
  {
    name: "database backup: leaves retries to expire by the clock of a process",
    promise: TTL,
    file: "core/backup/postgres/state_copies.ts",
    from: "lineWithout(skew, ",
    to: "lineWithout(0 * skew, ",
    tests: EXPIRED,
  },
  {
    name: "database backup: counts the next event of a part as settled",
    promise: BACKUP,
    file: "core/backup/postgres/part_positions.ts",
    from: "return seq < this.of(",
    to: "return seq <= this.of(",
    tests: POSITIONS,
  },
  {
    name: "database backup: counts an event as missed that a part has passed",
    promise: BACKUP,
    file: "core/backup/postgres/part_positions.ts",
    from: "end - Math.max(from, next)",
    to: "end - Math.max(from, next - 1)",
    tests: POSITIONS,
  },
  {
    name: "database backup: forgets the replies to imports",
    promise: BACKUP,
    file: "core/backup/postgres/state_copies.ts",
    from: "  { table: tables.IMPORTS },\n",
    to: "",
    tests: COPIES,
  },
  {
    name: "database backup: tells no id as given",
    promise: BACKUP,
    file: "core/store/sqlite/kept_events.ts",
    from: "const given = id?.seq === event.seq;",
    to: "const given = id?.seq === -1;",
    tests: KEPT,
  },
  {
    name: "database backup: makes events older than they are",
    promise: BACKUP,
    file: "core/store/sqlite/kept_events.ts",
    from: "Math.min(at + SPACING_MS - 1, next, this.#now)",
    to: "Math.min(at - SPACING_MS, next, this.#now)",
    tests: KEPT,
  },
  {
    name: "database backup: does not say that events are lost",
    promise: BACKUP,
    file: "core/store/sqlite/event_copy.ts",
    from: "VALUES (?, ?, ?, ?, 1, ?, 0)",
    to: "VALUES (?, ?, ?, ?, 0, ?, 0)",
    tests: KEPT,
  },
  {
    name: "database backup: takes the highest position of all parts",
    promise: BACKUP,
    file: "core/backup/postgres/positions_from.ts",
    from: "Math.max(lowest, Math.min(firstSeq, highest))",
    to: "highest",
    tests: PARTS,
  },
  {
    name: "restore into a database: gives each mark to the part of an event without a key",
    promise: BACKUP,
    file: "core/backup/postgres/positions_into.ts",
    from: "coalesce(e.slot, (m.seq >> 8) & 255)",
    to: "coalesce((m.seq >> 8) & 255, e.slot)",
    tests: PARTS,
  },
  {
    name: "database backup: reads each table as of another moment",
    promise: BACKUP,
    file: "core/backup/postgres/backup_database.ts",
    from: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
    to: "SET TRANSACTION READ ONLY",
    tests: LOAD,
  },
  {
    name: "database backup: has an event of the outbox once more",
    promise: BACKUP,
    file: "core/backup/postgres/state_from.ts",
    from: "SELECT DISTINCT ON (o.topic, o.id) o.*",
    to: "SELECT o.*",
    tests: OUTBOX,
  },
  {
    name: "restore into a database: takes the place of what a node uses",
    promise: BACKUP,
    file: "core/backup/postgres/restore_database.ts",
    from: "  await refuseNodes(query, place);\n",
    to: "",
    tests: REFUSALS,
  },
  {
    name: "restore into a database: loses what waits in a spool",
    promise: BACKUP,
    file: "core/backup/postgres/restore_database.ts",
    from: "if (waiting.length === 0) return;",
    to: "if (waiting.length >= 0) return;",
    tests: REFUSALS,
  },
];
