/** What each {@link StateChange} does to the tables, one entry an op. */
import type { PartMask } from "../../event/part.ts";
import type { ChangeOf, DeadLetterRecord, RetryRecord, StateChange } from "../state.ts";
import { countRows, EVERY, positionRows } from "../part_rows.ts";
import { Batches, type BoundStatement, type Columns } from "./batches.ts";
import { next } from "./row_batch.ts";
import type { DeadLetterPlan } from "./dead_letter_plan.ts";
import * as table from "./tables.ts";
import { listText, listType } from "./values.ts";

/** Where the changes go. */
interface Target {
  batches: Batches;
  /** Only where {@link needsPlan}. */
  plan: DeadLetterPlan | undefined;
}

/** The statements of a transaction's changes, in order. */
export function batchedStatements(
  changes: readonly StateChange[],
  { batches = new Batches(), plan }: { batches?: Batches; plan?: DeadLetterPlan } = {},
): BoundStatement[] {
  const target = { batches, plan };
  for (const change of changes) {
    (ACTS[change.op] as (change: StateChange, target: Target) => void)(change, target);
  }
  plan?.end();
  return batches.statements();
}

/** True if what becomes of a change depends on dead letters and groups that are there. */
export function needsPlan(changes: readonly StateChange[]): boolean {
  return changes.some(({ op }) =>
    op === "dead.put" || op === "group.act" || op === "group.note" || op === "event.redact"
  );
}

