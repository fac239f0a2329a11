/** Converts rows of the state database to records, and selects those of dead letters. */
import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import { defined } from "../base/defined.ts";
import type { DeadLetterGroupState, LastGroupAct } from "../event/dead_letter_group.ts";
import { partField } from "../event/part.ts";
import type { DeadLetterGroupCount, GroupMember, GroupRecord } from "./group_rules.ts";
import type {
  BegunRecord,
  BoundDeadLetterFilter,
  CursorRecord,
  DeadLetterAges,
  DeadLetterRecord,
  PausedBy,
  RedactionRecord,
  RetryRecord,
  ScheduledRecord,
  SchemaRecord,
  StateSnapshot,
  SubscriptionRecord,
  TopicRecord,
  UnansweredRecord,
} from "./state.ts";
import { partsOfRow } from "./part_rows.ts";
import type { ExpiredOfParts, MissedOfParts } from "./records.ts";
import type { SchemaMode, TopicOptions } from "../event/topic_options.ts";

/** A row as SQLite returns it. */
export type Row = Record<string, SQLOutputValue>;

const decoder = new TextDecoder();

/**
 * All topics. Of ten thousand, most have the same options, so options come as one string, and
 * adjacent topics with the same string share the parsed object: half the time of one column per
 * option.
 */
export const SELECT_TOPICS = `
  SELECT name, created_at, json_array(persistent, retention_period, max_events, max_bytes, schema_mode, store,
    durability, keeps, drops, dead_retention, dead_max) AS options FROM topics ORDER BY name`;

/** Converts rows of {@link SELECT_TOPICS}. */
export function topicsOf(rows: readonly Row[]): TopicRecord[] {
  let text: unknown;
  let options: TopicOptions;
  return rows.map((row) => {
    if (row["options"] !== text) {
      text = row["options"];
      options = optionsOf(JSON.parse(text as string));
    }
    const record = { name: row["name"] as string, options, createdAt: row["created_at"] as number };
    return row["rev"] ? { ...record, ...revOf(row) } : record;
  });
}

/** What only a state that several processes share has a column for. */
function revOf({ rev }: Row): { rev?: number } {
  return rev ? { rev: rev as number } : {};
}

function optionsOf(
  [
    persistent,
    retentionPeriod,
    maxEvents,
    maxBytes,
    schema,
    store,
    durability,
    keep,
    drop,
    deadRetention,
    deadMax,
  ]: [
    number,
    number,
    number,
    number,
    SchemaMode,
    TopicOptions["store"],
    TopicOptions["durability"],
    TopicOptions["keep"],
    TopicOptions["drop"],
    number,
    number,
  ],
): TopicOptions {
  return {
    persistent: persistent === 1,
    retentionPeriod,
    maxEvents,
    maxBytes,
    keep,
    drop,
    deadRetention,
    deadMax,
    schema,
    store,
    durability,
  };
}

/** A row of `subscriptions`. */
export function subscriptionOf(row: Row): SubscriptionRecord {
  return {
    name: row["name"] as string,
    topic: row["topic"] as string,
    from: row["begins"] as string,
    settings: {
      maxRetries: row["max_retries"] as number,
      backoff: JSON.parse(row["backoff"] as string),
      eventTypes: JSON.parse(row["event_types"] as string),
      maxDeliveries: row["max_deliveries"] as number,
      ...(row["filter"] === null ? {} : { where: row["filter"] as string }),
      breaker: row["breaker"] === null ? null : JSON.parse(row["breaker"] as string),
    },
    paused: row["paused"] === 1,
    ...(row["pause_reason"] === null ? {} : { pauseReason: row["pause_reason"] as string }),
    ...(row["paused_by"] === null ? {} : { pausedBy: row["paused_by"] as PausedBy }),
    ...(row["paused_until"] === null ? {} : { pausedUntil: row["paused_until"] as number }),
    createdAt: row["created_at"] as number,
    ...((row["parts"] ?? 1) === 1 ? {} : { parts: row["parts"] as number }),
    ...revOf(row),
  };
}

/** A row of `begun`. */
export function begunOf(row: Row): BegunRecord {
  return {
    subscription: row["subscription"] as string,
    consumer: row["consumer"] as string,
    events: JSON.parse(row["events"] as string),
  };
}

