/** What is read of the state in PostgreSQL while it is in use: failures, groups, acts. */
import type { AuditQuery, AuditRecord } from "../../event/audit.ts";
import { GROUP_SLOTS, SLOTS_PER_HOUR } from "../../event/dead_letter_group.ts";
import { nextAfter, pageStart } from "../dead_letter_page.ts";
import type { GroupRecord } from "../group_rules.ts";
import { searchText } from "../reason.ts";
import { deadLetterOf, groupCountOf, groupOf, linkOf, type Row, waitingOf } from "../rows.ts";
import type {
  BoundDeadLetterFilter,
  DeadLetterGroupCount,
  DeadLetterKey,
  DeadLetterKeysRequest,
  DeadLetterName,
  DeadLetterPage,
  DeadLetterPageRequest,
  GroupTrendCount,
  RetryRecord,
} from "../state.ts";
import type { Query } from "../../postgres/connection.ts";
import { listText, listType, plainRow, withoutNul } from "./values.ts";

// Columns are named wherever a statement is prepared: one with "*" fails once a newer node has added
// a column.
const SELECT_RETRY = `
  SELECT subscription, topic, id, seq, key, type, due_at, wait_ms, next_attempt, failures, attempts,
    line, edited_from, part
  FROM evs.retries WHERE subscription = $1 AND topic = $2 AND id = $3`;

/** Rows for `deadLetterOf`; a condition may follow. */
const SELECT_DEAD_LETTERS = `
  SELECT number, subscription, topic, id, seq, key, type, reason, died_at, attempts, line,
    edited_from, edited_as, (SELECT coalesce(merged, one.id) FROM evs.dead_letter_groups AS one
      WHERE one.id = dead_letters.cause) AS cause
  FROM evs.dead_letters`;

const SELECT_GROUPS = `
  SELECT id, reason, wide, whole, merged, first_at, last_at, total, state, more, act, notes, samples
  FROM evs.dead_letter_groups ORDER BY id COLLATE "C"`;

/** The dead letters of a group, and of those that became a part of it. */
const IN_GROUP =
  "cause IN (SELECT one.id FROM evs.dead_letter_groups AS one WHERE coalesce(merged, one.id) = ?)";

type Condition = readonly [condition: string, value: string | number | undefined];

/** The conditions whose value is given, for their values and those that follow. */
function given(conditions: readonly Condition[], ...more: readonly (string | number)[]) {
  const values: (string | number)[] = [];
  const where = ["true"];
  for (const [condition, value] of conditions) {
    if (value === undefined) continue;
    values.push(typeof value === "string" ? withoutNul(value) : value);
    where.push(condition.replaceAll("?", `$${values.length}`));
  }
  const next = (n: number) => `$${values.length + n}`;
  return { where: where.join(" AND "), values: [...values, ...more], next };
}

/** A filter as SQL. Ids use the index first; then `SUBSCRIPTION:ID` is compared in full. */
function conditionsOf(filter: BoundDeadLetterFilter): Condition[] {
  const { ids, reason, since, before } = filter;
  const candidates = ids?.flatMap((id) => [id, id.slice(id.indexOf(":") + 1)]);
  // As a table, which is looked up by a hash: a list is gone through for each row.
  const listed = `(SELECT unnest(?${listType("text")}))`;
  return [
    [`id IN ${listed}`, candidates && listText(candidates)],
    [`(id IN ${listed} OR subscription || ':' || id IN ${listed})`, ids && listText(ids)],
    ["subscription = ?", filter.subscription],
    ["topic = ?", filter.topic],
    ["type = ?", filter.type],
    ["key = ?", filter.key],
    ["number <= ?::bigint", filter.upTo],
    ["died_at >= ?::text::double precision", textOf(since)],
    ["died_at < ?::text::double precision", textOf(before)],
    ["reason_folded LIKE ?", reason === undefined ? undefined : patternOf(reason)],
    [IN_GROUP, filter.group],
  ];
}

function textOf(number: number | undefined): string | undefined {
  return number === undefined ? undefined : String(number);
}

/** What `reasonHolds` asks for, as a pattern: each piece is somewhere behind the one before it. */
function patternOf(part: string): string {
  const pieces = searchText(part).split("*").map((piece) => piece.replace(/[\\%_]/g, "\\$&"));
  return `%${pieces.join("%")}%`;
}

/** The reads of a state. */
export class StateReads {
  readonly #query: Query;
  readonly #holds: boolean;

  /** `holds`: nobody else changes dead letters that are read, until the transaction ends. */
  constructor(query: Query, { holds = false } = {}) {
    this.#query = query;
    this.#holds = holds;
  }