const ACTS: { [Op in StateChange["op"]]: (change: ChangeOf<Op>, to: Target) => void } = {
  "topic.put": ({ record: { name, options, createdAt, rev = 0 } }, { batches }) =>
    batches.put(table.TOPICS, {
      name,
      persistent: options.persistent,
      retention_period: options.retentionPeriod,
      max_events: options.maxEvents,
      max_bytes: options.maxBytes,
      schema_mode: options.schema,
      created_at: createdAt,
      store: options.store,
      durability: options.durability,
      keeps: options.keep,
      drops: options.drop,
      dead_retention: options.deadRetention,
      dead_max: options.deadMax,
      rev,
    }),
  "topic.remove": ({ name, events }, { batches }) => {
    batches.remove(table.TOPICS, { name });
    if (events) batches.run([table.TOPICS], REMOVE_EVENTS, [name, Number.MAX_SAFE_INTEGER]);
    batches.run([table.SCHEDULED], "DELETE FROM evs.scheduled WHERE topic = $1", [name]);
  },
  "subscription.put": ({ record }, { batches }) => batches.put(table.SUBSCRIPTIONS, rowOf(record)),
  "subscription.remove": ({ name }, { batches }) => {
    batches.remove(table.SUBSCRIPTIONS, { name });
    for (const of of OF_SUBSCRIPTION) {
      batches.run([of], `DELETE FROM evs.${of.name} WHERE subscription = $1`, [name]);
    }
    // Its claims stay: another of this name goes on with their epochs.
    batches.run([], "DELETE FROM evs.members WHERE subscription = $1", [name]);
  },
  "cursor.put": ({ record: { subscription, topic, next, parts } }, { batches }) => {
    for (const part of positionRows(parts)) {
      batches.moveCursor({ subscription, topic, part }, next);
      batches.unmark({ subscription, topic, part }, next);
    }
  },
  "cursor.remove": ({ subscription, topic }, { batches }) =>
    batches.removeCursors({ subscription, topic }),
  "done.put": ({ subscription, topic, part = 0, seqs }, { batches }) =>
    batches.mark({ subscription, topic, part }, seqs),
  "done.clear": ({ subscription, topic, part = EVERY }, { batches }) =>
    batches.unmark({ subscription, topic, part }),
  "missed.put": ({ record: { from, to, ...record } }, { batches }) =>
    putCount(table.MISSED, { ...record, first: from, last: to }, batches),
  "expired.put": ({ record }, { batches }) => putCount(table.EXPIRED, { ...record }, batches),
  "expiry.clock": ({ record: { skew, newest } }, { batches }) =>
    batches.put(table.EXPIRY_CLOCK, {
      single: 1,
      skew: Math.round(skew),
      newest: Math.round(newest),
    }),
  "retry.put": ({ record }, { batches }) => batches.put(table.RETRIES, retryRow(record)),
  "retry.remove": (change, { batches }) => batches.remove(table.RETRIES, eventKey(change)),
  "retry.clear": (change, { batches }) => clear(table.RETRIES, change, batches),
  "retry.due": (change, { batches }) =>
    batches.change(table.RETRIES, eventKey(change), { due_at: Math.round(change.now), wait_ms: 0 }),
  "retry.clamp": ({ now }, { batches }) =>
    batches.run(
      [table.RETRIES],
      `UPDATE evs.retries SET due_at = $1::text::double precision + wait_ms
       WHERE due_at > $1::text::double precision + wait_ms`,
      [String(now)],
    ),
  "unanswered.put": ({ record: { seq, count, part = 0, ...of } }, { batches }) =>
    batches.put(table.UNANSWERED, { ...eventKey(of), part, seq, count }),
  "unanswered.remove": (change, { batches }) => batches.remove(table.UNANSWERED, eventKey(change)),
  "unanswered.clear": (change, { batches }) => clear(table.UNANSWERED, change, batches),
  "begun.put": ({ record: { subscription, consumer, events } }, { batches }) =>
    batches.put(table.BEGUN, { subscription, consumer, events: JSON.stringify(events) }),
  "begun.remove": ({ subscription, consumer }, { batches }) =>
    batches.remove(table.BEGUN, { subscription, consumer }),
  "begun.left": ({ record: { subscription, consumer, events }, left }, { batches }) => {
    const at = "WHERE subscription = $1 AND consumer = $2 AND events = $3";
    const row = [subscription, consumer, JSON.stringify(events)];
    if (left.length === 0) batches.run([table.BEGUN], `DELETE FROM evs.begun ${at}`, row);
    else {
      const put = `UPDATE evs.begun SET events = $4 ${at}`;
      batches.run([table.BEGUN], put, [...row, JSON.stringify(left)]);
    }
  },
  "dead.put": (change, { plan }) => plan!.put(change),
  "dead.link": (change, { batches }) =>
    batches.change(table.DEAD_LETTERS, eventKey(change), { edited_as: change.editedAs }),
  "dead.remove": (change, { batches, plan }) => {
    batches.remove(table.DEAD_LETTERS, eventKey(change));
    plan?.removed(change);
  },
  "dead.expire": ({ key }, { batches, plan }) => {
    batches.remove(table.NUMBERED_DEAD_LETTERS, { ...eventKey(key), number: key.number });
    plan?.removed(key, key.number);
  },
  "dead.removed": (
    { record: { subscription, topic, expired, capped, lastAt }, add },
    { batches },
  ) => {
    const row = { subscription, topic, expired, capped, last_at: lastAt };
    if (!add) return batches.put(table.REMOVED_DEAD_LETTERS, row);
    batches.run([table.REMOVED_DEAD_LETTERS], ADD_REMOVED, [
      subscription,
      topic,
      expired,
      capped,
      String(lastAt),
    ]);
  },
  "dead.ages": ({ ages }, { batches }) =>
    batches.put(table.DEAD_LETTER_AGES, { single: 1, ages: JSON.stringify(ages) }),
  "group.act": (change, { plan }) => plan!.act(change),
  "group.note": (change, { plan }) => plan!.note(change),
  "dead.retry": (change, { batches, plan }) => {
    const { subscription, topic, ids, parts, to, dueAt } = change;
    batches.run([table.DEAD_LETTERS, table.RETRIES], MOVE, [
      subscription,
      topic,
      listText(ids),
      listText(parts ?? ids.map(() => 0)),
      to,
      String(Math.round(dueAt)),
    ]);
    for (const id of ids) plan?.removed({ subscription, topic, id });
  },
  "job.put": ({ record }, { batches }) => {
    batches.put(table.JOBS, { number: record.number, record: JSON.stringify(record) });
    if (record.state !== "running") forgetParts(record.number, batches);
  },
  "job.part": ({ job, part, entries }, { batches }) => {
    if (part === 0) forgetParts(job, batches);
    batches.put(table.JOB_PARTS, { job, part, entries: JSON.stringify(entries) });
  },
  "job.forget": ({ numbers }, { batches }) => {
    for (const number of numbers) {
      batches.remove(table.JOBS, { number });
      forgetParts(number, batches);
    }
  },
  "audit.put": ({ record }, { batches }) => batches.act(record),
  "scheduled.put": ({ record }, { batches }) =>
    batches.put(table.SCHEDULED, {
      number: record.number,
      topic: record.topic,
      id: record.id,
      type: record.type,
      key: record.key ?? null,
      due_at: Math.round(record.dueAt),
      wait_ms: record.waitMs === undefined ? null : Math.round(record.waitMs),
      accepted_at: Math.round(record.acceptedAt),
      after_seq: record.afterSeq,
      stamped: record.stamped,
      line: record.line,
      redacted: record.redacted === true,
    }),
  "scheduled.remove": ({ numbers }, { batches }) => {
    for (const number of numbers) batches.remove(table.SCHEDULED, { number });
  },
  "scheduled.shift": ({ byMs }, { batches }) =>
    batches.run(
      [table.SCHEDULED],
      `UPDATE evs.scheduled SET due_at = due_at + $1::text::double precision
       WHERE wait_ms IS NOT NULL`,
      [String(Math.round(byMs))],
    ),
  "scheduled.clamp": ({ now }, { batches }) =>
    batches.run(
      [table.SCHEDULED],
      `UPDATE evs.scheduled SET due_at = $1::text::double precision + wait_ms
       WHERE due_at > $1::text::double precision + wait_ms`,
      [String(Math.round(now))],
    ),
  "scheduled.redact": ({ number, key = null, line }, { batches }) =>
    batches.change(table.SCHEDULED, { number }, { key, line, redacted: true }),
  "schema.put": ({ record: { type, version, schema, registeredAt } }, { batches }) =>
    batches.put(table.SCHEMAS, { type, version, schema, registered_at: registeredAt }),
  "schema.remove": ({ type, version }, { batches }) =>
    batches.remove(table.SCHEMAS, { type, version }),
  "schema.level": ({ record: { type, level } }, { batches }) =>
    level === "none"
      ? batches.remove(table.SCHEMA_LEVELS, { type })
      : batches.put(table.SCHEMA_LEVELS, { type, level }),
  "end.put": ({ record: { topic, lastSeq } }, { batches }) =>
    batches.put(table.TOPIC_ENDS, { topic, last_seq: lastSeq }),
  "import.put": ({ record: { batch, part, at, reply }, before }, { batches }) => {
    batches.run(
      [table.IMPORTS],
      "DELETE FROM evs.imports WHERE at < $1::text::double precision",
      [String(before)],
    );
    batches.put(table.IMPORTS, { batch, part, at, reply });
  },
  "redaction.put": ({ record }, { batches }) => {
    const { topic, seq, id, at, by = null, reason = null, done } = record;
    batches.put(table.REDACTIONS, { topic, seq, id, at, by, reason, done });
  },
  "event.redact": (change, { batches, plan }) => {
    const { topic, seq, id } = change;
    plan!.redact(change);
    batches.run(
      [table.RETRIES],
      "DELETE FROM evs.retries WHERE topic = $1 AND seq = $2 AND id = $3",
      [topic, seq, id],
    );
  },
  "generation.next": (_, { batches }) =>
    batches.run(
      [table.GENERATION],
      `INSERT INTO evs.generation AS one VALUES (1, 1)
       ON CONFLICT (single) DO UPDATE SET value = one.value + 1`,
      [],
    ),
};