/** A row of `cursors`. */
export function cursorOf(row: Row): CursorRecord {
  return {
    subscription: row["subscription"] as string,
    topic: row["topic"] as string,
    next: row["next"] as number,
    ...partsOfRow(rowNumber(row)),
  };
}

/** The part of a row, where there are several: a state of one process has no column for it. */
function rowNumber(row: Row): number {
  return row["part"] as number | undefined ?? 0;
}

/** A row of `done`. */
export function markOf(row: Row): StateSnapshot["done"][number] {
  return {
    subscription: row["subscription"] as string,
    topic: row["topic"] as string,
    seq: row["seq"] as number,
    ...partField(rowNumber(row)),
  };
}

/** A row of `unanswered`. */
export function unansweredRecordOf(row: Row): UnansweredRecord {
  return {
    subscription: row["subscription"] as string,
    topic: row["topic"] as string,
    id: row["id"] as string,
    seq: row["seq"] as number,
    count: row["count"] as number,
    ...partField(rowNumber(row)),
  };
}

/** A row of `expired`. */
export function expiredRecordOf(row: Row): ExpiredOfParts {
  return {
    subscription: row["subscription"] as string,
    topic: row["topic"] as string,
    count: row["count"] as number,
    ...partsOfRow(rowNumber(row)),
  };
}

/** A row of `missed`. */
export function missedRecordOf(row: Row): MissedOfParts {
  return {
    subscription: row["subscription"] as string,
    topic: row["topic"] as string,
    from: row["first"] as number,
    to: row["last"] as number,
    count: row["count"] as number,
    ...partsOfRow(rowNumber(row)),
  };
}

/** The row of `expiry_clock`, if there is one. */
export function expiryClockOf(row: Row | undefined): Pick<StateSnapshot, "expiryClock"> {
  if (!row) return {};
  return { expiryClock: { skew: row["skew"] as number, newest: row["newest"] as number } };
}

/** A row of `retries`, without its line and attempts. */
export function waitingOf(row: Row): Omit<RetryRecord, "line" | "attempts"> {
  return {
    ...eventOf(row),
    dueAt: row["due_at"] as number,
    waitMs: row["wait_ms"] as number,
    nextAttempt: row["next_attempt"] as number,
    failures: row["failures"] as number,
    ...partField(rowNumber(row)),
  };
}

/** A row of `scheduled`, without its line. */
export function scheduledOf(row: Row): Omit<ScheduledRecord, "line"> {
  return {
    number: row["number"] as number,
    topic: row["topic"] as string,
    id: row["id"] as string,
    type: row["type"] as string,
    ...(row["key"] === null ? {} : { key: row["key"] as string }),
    dueAt: row["due_at"] as number,
    ...(row["wait_ms"] === null ? {} : { waitMs: row["wait_ms"] as number }),
    acceptedAt: row["accepted_at"] as number,
    afterSeq: row["after_seq"] as number,
    stamped: row["stamped"] === 1,
    ...(row["redacted"] === 1 ? { redacted: true } : {}),
  };
}

/** Rows for {@link deadLetterOf}; a condition may follow. */
export const SELECT_DEAD_LETTERS = `
  SELECT dead_letters.*, (SELECT ifnull(merged, dead_letter_groups.id) FROM dead_letter_causes
    JOIN dead_letter_groups ON dead_letter_groups.id = cause
    WHERE dead_letter_causes.number = dead_letters.number) AS cause FROM dead_letters`;

/** A row of {@link SELECT_DEAD_LETTERS}. */
export function deadLetterOf(row: Row): DeadLetterRecord {
  return {
    ...eventOf(row),
    ...linkOf(row),
    ...(row["edited_as"] === null ? {} : { editedAs: row["edited_as"] as string }),
    reason: row["reason"] as string,
    diedAt: row["died_at"] as number,
    attempts: JSON.parse(row["attempts"] as string),
    line: row["line"] as Uint8Array,
    ...(row["cause"] === null ? {} : { group: row["cause"] as string }),
  };
}

/** The dead letters of a group, and of those that became a part of it. */
const IN_GROUP = `number IN (SELECT number FROM dead_letter_causes WHERE cause IN
  (SELECT id FROM dead_letter_groups WHERE ifnull(merged, id) = ?))`;