  async #all(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#query(text, values)).map(plainRow);
  }

  async retry(subscription: string, topic: string, id: string): Promise<RetryRecord | undefined> {
    const [row] = await this.#all(SELECT_RETRY, [subscription, topic, id]);
    return row && {
      ...waitingOf(row),
      ...linkOf(row),
      attempts: JSON.parse(row["attempts"] as string),
      line: row["line"] as Uint8Array,
    };
  }

  async scheduledLine(number: number): Promise<Uint8Array | undefined> {
    const [row] = await this.#all("SELECT line FROM evs.scheduled WHERE number = $1", [number]);
    return row?.["line"] as Uint8Array | undefined;
  }

  async deadLetters(
    filter: BoundDeadLetterFilter,
    page: DeadLetterPageRequest,
  ): Promise<DeadLetterPage> {
    const more = [pageStart(page), page.limit + 1];
    const { where, values, next } = given(conditionsOf(filter), ...more);
    const order = page.oldest
      ? `number > ${next(1)}::bigint ORDER BY number`
      : `number < ${next(1)}::bigint ORDER BY number DESC`;
    const rows = await this.#all(
      `${SELECT_DEAD_LETTERS} WHERE ${where} AND ${order} LIMIT ${next(2)}::bigint` +
        (this.#holds ? " FOR UPDATE OF dead_letters" : ""),
      values,
    );
    return nextAfter(
      rows.map((row) => ({ number: row["number"] as number, record: deadLetterOf(row) })),
      page.limit,
    );
  }

  async countDeadLetters(filter: BoundDeadLetterFilter): Promise<number> {
    const { where, values } = given(conditionsOf(filter));
    const [row] = await this.#all(
      `SELECT count(*) AS n FROM evs.dead_letters WHERE ${where}`,
      values,
    );
    return row!["n"] as number;
  }

  async deadLetterKeys(request: DeadLetterKeysRequest): Promise<DeadLetterKey[]> {
    const { topic, subscription, after, upTo, limit, newest } = request;
    const conditions: Condition[] = [
      ["topic = ?", topic],
      ["subscription = ?", subscription],
      ["number > ?::bigint", after],
      ["number <= ?::bigint", upTo],
    ];
    const { where, values, next } = given(conditions, limit);
    return await this.#all(
      `SELECT subscription, topic, id, number, died_at AS "diedAt" FROM evs.dead_letters
       WHERE ${where} ORDER BY number ${newest ? "DESC" : "ASC"} LIMIT ${next(1)}::bigint`,
      values,
    ) as unknown as DeadLetterKey[];
  }

  async jobPart(job: number, part: number): Promise<DeadLetterName[] | undefined> {
    const [row] = await this.#all(
      "SELECT entries FROM evs.job_parts WHERE job = $1 AND part = $2",
      [job, part],
    );
    return row && JSON.parse(row["entries"] as string);
  }

  async audit(query: AuditQuery): Promise<AuditRecord[]> {
    const { since, act, topic, subscription, before, limit } = query;
    const conditions: Condition[] = [
      ["at >= ?::text::double precision", textOf(since)],
      ["act = ?", act],
      ["topic = ?", topic],
      ["subscription = ?", subscription],
      ["number < ?::bigint", before],
    ];
    const { where, values, next } = given(conditions, limit);
    const rows = await this.#all(
      `SELECT number, record FROM evs.audit WHERE ${where} ORDER BY number DESC
       LIMIT ${next(1)}::bigint`,
      values,
    );
    return rows.map(({ number, record }) => ({
      number: number as number,
      ...JSON.parse(record as string),
    }));
  }

  async deadLetterCounts(): Promise<Map<string, number>> {
    return countsOf(
      await this.#all(
        "SELECT subscription, count(*) AS n FROM evs.dead_letters GROUP BY subscription",
      ),
    );
  }

  async deadLetterGroups(): Promise<GroupRecord[]> {
    return (await this.#all(SELECT_GROUPS)).map(groupOf);
  }

  async deadLetterGroupCounts(): Promise<DeadLetterGroupCount[]> {
    const rows = await this.#all(
      `SELECT one.cause, one.subscription, n, number, topic, seq, id, reason
       FROM (SELECT cause, subscription, count(*) AS n, max(number) AS newest
         FROM evs.dead_letters WHERE cause IS NOT NULL GROUP BY cause, subscription) AS found
       JOIN evs.dead_letters AS one ON number = newest`,
    );
    return rows.map(groupCountOf);
  }

  async closedDeadLetterCounts(): Promise<Map<string, number>> {
    return countsOf(
      await this.#all(
        `SELECT subscription, count(*) AS n FROM evs.dead_letter_groups AS one
         JOIN evs.dead_letters ON cause = one.id
         LEFT JOIN evs.dead_letter_groups AS whole ON whole.id = one.merged
         WHERE coalesce(whole.state, one.state) <> 'open' GROUP BY subscription`,
      ),
    );
  }

  async deadLetterTrend(end: number): Promise<GroupTrendCount[]> {
    return await this.#all(
      `SELECT cause AS "group", ($1::bigint - 1 - slot) / $2::bigint AS hour,
         sum(count)::bigint AS count
       FROM evs.dead_letter_trend WHERE slot < $1::bigint AND slot >= $1::bigint - $3::bigint
       GROUP BY cause, hour`,
      [end, SLOTS_PER_HOUR, GROUP_SLOTS],
    ) as unknown as GroupTrendCount[];
  }
}

function countsOf(rows: readonly Row[]): Map<string, number> {
  return new Map(rows.map((row) => [row["subscription"] as string, row["n"] as number]));
}