/** From then on nobody reads them; the store deletes their rows (core/store/postgres/deletion.ts). */
const REMOVE_EVENTS = "SELECT evs.truncate_1($1, $2, true)";

/** The tables whose rows are removed with their subscription. */
const OF_SUBSCRIPTION = [
  table.CURSORS,
  table.DONE,
  table.MISSED,
  table.EXPIRED,
  table.RETRIES,
  table.UNANSWERED,
  table.BEGUN,
];

const ADD_REMOVED = `
  INSERT INTO evs.removed_dead_letters AS one (subscription, topic, expired, capped, last_at)
  VALUES ($1, $2, $3, $4, $5::text::double precision)
  ON CONFLICT (subscription, topic) DO UPDATE SET expired = one.expired + excluded.expired,
    capped = one.capped + excluded.capped, last_at = greatest(one.last_at, excluded.last_at)`;

/** In SQL only, so that neither events nor attempts pass through the process. */
const MOVE = `
  WITH asked AS (SELECT id, min(part) AS part, min(place) AS place
    FROM unnest($3${listType("text")}, $4${listType("bigint")}) WITH ORDINALITY
      AS given(id, part, place) GROUP BY id),
  gone AS (DELETE FROM evs.dead_letters AS one USING asked
    WHERE one.subscription = $1 AND one.topic = $2 AND one.id = asked.id
    RETURNING one.topic, one.id, one.seq, one.key, one.type, one.attempts, one.last_attempt,
      one.line, one.edited_from, asked.part, asked.place)
  INSERT INTO evs.retries (subscription, topic, id, part, seq, key, type, due_at, wait_ms,
    next_attempt, failures, attempts, line, edited_from, number)
  SELECT $5::text, topic, id, part, seq, key, type, $6::text::double precision, 0,
    last_attempt + 1, 0, attempts, line, edited_from, ${next(table.RETRIES)}
  FROM gone ORDER BY place
  ON CONFLICT (subscription, topic, id) DO UPDATE SET part = excluded.part, seq = excluded.seq,
    key = excluded.key, type = excluded.type, due_at = excluded.due_at, wait_ms = excluded.wait_ms,
    next_attempt = excluded.next_attempt, failures = excluded.failures,
    attempts = excluded.attempts, line = excluded.line, edited_from = excluded.edited_from,
    number = excluded.number`;

