/** Rows of the state database as records. */
import type { SQLOutputValue } from "node:sqlite";
import type {
  CursorRecord,
  DeadLetterRecord,
  MissedRecord,
  RetryRecord,
  SchemaRecord,
  SubscriptionRecord,
  TopicRecord,
} from "./state.ts";
import type { SchemaMode, TopicOptions } from "../topic.ts";

/** A row as SQLite gives it. */
export type Row = Record<string, SQLOutputValue>;

const decoder = new TextDecoder();

/** The columns of `topics` that are options. */
const OPTIONS = [
  "persistent",
  "retention_period",
  "max_events",
  "max_bytes",
  "schema_mode",
  "store",
  "durability",
];

/** Rows of `topics`. Most of ten thousand topics have the same options: neighbours that do share them. */
export function topicsOf(rows: readonly Row[]): TopicRecord[] {
  let before: Row | undefined;
  let options: TopicOptions | undefined;
  return rows.map((row) => {
    if (!options || !OPTIONS.every((column) => row[column] === before![column])) {
      options = optionsOf(row);
      before = row;
    }
    return { name: row["name"] as string, options, createdAt: row["created_at"] as number };
  });
}

function optionsOf(row: Row): TopicOptions {
  return {
    persistent: row["persistent"] === 1,
    retentionPeriod: row["retention_period"] as number,
    maxEvents: row["max_events"] as number,
    maxBytes: row["max_bytes"] as number,
    schema: row["schema_mode"] as SchemaMode,
    store: row["store"] as TopicOptions["store"],
    durability: row["durability"] as TopicOptions["durability"],
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
      ...(row["filter"] === null ? {} : { where: row["filter"] as string }),
      breaker: row["breaker"] === null ? null : JSON.parse(row["breaker"] as string),
    },
    paused: row["paused"] === 1,
    ...(row["pause_reason"] === null ? {} : { pauseReason: row["pause_reason"] as string }),
    createdAt: row["created_at"] as number,
  };
}

/** A row of `cursors`. */
export function cursorOf(row: Row): CursorRecord {
  return {
    subscription: row["subscription"] as string,
    topic: row["topic"] as string,
    next: row["next"] as number,
  };
}

/** A row of `missed`. */
export function missedOf(row: Row): MissedRecord {
  return {
    subscription: row["subscription"] as string,
    topic: row["topic"] as string,
    from: row["first"] as number,
    to: row["last"] as number,
    count: row["count"] as number,
  };
}

/** A row of `retries`, without its line and attempts. */
export function waitingOf(row: Row): Omit<RetryRecord, "line" | "attempts"> {
  return {
    ...eventOf(row),
    dueAt: row["due_at"] as number,
    nextAttempt: row["next_attempt"] as number,
    failures: row["failures"] as number,
  };
}

/** A row of `dead_letters`. */
export function deadLetterOf(row: Row): DeadLetterRecord {
  return {
    ...eventOf(row),
    ...linkOf(row),
    ...(row["edited_as"] === null ? {} : { editedAs: row["edited_as"] as string }),
    reason: row["reason"] as string,
    diedAt: row["died_at"] as number,
    attempts: JSON.parse(row["attempts"] as string),
    line: row["line"] as Uint8Array,
  };
}

/** What a row was mended from, if it was. */
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

/** A row of `schemas`. */
export function schemaOf(row: Row): SchemaRecord {
  return {
    type: row["type"] as string,
    version: row["version"] as string,
    schema: decoder.decode(row["schema"] as Uint8Array),
    registeredAt: row["registered_at"] as number,
  };
}
