/** The groups of dead letters in the state database. */
import type { SQLInputValue } from "node:sqlite";
import { GROUP_SLOTS, SLOTS_PER_HOUR } from "../event/dead_letter_group.ts";
import {
  actOnGroup,
  addToGroup,
  type DeadLetterGroupCount,
  type GroupMember,
  type GroupRecord,
  type GroupTable,
  type GroupTrendCount,
  noteOnGroup,
  redactGroups,
} from "./group_rules.ts";
import type { StateChange } from "./state.ts";
import type { EventIdentity } from "./redactions.ts";
import { groupCountOf, groupMemberOf, groupOf, type Row } from "./rows.ts";

/** What the table needs of its database. */
export interface GroupDatabase {
  all(sql: string, values?: SQLInputValue[]): Row[];
  run(sql: string, values: SQLInputValue[]): void;
}

/**
 * A {@link GroupTable} in SQLite; each change is a part of the transaction that is open. What many
 * dead letters of one transaction change is written once, by {@link flush}.
 */
export class SqliteGroups implements GroupTable {
  readonly #database: GroupDatabase;
  /** Groups as they were read or are to be. */
  readonly #known = new Map<string, GroupRecord>();
  readonly #changed = new Set<string>();
  /** What is to be added to a period, by group. */
  readonly #counts = new Map<string, Map<number, number>>();
  /** There was no group to spare, and no dead letter was removed since. */
  #noneToSpare = false;

  constructor(database: GroupDatabase) {
    this.#database = database;
  }