function rowOf(record: ChangeOf<"subscription.put">["record"]): Columns {
  const { settings } = record;
  return {
    name: record.name,
    topic: record.topic,
    begins: record.from,
    max_retries: settings.maxRetries,
    backoff: JSON.stringify(settings.backoff),
    event_types: JSON.stringify(settings.eventTypes),
    filter: settings.where ?? null,
    paused: record.paused,
    pause_reason: record.pauseReason ?? null,
    created_at: record.createdAt,
    breaker: settings.breaker === null ? null : JSON.stringify(settings.breaker),
    paused_by: record.pausedBy ?? null,
    paused_until: record.pausedUntil ?? null,
    max_deliveries: settings.maxDeliveries,
    parts: record.parts ?? 1,
    rev: record.rev ?? 0,
  };
}

function retryRow(record: RetryRecord): Columns {
  return {
    ...eventColumns(record),
    part: record.part ?? 0,
    due_at: Math.round(record.dueAt),
    wait_ms: Math.round(record.waitMs),
    next_attempt: record.nextAttempt,
    failures: record.failures,
    attempts: JSON.stringify(record.attempts),
    line: record.line,
    edited_from: record.editedFrom ?? null,
  };
}

/** What retries and dead letters say of their event. */
export function eventColumns(record: RetryRecord | DeadLetterRecord): Columns {
  const { seq, key = null, type } = record;
  return { ...eventKey(record), seq, key, type };
}

/** What identifies a retry or a dead letter. */
export function eventKey(
  { subscription, topic, id }: { subscription: string; topic: string; id: string },
): { subscription: string; topic: string; id: string } {
  return { subscription, topic, id };
}

/** A count of some parts: in the row of the first, and those of the others go. */
function putCount(
  of: table.Table,
  { parts, ...record }: Columns & { subscription: string; topic: string; parts?: PartMask },
  batches: Batches,
): void {
  const { subscription, topic } = record;
  const [first, ...others] = countRows(parts);
  batches.put(of, { ...record, part: first! });
  for (const part of others) batches.remove(of, { subscription, topic, part });
}

function clear(
  of: table.Table,
  { subscription, topic }: { subscription: string; topic: string },
  batches: Batches,
): void {
  batches.run(
    [of],
    `DELETE FROM evs.${of.name} WHERE subscription = $1 AND topic = $2`,
    [subscription, topic],
  );
}

function forgetParts(job: number, batches: Batches): void {
  batches.run([table.JOB_PARTS], "DELETE FROM evs.job_parts WHERE job = $1", [job]);
}
