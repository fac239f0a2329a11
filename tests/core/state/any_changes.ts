/** Changes of a state at random, and all that can be read of a state, for comparing states. */
import { canonicalJson } from "../../../core/json/json_object.ts";
import fc from "../../packages/fast_check.ts";
import { defined } from "../../../core/base/defined.ts";
import { EVERY_PART } from "../../../core/event/part.ts";
import { defaultSettings } from "../../../core/delivery/settings.ts";
import { defaultTopicOptions } from "../../../core/event/topic_options.ts";
import { groupId } from "../../../core/state/group_rules.ts";
import { foldReason } from "../../../core/state/reason.ts";
import type { Attempt, State, StateChange } from "../../../core/state/state.ts";
import { loaded } from "./conformance.ts";

const SUBSCRIPTIONS = ["s", "r"] as const;
const TOPICS = ["t", "u"] as const;
const IDS = ["a", "b'b", "c:d", 'quo"te\\{,}', "ünï $1 \\'"] as const;
const REASONS = ["timed out after 5 ms", "exit code 3", "100% of a_b\\c", "no route"] as const;
const NUMBERS = [1, 2, 3] as const;
/** The end of the last period that is asked for. */
const END = 20;

const subscription = fc.constantFrom(...SUBSCRIPTIONS);
const topic = fc.constantFrom(...TOPICS);
const id = fc.constantFrom(...IDS);
const reason = fc.constantFrom(...REASONS);
const number = fc.constantFrom(...NUMBERS);
const seq = fc.integer({ min: 1, max: 6 });
const time = fc.integer({ min: 0, max: END * 600_000 });
const key = fc.option(fc.constantFrom("k", "NULL", ""), { nil: undefined });
const flag = fc.boolean();
const line = fc.uint8Array({ maxLength: 6 });
const rev = fc.constantFrom(undefined, 7, 2 ** 52 - 1);
const group = reason.map((text) => groupId(foldReason(text)));

const attempt: fc.Arbitrary<Attempt> = fc.record({
  attempt: fc.integer({ min: 1, max: 9 }),
  startedAt: time,
  durationMs: fc.nat(9),
  outcome: fc.constant("retry" as const),
  error: fc.constantFrom("no", "nul \0", "half \ud800"),
  stderr: fc.constantFrom("", "\\x00"),
});
const ofTopic = { subscription, topic };
const ofEvent = { subscription, topic, id };
const event = { ...ofEvent, seq, key, type: fc.constantFrom("x", "y") };
const attempts = fc.array(attempt, { maxLength: 2 });

/** Drops the members that are undefined, as records have none. */
function record<T>(members: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(members).map((made) =>
    Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)) as T
  );
}

type Members = Record<string, fc.Arbitrary<unknown>>;

function change(op: StateChange["op"], members: Members = {}): fc.Arbitrary<StateChange> {
  return record({ op: fc.constant(op), ...members }) as fc.Arbitrary<StateChange>;
}

const retry = record({
  ...event,
  dueAt: time,
  waitMs: fc.nat(99),
  nextAttempt: seq,
  failures: seq,
  attempts,
  line,
  editedFrom: fc.option(fc.constant("s:a"), { nil: undefined }),
});
const dead = record({
  ...event,
  reason,
  diedAt: time,
  attempts,
  line,
  editedFrom: fc.option(fc.constant("s:a"), { nil: undefined }),
  editedAs: fc.option(fc.constant("s:b"), { nil: undefined }),
});
const scheduled = fc.tuple(
  number,
  record({
    type: fc.constant("x"),
    topic,
    key,
    dueAt: time,
    waitMs: fc.option(fc.nat(99), { nil: undefined }),
    acceptedAt: time,
    afterSeq: seq,
    stamped: flag,
    line,
  }),
).map(([number, rest]) => ({ number, id: `id${number}`, ...rest }));
const settings = record({
  where: fc.option(fc.constant("payload.n > 1"), { nil: undefined }),
  breaker: fc.constantFrom(null, { failing: 0.5, window: 20 }),
}).map((some) => ({ ...defaultSettings, ...some }));

/** Few enough that a record that was read is often still there. */
const someBegun = fc.constantFrom(1, 2, undefined).map((attempt) =>
  attempt === undefined ? [] : [{ topic: "t", id: "i", seq: 1, attempt }]
);

