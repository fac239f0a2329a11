/**
 * The tables of the state in PostgreSQL as the statements need them: which columns identify a row,
 * and of which type each column is. core/state/postgres/migrations.ts makes them.
 */

/** The types of our columns. A `time` is Unix ms; our clocks have fractions of them. */
export type ColumnType = "text" | "bigint" | "boolean" | "bytea" | "time";

/** The PostgreSQL type of each. */
export const SQL_TYPES: Record<ColumnType, string> = {
  text: "text",
  bigint: "bigint",
  boolean: "boolean",
  bytea: "bytea",
  time: "double precision",
};

/** One table. */
export interface Table {
  name: string;
  /** The columns that identify a row. */
  key: readonly string[];
  /** All columns that a change writes. */
  columns: Readonly<Record<string, ColumnType>>;
  /** The sequence that gives a row another place in the order each time it is put. */
  order?: string;
}

const OF_TOPIC = { subscription: "text", topic: "text" } as const;
const OF_EVENT = { ...OF_TOPIC, id: "text" } as const;
const EVENT = { ...OF_EVENT, seq: "bigint", key: "text", type: "text" } as const;
const topicKey = Object.keys(OF_TOPIC);
const eventKey = Object.keys(OF_EVENT);

/** Topics with their options; where they end is the event store's. */
export const TOPICS: Table = {
  name: "topic_options",
  key: ["name"],
  columns: {
    name: "text",
    persistent: "boolean",
    retention_period: "time",
    max_events: "bigint",
    max_bytes: "bigint",
    schema_mode: "text",
    created_at: "time",
    store: "text",
    durability: "text",
    keeps: "text",
    drops: "text",
    dead_retention: "time",
    dead_max: "bigint",
    rev: "bigint",
  },
};

export const SUBSCRIPTIONS: Table = {
  name: "subscriptions",
  key: ["name"],
  columns: {
    name: "text",
    topic: "text",
    begins: "text",
    max_retries: "bigint",
    backoff: "text",
    event_types: "text",
    filter: "text",
    paused: "boolean",
    pause_reason: "text",
    created_at: "time",
    breaker: "text",
    paused_by: "text",
    paused_until: "time",
    max_deliveries: "bigint",
    parts: "bigint",
    rev: "bigint",
  },
};

export const CURSORS: Table = {
  name: "cursors",
  // Which turn it is, nobody but evs.put_cursors says.
  key: [...topicKey, "part", "turn"],
  columns: { ...OF_TOPIC, part: "bigint", next: "bigint" },
};

export const DONE: Table = {
  name: "done",
  key: [...topicKey, "part", "seq"],
  columns: { ...OF_TOPIC, part: "bigint", seq: "bigint" },
};

export const MISSED: Table = {
  name: "missed",
  key: [...topicKey, "part"],
  columns: { ...OF_TOPIC, part: "bigint", first: "bigint", last: "bigint", count: "bigint" },
};

export const EXPIRED: Table = {
  name: "expired",
  key: [...topicKey, "part"],
  columns: { ...OF_TOPIC, part: "bigint", count: "bigint" },
};

export const EXPIRY_CLOCK: Table = {
  name: "expiry_clock",
  key: ["single"],
  columns: { single: "bigint", skew: "time", newest: "time" },
};

export const RETRIES: Table = {
  name: "retries",
  key: eventKey,
  columns: {
    ...EVENT,
    part: "bigint",
    due_at: "time",
    wait_ms: "time",
    next_attempt: "bigint",
    failures: "bigint",
    attempts: "text",
    line: "bytea",
    edited_from: "text",
  },
  order: "evs.retries_number",
};

export const UNANSWERED: Table = {
  name: "unanswered",
  key: eventKey,
  columns: { ...OF_EVENT, part: "bigint", seq: "bigint", count: "bigint" },
};

export const BEGUN: Table = {
  name: "begun",
  key: ["subscription", "consumer"],
  columns: { subscription: "text", consumer: "text", events: "text" },
};

export const DEAD_LETTERS: Table = {
  name: "dead_letters",
  key: eventKey,
  columns: {
    number: "bigint",
    ...EVENT,
    reason: "text",
    reason_folded: "text",
    died_at: "time",
    attempts: "text",
    last_attempt: "bigint",
    line: "bytea",
    edited_from: "text",
    edited_as: "text",
    cause: "text",
  },
};

/** The same rows, each named by its number, too: one that came later for the same event is another. */
export const NUMBERED_DEAD_LETTERS: Table = {
  ...DEAD_LETTERS,
  key: [...eventKey, "number"],
};

export const REMOVED_DEAD_LETTERS: Table = {
  name: "removed_dead_letters",
  key: topicKey,
  columns: { ...OF_TOPIC, expired: "bigint", capped: "bigint", last_at: "time" },
};

export const DEAD_LETTER_AGES: Table = {
  name: "dead_letter_ages",
  key: ["single"],
  columns: { single: "bigint", ages: "text" },
};

export const GROUPS: Table = {
  name: "dead_letter_groups",
  key: ["id"],
  columns: {
    id: "text",
    reason: "text",
    wide: "text",
    whole: "boolean",
    merged: "text",
    first_at: "time",
    last_at: "time",
    total: "bigint",
    state: "text",
    more: "bigint",
    act: "text",
    notes: "text",
    samples: "text",
  },
};

export const TREND: Table = {
  name: "dead_letter_trend",
  key: ["cause", "slot"],
  columns: { cause: "text", slot: "bigint", count: "bigint" },
};

export const JOBS: Table = {
  name: "jobs",
  key: ["number"],
  columns: { number: "bigint", record: "text" },
};

export const JOB_PARTS: Table = {
  name: "job_parts",
  key: ["job", "part"],
  columns: { job: "bigint", part: "bigint", entries: "text" },
};

export const AUDIT: Table = {
  name: "audit",
  key: ["number"],
  columns: {
    number: "bigint",
    at: "time",
    act: "text",
    topic: "text",
    subscription: "text",
    record: "text",
  },
};

export const SCHEDULED: Table = {
  name: "scheduled",
  key: ["number"],
  columns: {
    number: "bigint",
    topic: "text",
    id: "text",
    type: "text",
    key: "text",
    due_at: "time",
    wait_ms: "time",
    accepted_at: "time",
    after_seq: "bigint",
    stamped: "boolean",
    line: "bytea",
    redacted: "boolean",
  },
};

export const SCHEMAS: Table = {
  name: "schemas",
  key: ["type", "version"],
  columns: { type: "text", version: "text", schema: "text", registered_at: "time" },
  order: "evs.schemas_number",
};

export const SCHEMA_LEVELS: Table = {
  name: "schema_levels",
  key: ["type"],
  columns: { type: "text", level: "text" },
};

export const TOPIC_ENDS: Table = {
  name: "topic_ends",
  key: ["topic"],
  columns: { topic: "text", last_seq: "bigint" },
};

export const IMPORTS: Table = {
  name: "imports",
  key: ["batch", "part"],
  columns: { batch: "text", part: "text", at: "time", reply: "text" },
};

export const REDACTIONS: Table = {
  name: "redactions",
  key: ["topic", "seq", "id"],
  columns: {
    topic: "text",
    seq: "bigint",
    id: "text",
    at: "time",
    by: "text",
    reason: "text",
    done: "boolean",
  },
};

export const GENERATION: Table = {
  name: "generation",
  key: ["single"],
  columns: { single: "bigint", value: "bigint" },
};
