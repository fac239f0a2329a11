/** Each {@link StateChange} as the SQL that does it. */
import type { SQLInputValue } from "node:sqlite";
import type { StateChange } from "./state.ts";

/** One statement with its values. */
export interface Statement {
  sql: string;
  values: SQLInputValue[];
}

const encoder = new TextEncoder();

/** The statements of one change, in order. */
export function changeStatements(change: StateChange): Statement[] {
  switch (change.op) {
    case "topic.put": {
      const { name, options, createdAt } = change.record;
      return [{
        sql: "INSERT OR REPLACE INTO topics VALUES (?,?,?,?,?,?,?,?,?)",
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
        ],
      }];
    }
    case "topic.remove":
      return [{ sql: "DELETE FROM topics WHERE name = ?", values: [change.name] }];
    case "subscription.put":
      return [putSubscription(change.record)];
    case "subscription.remove":
      return [
        { sql: "DELETE FROM subscriptions WHERE name = ?", values: [change.name] },
        ...["cursors", "done", "missed", "retries", "unanswered", "begun"].map((table) => ({
          sql: `DELETE FROM ${table} WHERE subscription = ?`,
          values: [change.name],
        })),
      ];
    case "cursor.put": {
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
    }
    case "cursor.remove":
      return [ofTopic("cursors", change)];
    case "done.put":
      return change.seqs.map((seq) => ({
        sql: "INSERT OR IGNORE INTO done VALUES (?,?,?)",
        values: [change.subscription, change.topic, seq],
      }));
    case "done.clear":
      return [ofTopic("done", change)];
    case "missed.put": {
      const { subscription, topic, from, to, count } = change.record;
      return [{
        sql: "INSERT OR REPLACE INTO missed VALUES (?,?,?,?,?)",
        values: [subscription, topic, from, to, count],
      }];
    }
    case "retry.put": {
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
    }
    case "retry.remove":
      return [ofEvent("retries", change)];
    case "retry.clear":
      return [ofTopic("retries", change)];
    case "retry.clamp":
      return [{
        sql: "UPDATE retries SET due_at = ?1 + wait_ms WHERE due_at > ?1 + wait_ms",
        values: [change.now],
      }];
    case "unanswered.put": {
      const { subscription, topic, id, seq, count } = change.record;
      return [{
        sql: "INSERT OR REPLACE INTO unanswered VALUES (?,?,?,?,?)",
        values: [subscription, topic, id, seq, count],
      }];
    }
    case "unanswered.remove":
      return [ofEvent("unanswered", change)];
    case "unanswered.clear":
      return [ofTopic("unanswered", change)];
    case "begun.put": {
      const { subscription, consumer, events } = change.record;
      return [{
        sql: "INSERT OR REPLACE INTO begun VALUES (?,?,?)",
        values: [subscription, consumer, JSON.stringify(events)],
      }];
    }
    case "begun.remove":
      return [{
        sql: "DELETE FROM begun WHERE subscription = ? AND consumer = ?",
        values: [change.subscription, change.consumer],
      }];
    case "dead.put": {
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
    }
    case "dead.link":
      return [{
        sql:
          `UPDATE dead_letters SET edited_as = ? WHERE subscription = ? AND topic = ? AND id = ?`,
        values: [change.editedAs, change.subscription, change.topic, change.id],
      }];
    case "dead.remove":
      return [ofEvent("dead_letters", change)];
    case "dead.retry": {
      const { subscription, topic, ids, to, dueAt } = change;
      const asked = [JSON.stringify(ids), subscription, topic];
      return [
        {
          // By SQL alone: neither events nor attempts pass through a process on their way. A cross join: the ids come
          // first; the other way round SQLite reads the whole list again for each dead letter.
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
    }
    case "schema.put": {
      const { type, version, schema, registeredAt } = change.record;
      return [{
        sql: "INSERT OR REPLACE INTO schemas VALUES (?,?,?,?)",
        values: [type, version, encoder.encode(schema), registeredAt],
      }];
    }
    case "schema.remove":
      return [{
        sql: "DELETE FROM schemas WHERE type = ? AND version = ?",
        values: [change.type, change.version],
      }];
    case "schema.level": {
      const { type, level } = change.record;
      return level === "none"
        ? [{ sql: "DELETE FROM schema_levels WHERE type = ?", values: [type] }]
        : [{ sql: "INSERT OR REPLACE INTO schema_levels VALUES (?,?)", values: [type, level] }];
    }
  }
}

function putSubscription(
  record: Extract<StateChange, { op: "subscription.put" }>["record"],
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