const ofQueues = [
  change("cursor.put", { record: record({ ...ofTopic, next: seq }) }),
  change("cursor.remove", ofTopic),
  change("done.put", { ...ofTopic, seqs: fc.uniqueArray(seq, { maxLength: 4 }) }),
  change("done.clear", ofTopic),
  change("missed.put", { record: record({ ...ofTopic, from: seq, to: seq, count: seq }) }),
  change("expired.put", { record: record({ ...ofTopic, count: seq }) }),
  change("expiry.clock", { record: record({ skew: time, newest: time }) }),
  change("retry.put", { record: retry }),
  change("retry.remove", ofEvent),
  change("retry.clear", ofTopic),
  change("retry.due", { ...ofEvent, now: time }),
  change("retry.clamp", { now: time }),
  change("unanswered.put", { record: record({ ...ofEvent, seq, count: seq }) }),
  change("unanswered.remove", ofEvent),
  change("unanswered.clear", ofTopic),
  change("begun.put", { record: record({ subscription, consumer: id, events: someBegun }) }),
  change("begun.left", {
    record: record({ subscription, consumer: id, events: someBegun }),
    left: someBegun,
  }),
  change("begun.remove", { subscription, consumer: id }),
];
const ofDeadLetters = [
  change("dead.put", {
    record: dead,
    known: fc.option(fc.constant(true), { nil: undefined }),
  }),
  change("dead.link", { ...ofEvent, editedAs: fc.constant("s:c") }),
  change("dead.remove", ofEvent),
  change("dead.expire", { key: record({ ...ofEvent, number: fc.nat(12), diedAt: time }) }),
  change("dead.removed", {
    record: record({ ...ofTopic, expired: seq, capped: seq, lastAt: time }),
  }),
  change("dead.ages", {
    ages: record({ skew: time, marks: fc.array(record({ number: seq, at: time })) }),
  }),
  change("dead.retry", {
    ...ofTopic,
    ids: fc.uniqueArray(id, { maxLength: 4 }),
    to: subscription,
    dueAt: time,
  }),
  change("group.act", {
    group,
    act: fc.constantFrom("dismiss", "resolve", "reopen"),
    at: time,
    more: fc.option(seq, { nil: undefined }),
  }),
  change("group.note", { group, note: record({ at: time, text: fc.constant("hm") }) }),
  change("event.redact", { topic, seq, id, key, line }),
];
const ofOthers = [
  change("topic.put", {
    record: record({
      name: topic,
      options: flag.map((persistent) => ({ ...defaultTopicOptions, persistent, maxEvents: 7 })),
      createdAt: time,
    }),
  }),
  change("topic.remove", { name: topic }),
  change("subscription.put", {
    record: record({
      name: subscription,
      topic,
      from: fc.constant("start"),
      settings,
      paused: flag,
      pauseReason: fc.option(fc.constant("why"), { nil: undefined }),
      pausedUntil: fc.option(time, { nil: undefined }),
      createdAt: time,
    }),
  }),
  change("subscription.remove", { name: subscription }),
  change("job.put", {
    record: fc.record({ number, state: fc.constantFrom("running", "done"), done: fc.nat(9) }),
  }),
  change("job.part", {
    job: number,
    part: fc.nat(2),
    entries: fc.array(fc.tuple(subscription, topic, id), { maxLength: 2 }),
  }),
  change("job.forget", { numbers: fc.uniqueArray(number) }),
  change("audit.put", {
    record: record({
      at: time,
      act: fc.constantFrom("topic.create", "topic.remove"),
      way: fc.constant("cli"),
      topic: fc.option(topic, { nil: undefined }),
    }),
  }),
  change("scheduled.put", { record: scheduled }),
  change("scheduled.remove", { numbers: fc.uniqueArray(number) }),
  change("scheduled.shift", { byMs: fc.integer({ min: -99, max: 99 }) }),
  change("scheduled.clamp", { now: time }),
  change("scheduled.redact", { number, key, line }),
  change("schema.put", {
    record: record({
      type: id,
      version: id,
      schema: fc.constantFrom("{}", '{ "a": "ü" }'),
      registeredAt: time,
    }),
  }),
  change("schema.remove", { type: id, version: id }),
  change("schema.level", {
    record: record({ type: id, level: fc.constantFrom("none", "full") }),
  }),
  change("end.put", { record: record({ topic, lastSeq: seq }) }),
  change("import.put", {
    record: record({ batch: id, part: fc.constantFrom("1", "01"), at: time, reply: id }),
    before: time,
  }),
  change("redaction.put", {
    record: record({
      topic,
      seq,
      id,
      at: time,
      by: fc.option(fc.constant("anna"), { nil: undefined }),
      done: flag,
    }),
  }),
  change("generation.next"),
];