/** A filter as SQL. Ids use the index first; then `SUBSCRIPTION:ID` is compared in full. */
export function conditionOf(
  filter: BoundDeadLetterFilter,
): { where: string; values: SQLInputValue[] } {
  const conditions = ["1"];
  const values: SQLInputValue[] = [];
  const add = (condition: string, value: SQLInputValue | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    values.push(value);
  };
  if (filter.ids) {
    const candidates = filter.ids.flatMap((id) => [id, id.slice(id.indexOf(":") + 1)]);
    const asked = JSON.stringify(filter.ids);
    add("id IN (SELECT value FROM json_each(?))", JSON.stringify(candidates));
    conditions.push(
      `(id IN (SELECT value FROM json_each(?))
        OR subscription || ':' || id IN (SELECT value FROM json_each(?)))`,
    );
    values.push(asked, asked);
  }
  add("subscription = ?", filter.subscription);
  add("topic = ?", filter.topic);
  add("type = ?", filter.type);
  add("key = ?", filter.key);
  add("number <= ?", filter.upTo);
  add("died_at >= ?", filter.since);
  add("died_at < ?", filter.before);
  add("holds(reason, ?)", filter.reason);
  add(IN_GROUP, filter.group);
  return { where: conditions.join(" AND "), values };
}

/** The dead letter that a row was edited from, if any. */
export function linkOf(row: Row): { editedFrom?: string } {
  return row["edited_from"] === null ? {} : { editedFrom: row["edited_from"] as string };
}

function eventOf(row: Row) {
  return {
    subscription: row["subscription"] as string,
    topic: row["topic"] as string,
    id: row["id"] as string,
    seq: row["seq"] as number,
    ...(row["key"] === null ? {} : { key: row["key"] as string }),
    type: row["type"] as string,
  };
}

/** The row of `dead_letter_ages`, if there is one. */
export function agesOf(row: Row | undefined): DeadLetterAges {
  return row ? JSON.parse(row["ages"] as string) : { skew: 0, marks: [] };
}

/** A row of `redactions`. */
export function redactionRecordOf(row: Row): RedactionRecord {
  return {
    topic: row["topic"] as string,
    seq: row["seq"] as number,
    id: row["id"] as string,
    at: row["at"] as number,
    ...(row["by"] === null ? {} : { by: row["by"] as string }),
    ...(row["reason"] === null ? {} : { reason: row["reason"] as string }),
    done: row["done"] === 1,
  };
}

/** A row of `schemas`. */
export function schemaOf(row: Row): SchemaRecord {
  return {
    type: row["type"] as string,
    version: row["version"] as string,
    schema: decoder.decode(row["schema"] as Uint8Array),
    registeredAt: row["registered_at"] as number,
  };
}

/** A row of `dead_letter_groups`. */
export function groupOf(row: Row): GroupRecord {
  const text = (column: string) => row[column] as string | null ?? undefined;
  return {
    id: row["id"] as string,
    reason: row["reason"] as string,
    wide: row["wide"] as string,
    whole: row["whole"] === 1,
    firstAt: row["first_at"] as number,
    lastAt: row["last_at"] as number,
    total: row["total"] as number,
    state: row["state"] as DeadLetterGroupState,
    ...defined({
      merged: text("merged"),
      more: row["more"] as number | null ?? undefined,
      act: row["act"] === null ? undefined : JSON.parse(row["act"] as string) as LastGroupAct,
    }),
    notes: JSON.parse(row["notes"] as string),
    samples: JSON.parse(row["samples"] as string),
  };
}

/** What groups need of a dead letter. */
export function groupMemberOf(row: Row): GroupMember {
  return {
    number: row["number"] as number,
    subscription: row["subscription"] as string,
    topic: row["topic"] as string,
    seq: row["seq"] as number,
    id: row["id"] as string,
    reason: row["reason"] as string,
    diedAt: row["died_at"] as number,
  };
}

/** The dead letters of one group and subscription: how many, and the newest. */
export function groupCountOf(row: Row): DeadLetterGroupCount {
  return {
    group: row["cause"] as string,
    subscription: row["subscription"] as string,
    count: row["n"] as number,
    newest: {
      number: row["number"] as number,
      topic: row["topic"] as string,
      seq: row["seq"] as number,
      id: row["id"] as string,
      reason: row["reason"] as string,
    },
  };
}