  /** Groups the dead letters that are in no group: an older version wrote them. */
  addOlder(): void {
    const rows = this.#database.all(
      `SELECT number, subscription, topic, seq, id, reason, died_at FROM dead_letters
       WHERE number > (SELECT ifnull(max(number), 0) FROM dead_letter_causes) ORDER BY number`,
    );
    this.begin();
    for (const row of rows) addToGroup(this, groupMemberOf(row), { known: true });
    this.flush();
  }

  /** A transaction begins: what is known may be of one that was rolled back. */
  begin(): void {
    this.#known.clear();
    this.#changed.clear();
    this.#counts.clear();
  }

  /** Writes what is to be written. */
  flush(): void {
    for (const id of this.#changed) this.#write(this.#known.get(id)!);
    this.#changed.clear();
    for (const [id, counts] of this.#counts) {
      for (const [slot, count] of counts) {
        if (count > 0) this.#add(id, slot, count);
      }
    }
    this.#counts.clear();
  }

  /** What a change means for groups; its own statements are done. */
  apply(change: StateChange): void {
    switch (change.op) {
      case "dead.put": {
        const number = this.#number("SELECT last_insert_rowid() AS n", []);
        const diedAt = Math.round(change.record.diedAt);
        return addToGroup(this, { ...change.record, diedAt, number }, change);
      }
      case "dead.remove":
      case "dead.expire":
      case "dead.retry":
        this.#noneToSpare = false;
        return;
      case "event.redact":
        this.#noneToSpare = false;
        return redactGroups(this, change);
      case "group.act":
        return actOnGroup(this, change);
      case "group.note":
        return noteOnGroup(this, change.group, change.note);
    }
  }

  get(id: string): GroupRecord | undefined {
    const known = this.#known.get(id);
    if (known) return known;
    const [row] = this.#database.all("SELECT * FROM dead_letter_groups WHERE id = ?", [id]);
    const record = row && groupOf(row);
    if (record) this.#known.set(id, record);
    return record;
  }

  put(record: GroupRecord): void {
    this.#known.set(record.id, record);
    this.#changed.add(record.id);
  }

  #write(record: GroupRecord): void {
    this.#database.run(
      "INSERT OR REPLACE INTO dead_letter_groups VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
      [
        record.id,
        record.reason,
        record.wide,
        record.whole ? 1 : 0,
        record.merged ?? null,
        Math.round(record.firstAt),
        Math.round(record.lastAt),
        record.total,
        record.state,
        record.more ?? null,
        record.act ? JSON.stringify(record.act) : null,
        JSON.stringify(record.notes),
        JSON.stringify(record.samples),
      ],
    );
  }

  remove(id: string): void {
    this.#known.delete(id);
    this.#changed.delete(id);
    this.#counts.delete(id);
    this.#database.run("DELETE FROM dead_letter_groups WHERE id = ?", [id]);
    this.#database.run("DELETE FROM dead_letter_trend WHERE cause = ?", [id]);
  }

  all(): GroupRecord[] {
    this.flush();
    return this.#database.all("SELECT * FROM dead_letter_groups ORDER BY id").map(groupOf);
  }

  size(): number {
    this.flush();
    return this.#number("SELECT count(*) AS n FROM dead_letter_groups", []);
  }

  spare(): string | undefined {
    if (this.#noneToSpare) return undefined;
    this.flush();
    const [row] = this.#database.all(
      `SELECT id FROM dead_letter_groups AS one
       WHERE NOT EXISTS (SELECT 1 FROM dead_letter_causes WHERE cause = one.id)
         AND NOT EXISTS (SELECT 1 FROM dead_letter_groups WHERE merged = one.id)
       ORDER BY state <> 'open' OR notes <> '[]' OR act IS NOT NULL, last_at, id LIMIT 1`,
    );
    this.#noneToSpare = row === undefined;
    return row?.["id"] as string | undefined;
  }

  alike(wide: string): GroupRecord[] {
    this.flush();
    return this.#database.all("SELECT * FROM dead_letter_groups WHERE wide = ? ORDER BY id", [wide])
      .map(groupOf);
  }

  assign({ number, subscription }: GroupMember, id: string): void {
    this.#database.run("INSERT OR REPLACE INTO dead_letter_causes VALUES (?,?,?)", [
      number,
      id,
      subscription,
    ]);
  }

  isPresent(id: string): boolean {
    return this.#number(
      "SELECT EXISTS (SELECT 1 FROM dead_letter_causes WHERE cause = ?) AS n",
      [id],
    ) === 1;
  }

  membersOf({ topic, seq, id }: EventIdentity): (GroupMember & { group: string | undefined })[] {
    return this.#database.all(
      `SELECT dead_letters.number, dead_letters.subscription, topic, seq, id, reason, died_at, cause
       FROM dead_letters LEFT JOIN dead_letter_causes USING (number)
       WHERE id = ? AND topic = ? AND seq = ?`,
      [id, topic, seq],
    ).map((row) => ({
      ...groupMemberOf(row),
      group: row["cause"] === null ? undefined : row["cause"] as string,
    }));
  }

  count(id: string, slot: number): boolean {
    const counts = this.#counts.get(id) ?? new Map<number, number>();
    const counted = counts.get(slot);
    counts.set(slot, counted === undefined ? 0 : counted + 1);
    this.#counts.set(id, counts);
    return counted === undefined && this.#add(id, slot, 1) === 1;
  }

  /** Returns how many that makes. */
  #add(id: string, slot: number, count: number): number {
    return this.#number(
      `INSERT INTO dead_letter_trend VALUES (?,?,?)
       ON CONFLICT DO UPDATE SET count = count + excluded.count RETURNING count AS n`,
      [id, slot, count],
    );
  }

  trim(id: string, first: number, last: number): void {
    this.flush();
    this.#database.run("DELETE FROM dead_letter_trend WHERE cause = ? AND slot < ?", [id, first]);
    this.#database.run("DELETE FROM dead_letter_trend WHERE cause = ? AND slot > ?", [id, last]);
  }

  moveCounts(from: string, to: string): void {
    this.flush();
    // WHERE, because SQLite would otherwise take ON for that of a join.
    this.#database.run(
      `INSERT INTO dead_letter_trend SELECT ?, slot, count FROM dead_letter_trend WHERE cause = ?
       ON CONFLICT DO UPDATE SET count = count + excluded.count`,
      [to, from],
    );
    this.#database.run("DELETE FROM dead_letter_trend WHERE cause = ?", [from]);
  }

  /** How many are there, by group and subscription. */
  members(): DeadLetterGroupCount[] {
    return this.#database.all(
      `SELECT cause, found.subscription, n, number, topic, seq, id, reason
       FROM (SELECT cause, subscription, count(*) AS n, max(number) AS newest
         FROM dead_letter_causes GROUP BY cause, subscription) AS found
       JOIN dead_letters ON number = newest`,
    ).map(groupCountOf);
  }

  /** How many are in groups that are not open, by subscription. */
  closedCounts(): Map<string, number> {
    const rows = this.#database.all(
      `SELECT subscription, count(*) AS n FROM dead_letter_groups AS one
       JOIN dead_letter_causes ON cause = one.id
       WHERE ifnull((SELECT state FROM dead_letter_groups WHERE id = one.merged), one.state) <> 'open'
       GROUP BY subscription`,
    );
    return new Map(rows.map((row) => [row["subscription"] as string, row["n"] as number]));
  }

  /** What was counted in the 24 hours before a period. */
  trend(end: number): GroupTrendCount[] {
    return this.#database.all(
      `SELECT cause AS "group", CAST((?1 - 1 - slot) / ?2 AS INTEGER) AS hour, sum(count) AS count
       FROM dead_letter_trend WHERE slot < ?1 AND slot >= ?1 - ?3 GROUP BY cause, hour`,
      [end, SLOTS_PER_HOUR, GROUP_SLOTS],
    ) as unknown as GroupTrendCount[];
  }

  #number(sql: string, values: SQLInputValue[]): number {
    return this.#database.all(sql, values)[0]!["n"] as number;
  }
}