const part = fc.constantFrom(undefined, 1, 2);
const parts = fc.constantFrom(undefined, 0b1, 0b110, 0b101, EVERY_PART);
/** What only a state that several processes share is given. */
const ofParts = [
  change("cursor.put", { record: record({ ...ofTopic, next: seq, parts }) }),
  change("done.put", { ...ofTopic, seqs: fc.uniqueArray(seq, { maxLength: 4 }), part }),
  change("done.clear", { ...ofTopic, part }),
  change("missed.put", { record: record({ ...ofTopic, from: seq, to: seq, count: seq, parts }) }),
  change("expired.put", { record: record({ ...ofTopic, count: seq, parts }) }),
  change("retry.put", {
    record: fc.tuple(retry, part).map(([retry, part]) => ({ ...retry, ...defined({ part }) })),
  }),
  change("unanswered.put", { record: record({ ...ofEvent, seq, count: seq, part }) }),
  change("begun.put", {
    record: record({
      subscription,
      consumer: id,
      events: fc.array(record({ topic, id, seq, attempt: seq, part }), { maxLength: 3 }),
    }),
  }),
  change("begun.left", {
    record: record({ subscription, consumer: id, events: someBegun }),
    left: someBegun,
  }),
  change("dead.retry", {
    ...ofTopic,
    ids: fc.constant([...IDS]),
    parts: fc.constant([2, 0, 1, 0, 2]),
    to: subscription,
    dueAt: time,
  }),
  change("topic.put", {
    record: record({
      name: topic,
      options: fc.constant(defaultTopicOptions),
      createdAt: time,
      rev,
    }),
  }),
  change("subscription.put", {
    record: record({
      name: subscription,
      topic,
      from: fc.constant("start"),
      settings,
      paused: flag,
      createdAt: time,
      parts: fc.constantFrom(undefined, 3),
      rev,
    }),
  }),
];

/** Any change, those of queues and dead letters more often. */
const weighted = [
  { weight: 3, arbitrary: fc.oneof(...ofQueues) },
  { weight: 3, arbitrary: fc.oneof(...ofDeadLetters) },
  { weight: 2, arbitrary: fc.oneof(...ofOthers) },
];

function commitsOf(change: fc.Arbitrary<StateChange>): fc.Arbitrary<StateChange[][]> {
  return fc.array(fc.array(change, { maxLength: 25 }), { maxLength: 4 });
}

/** Commits, one after the other. */
export const anyCommits = commitsOf(fc.oneof(...weighted));

/** The same, for a state that several processes share. */
export const anySharedCommits = commitsOf(
  fc.oneof(...weighted, { weight: 4, arbitrary: fc.oneof(...ofParts) }),
);

/** Sorted, where the order is not promised: neither that of rows nor that of their fields. */
export function sorted<T>(rows: Iterable<T>): T[] {
  return [...rows].sort((a, b) => canonicalJson(a) < canonicalJson(b) ? -1 : 1);
}

/** All that can be read of a state. */
export async function readAll(state: State): Promise<Record<string, unknown>> {
  const snapshot = await loaded(state);
  const lists = Object.entries(snapshot)
    .map(([name, value]) => [name, Array.isArray(value) ? sorted(value) : value]);
  const filters = [
    {},
    ...SUBSCRIPTIONS.map((subscription) => ({ subscription })),
    { ids: ["a", "s:c:d", "c:d"] },
    { key: "NULL", type: "x" },
    { since: END * 300_000, before: END * 500_000 },
    { upTo: 4 },
    ...["OUT*5 ms", "% of", "a_b\\c", "*", "e*3*3"].map((reason) => ({ reason })),
    ...REASONS.map((text) => ({ group: groupId(foldReason(text)) })),
  ];
  return structuredClone({
    snapshot: Object.fromEntries(lists),
    retries: await Promise.all(
      snapshot.retries.map(({ subscription, topic, id }) => state.retry(subscription, topic, id)),
    ).then(sorted),
    lines: await Promise.all(NUMBERS.map((number) => state.scheduledLine(number))),
    deadLetters: await Promise.all(filters.flatMap((filter) => [
      state.deadLetters(filter, { limit: 99 }),
      state.deadLetters(filter, { limit: 2, oldest: true, after: "1" }),
      state.countDeadLetters(filter),
    ])),
    keys: await Promise.all([
      state.deadLetterKeys({ limit: 99 }),
      state.deadLetterKeys({ topic: "t", subscription: "s", after: 1, upTo: 9, limit: 2 }),
      state.deadLetterKeys({ newest: true, limit: 3 }),
    ]),
    parts: await Promise.all(
      NUMBERS.flatMap((job) => [0, 1, 2].map((part) => state.jobPart(job, part))),
    ),
    audit: await Promise.all([
      state.audit({ limit: 99 }),
      state.audit({ limit: 2, since: END * 300_000, act: "topic.create", topic: "t", before: 9 }),
    ]),
    counts: sorted((await state.deadLetterCounts()).entries()),
    closed: sorted((await state.closedDeadLetterCounts()).entries()),
    groups: await state.deadLetterGroups(),
    groupCounts: sorted(await state.deadLetterGroupCounts()),
    trend: sorted(await state.deadLetterTrend(END)),
  });
}
