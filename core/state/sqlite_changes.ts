/** The SQL statements of each {@link StateChange}. */
import type { SQLInputValue } from "node:sqlite";
import { AUDIT_AGE, AUDIT_LEAST, AUDIT_MOST } from "./audited.ts";
import { REDACTED } from "./redactions.ts";
import type { ChangeOf, StateChange } from "./state.ts";

/** One statement with its values. */
export interface Statement {
  sql: string;
  values: SQLInputValue[];
}

const encoder = new TextEncoder();

/** The statements of one change, in order. */
export function changeStatements(change: StateChange): Statement[] {
  return (STATEMENTS[change.op] as (change: StateChange) => Statement[])(change);
}

const STATEMENTS: { [Op in StateChange["op"]]: (change: ChangeOf<Op>) => Statement[] } = {
  "topic.put": (change) => {
    const { name, options, createdAt } = change.record;
    return [{
      sql: "INSERT OR REPLACE INTO topics VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
      values: [
        name,
        options.persistent ? 1 : 0,
        options.retentionPeriod,
        options.maxEvents,
        options.maxBytes,
        options.schema,
        createdAt,
        options.store,
        options.durability,
        options.keep,
        options.drop,
        options.deadRetention,
        options.deadMax,
      ],
    }];
  },
  "topic.remove": (change) => [
    { sql: "DELETE FROM topics WHERE name = ?", values: [change.name] },
    { sql: "DELETE FROM scheduled WHERE topic = ?", values: [change.name] },
  ],
  "subscription.put": (change) => [putSubscription(change.record)],
  "subscription.remove": (change) => [
    { sql: "DELETE FROM subscriptions WHERE name = ?", values: [change.name] },
    ...["cursors", "done", "missed", "expired", "retries", "unanswered", "begun"].map((table) => ({
      sql: `DELETE FROM ${table} WHERE subscription = ?`,
      values: [change.name],
    })),
  ],
  "cursor.put": (change) => {
    const { subscription, topic, next } = change.record;
    return [
      {
        sql: "INSERT OR REPLACE INTO cursors VALUES (?,?,?)",
        values: [subscription, topic, next],
      },
      {
        sql: "DELETE FROM done WHERE subscription = ? AND topic = ? AND seq < ?",
        values: [subscription, topic, next],
      },
    ];
  },
  "cursor.remove": (change) => [ofTopic("cursors", change)],
  "done.put": (change) =>
    change.seqs.map((seq) => ({
      sql: "INSERT OR IGNORE INTO done VALUES (?,?,?)",
      values: [change.subscription, change.topic, seq],
    })),
  "done.clear": (change) => [ofTopic("done", change)],
  "missed.put": (change) => {
    const { subscription, topic, from, to, count } = change.record;
    return [{
      sql: "INSERT OR REPLACE INTO missed VALUES (?,?,?,?,?)",
      values: [subscription, topic, from, to, count],
    }];
  },
  "expired.put": ({ record: { subscription, topic, count } }) => [{
    sql: "INSERT OR REPLACE INTO expired VALUES (?,?,?)",
    values: [subscription, topic, count],
  }],
  "expiry.clock": ({ record: { skew, newest } }) => [{
    sql: "INSERT OR REPLACE INTO expiry_clock VALUES (1,?,?)",
    values: [Math.round(skew), Math.round(newest)],
  }],
  "retry.put": (change) => {
    const { record } = change;
    return [{
      sql: `INSERT OR REPLACE INTO retries
          (subscription, topic, id, seq, key, type, due_at, wait_ms, next_attempt, failures, attempts,
           line, edited_from)
          VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)`,
      values: [
        ...eventOf(record),
        Math.round(record.dueAt),
        Math.round(record.waitMs),
        record.nextAttempt,
        record.failures,
        JSON.stringify(record.attempts),
        record.line,
        record.editedFrom ?? null,
      ],
    }];
  },
  "retry.remove": (change) => [ofEvent("retries", change)],
  "retry.clear": (change) => [ofTopic("retries", change)],
  "retry.due": ({ now, subscription, topic, id }) => [{
    sql:
      "UPDATE retries SET due_at = ?, wait_ms = 0 WHERE subscription = ? AND topic = ? AND id = ?",
    values: [Math.round(now), subscription, topic, id],
  }],
  "retry.clamp": (change) => [{
    sql: "UPDATE retries SET due_at = ?1 + wait_ms WHERE due_at > ?1 + wait_ms",
    values: [change.now],
  }],
  "unanswered.put": (change) => {
    const { subscription, topic, id, seq, count } = change.record;
    return [{
      sql: "INSERT OR REPLACE INTO unanswered VALUES (?,?,?,?,?)",
      values: [subscription, topic, id, seq, count],
    }];
  },
  "unanswered.remove": (change) => [ofEvent("unanswered", change)],
  "unanswered.clear": (change) => [ofTopic("unanswered", change)],
  "begun.put": (change) => {
    const { subscription, consumer, events } = change.record;
    return [{
      sql: "INSERT OR REPLACE INTO begun VALUES (?,?,?)",
      values: [subscription, consumer, JSON.stringify(events)],
    }];
  },
  "begun.remove": (change) => [{
    sql: "DELETE FROM begun WHERE subscription = ? AND consumer = ?",
    values: [change.subscription, change.consumer],
  }],
  "begun.left": ({ record: { subscription, consumer, events }, left }) => {
    const at = "WHERE subscription = ? AND consumer = ? AND events = ?";
    const row = [subscription, consumer, JSON.stringify(events)];
    return left.length > 0
      ? [{ sql: `UPDATE begun SET events = ? ${at}`, values: [JSON.stringify(left), ...row] }]
      : [{ sql: `DELETE FROM begun ${at}`, values: row }];
  },
  "dead.put": (change) => {
    const { record } = change;
    return [{
      sql: `INSERT OR REPLACE INTO dead_letters
          (subscription, topic, id, seq, key, type, reason, died_at, attempts, line,
           edited_from, edited_as)
          VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
      values: [
        ...eventOf(record),
        record.reason,
        Math.round(record.diedAt),
        JSON.stringify(record.attempts),
        record.line,
        record.editedFrom ?? null,
        record.editedAs ?? null,
      ],
    }];
  },
  "dead.link": (change) => [{
    sql: `UPDATE dead_letters SET edited_as = ? WHERE subscription = ? AND topic = ? AND id = ?`,
    values: [change.editedAs, change.subscription, change.topic, change.id],
  }],
  "dead.remove": (change) => [ofEvent("dead_letters", change)],
  "dead.expire": ({ key: { subscription, topic, id, number } }) => [{
    sql: "DELETE FROM dead_letters WHERE number = ? AND subscription = ? AND topic = ? AND id = ?",
    values: [number, subscription, topic, id],
  }],
  "dead.removed": ({ record: { subscription, topic, expired, capped, lastAt } }) => [{
    sql: "INSERT OR REPLACE INTO removed_dead_letters VALUES (?,?,?,?,?)",
    values: [subscription, topic, expired, capped, lastAt],
  }],
  "dead.ages": ({ ages }) => [{
    sql: "INSERT OR REPLACE INTO dead_letter_ages VALUES (1, ?)",
    values: [JSON.stringify(ages)],
  }],
  "dead.retry": (change) => {
    const { subscription, topic, ids, to, dueAt } = change;
    const asked = [JSON.stringify(ids), subscription, topic];
    return [
      {
        // In SQL only, so that neither events nor attempts pass through the process. A cross join,
        // so that the ids come first: otherwise SQLite would read the whole list again for each
        // dead letter.
        sql: `INSERT OR REPLACE INTO retries
            (subscription, topic, id, seq, key, type, due_at, wait_ms, next_attempt, failures, attempts,
             line, edited_from)
            SELECT ?, topic, dead_letters.id, seq, dead_letters.key, dead_letters.type, ?, 0,
              ifnull(json_extract(attempts, '$[#-1].attempt'), 0) + 1, 0, attempts, line, edited_from
            FROM json_each(?) AS asked
            CROSS JOIN dead_letters ON dead_letters.subscription = ? AND dead_letters.topic = ?
              AND dead_letters.id = asked.value
            ORDER BY asked.key`,
        values: [to, Math.round(dueAt), ...asked],
      },
      {
        sql: `DELETE FROM dead_letters WHERE id IN (SELECT value FROM json_each(?))
            AND subscription = ? AND topic = ?`,
        values: asked,
      },
    ];
  },
  "job.put": ({ record }) => [
    {
      sql: "INSERT OR REPLACE INTO jobs VALUES (?,?)",
      values: [record.number, JSON.stringify(record)],
    },
    ...(record.state === "running" ? [] : [partsOf(record.number)]),
  ],
  "job.part": ({ job, part, entries }) => [
    ...(part === 0 ? [partsOf(job)] : []),
    {
      sql: "INSERT OR REPLACE INTO job_parts VALUES (?,?,?)",
      values: [job, part, JSON.stringify(entries)],
    },
  ],
  "job.forget": ({ numbers }) =>
    [["jobs", "number"], ["job_parts", "job"]].map(([table, column]) => ({
      sql: `DELETE FROM ${table} WHERE ${column} IN (SELECT value FROM json_each(?))`,
      values: [JSON.stringify(numbers)],
    })),
  "audit.put": ({ record }) => [
    {
      sql: "INSERT INTO audit (at, act, topic, subscription, record) VALUES (?,?,?,?,?)",
      values: [
        record.at,
        record.act,
        record.topic ?? null,
        record.subscription ?? null,
        JSON.stringify(record),
      ],
    },
    {
      sql: "DELETE FROM audit WHERE number <= (SELECT max(number) FROM audit) - ?",
      values: [AUDIT_MOST],
    },
    {
      sql: "DELETE FROM audit WHERE at < ? AND number <= (SELECT max(number) FROM audit) - ?",
      values: [record.at - AUDIT_AGE, AUDIT_LEAST],
    },
  ],
  // Those of groups depend on what is there: core/state/sqlite_groups.ts.
  "group.act": () => [],
  "group.note": () => [],
  "scheduled.put": ({ record }) => [{
    sql: "INSERT OR REPLACE INTO scheduled VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
    values: [
      record.number,
      record.topic,
      record.id,
      record.type,
      record.key ?? null,
      Math.round(record.dueAt),
      record.waitMs === undefined ? null : Math.round(record.waitMs),
      Math.round(record.acceptedAt),
      record.afterSeq,
      record.stamped ? 1 : 0,
      record.line,
      record.redacted ? 1 : 0,
    ],
  }],
  "scheduled.remove": ({ numbers }) => [{
    sql: "DELETE FROM scheduled WHERE number IN (SELECT value FROM json_each(?))",
    values: [JSON.stringify(numbers)],
  }],
  "scheduled.shift": ({ byMs }) => [{
    sql: "UPDATE scheduled SET due_at = due_at + ? WHERE wait_ms IS NOT NULL",
    values: [Math.round(byMs)],
  }],
  "scheduled.clamp": ({ now }) => [{
    sql: "UPDATE scheduled SET due_at = ?1 + wait_ms WHERE due_at > ?1 + wait_ms",
    values: [Math.round(now)],
  }],
  "schema.put": (change) => {
    const { type, version, schema, registeredAt } = change.record;
    return [{
      sql: "INSERT OR REPLACE INTO schemas VALUES (?,?,?,?)",
      values: [type, version, encoder.encode(schema), registeredAt],
    }];
  },
  "schema.remove": (change) => [{
    sql: "DELETE FROM schemas WHERE type = ? AND version = ?",
    values: [change.type, change.version],
  }],
  "schema.level": (change) => {
    const { type, level } = change.record;
    return level === "none"
      ? [{ sql: "DELETE FROM schema_levels WHERE type = ?", values: [type] }]
      : [{ sql: "INSERT OR REPLACE INTO schema_levels VALUES (?,?)", values: [type, level] }];
  },
  "end.put": ({ record: { topic, lastSeq } }) => [
    { sql: "INSERT OR REPLACE INTO topic_ends VALUES (?,?)", values: [topic, lastSeq] },
  ],
  "import.put": ({ record: { batch, part, at, reply }, before }) => [
    { sql: "DELETE FROM imports WHERE at < ?", values: [before] },
    { sql: "INSERT OR REPLACE INTO imports VALUES (?,?,?,?)", values: [batch, part, at, reply] },
  ],
  "scheduled.redact": ({ number, key = null, line }) => [{
    sql: "UPDATE scheduled SET key = ?, line = ?, redacted = 1 WHERE number = ?",
    values: [key, line, number],
  }],
  "redaction.put": ({ record: { topic, seq, id, at, by = null, reason = null, done } }) => [
    {
      sql: "INSERT OR REPLACE INTO redactions VALUES (?,?,?,?,?,?,?)",
      values: [topic, seq, id, at, by, reason, done ? 1 : 0],
    },
  ],
  "event.redact": ({ topic, seq, id, key = null, line }) => [
    {
      sql: `UPDATE dead_letters SET key = ?, line = ?, reason = '${REDACTED}',
          attempts = without_texts(attempts) WHERE topic = ? AND seq = ? AND id = ?`,
      values: [key, line, topic, seq, id],
    },
    {
      sql: "DELETE FROM retries WHERE topic = ? AND seq = ? AND id = ?",
      values: [topic, seq, id],
    },
  ],
  "generation.next": () => [{
    sql: "INSERT INTO generation VALUES (1, 1) ON CONFLICT DO UPDATE SET value = value + 1",
    values: [],
  }],
};

/**
 * The statements that remove a subscription in small steps: first one that marks the removal as
 * under way, then one for each table that deletes some rows; their number is the last value.
 */
export function removalSteps(name: string): Statement[] {
  const reason = `its removal was interrupted: evs subscription remove ${name}`;
  const some = (table: string, key: string) => ({
    sql: `DELETE FROM ${table} WHERE subscription = ?1 AND (${key}) IN
      (SELECT ${key} FROM ${table} WHERE subscription = ?1 LIMIT ?2)`,
    values: [name],
  });
  return [
    {
      sql: "UPDATE subscriptions SET paused = 1, paused_by = 'person', pause_reason = ?2 " +
        "WHERE name = ?1",
      values: [name, reason],
    },
    some("retries", "rowid"),
    some("done", "topic, seq"),
    some("unanswered", "topic, id"),
  ];
}

function putSubscription(
  record: ChangeOf<"subscription.put">["record"],
): Statement {
  const { settings } = record;
  return {
    sql: "INSERT OR REPLACE INTO subscriptions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    values: [
      record.name,
      record.topic,
      record.from,
      settings.maxRetries,
      JSON.stringify(settings.backoff),
      JSON.stringify(settings.eventTypes),
      settings.where ?? null,
      record.paused ? 1 : 0,
      record.pauseReason ?? null,
      record.createdAt,
      settings.breaker === null ? null : JSON.stringify(settings.breaker),
      record.pausedBy ?? null,
      record.pausedUntil ?? null,
      settings.maxDeliveries,
    ],
  };
}

function eventOf(
  record: {
    subscription: string;
    topic: string;
    id: string;
    seq: number;
    key?: string;
    type: string;
  },
): SQLInputValue[] {
  const { subscription, topic, id, seq, key, type } = record;
  return [subscription, topic, id, seq, key ?? null, type];
}

function partsOf(job: number): Statement {
  return { sql: "DELETE FROM job_parts WHERE job = ?", values: [job] };
}

function ofTopic(table: string, of: { subscription: string; topic: string }): Statement {
  return {
    sql: `DELETE FROM ${table} WHERE subscription = ? AND topic = ?`,
    values: [of.subscription, of.topic],
  };
}

function ofEvent(
  table: string,
  of: { subscription: string; topic: string; id: string },
): Statement {
  return {
    sql: `DELETE FROM ${table} WHERE subscription = ? AND topic = ? AND id = ?`,
    values: [of.subscription, of.topic, of.id],
  };
}
