/** The tests that every state must pass. */
import assert from "node:assert/strict";
import { defaultSettings } from "../../../core/delivery/settings.ts";
import type {
  DeadLetterRecord,
  RetryRecord,
  ScheduledRecord,
  State,
  StateChange,
  StateSnapshot,
} from "../../../core/state/state.ts";
import { groupId } from "../../../core/state/group_rules.ts";
import { foldReason } from "../../../core/state/reason.ts";
import { defaultTopicOptions } from "../../../core/event/topic_options.ts";

/** A state to test. `reopen` closes it and opens what it kept. */
export interface StateUnderTest {
  state: State;
  reopen(): Promise<State>;
  dispose(): Promise<void>;
}

/** What lives in memory, as of now: a state that several processes share reads it anew. */
export async function loaded(state: State): Promise<StateSnapshot> {
  await (state as { refresh?(): Promise<void> }).refresh?.();
  return state.load();
}

const line = new TextEncoder().encode('{"seq":1,"payload":"\\u0000"}\n\0tail');

function retry(id: string, more: Partial<RetryRecord> = {}): RetryRecord {
  return {
    subscription: "s",
    topic: "t",
    seq: 1,
    id,
    key: "k",
    type: "x",
    dueAt: 1000,
    waitMs: 400,
    nextAttempt: 2,
    failures: 1,
    attempts: [{
      attempt: 1,
      startedAt: 1,
      durationMs: 2,
      outcome: "retry",
      error: "nul \0 and half \ud800",
      stderr: "\0",
      exitCode: 3,
    }],
    line,
    ...more,
  };
}

/** Those with an odd number have a delay and a key. */
function scheduled(number: number): ScheduledRecord {
  const more = number % 2 === 1 ? { key: "k", waitMs: 400 } : {};
  const [topic, id, type] = [`t${number}`, "i", "x"];
  const times = { dueAt: 1000, acceptedAt: 600 };
  return { number, topic, id, type, ...more, ...times, afterSeq: 3, stamped: number === 1, line };
}

function dead(id: string, more: Partial<DeadLetterRecord> = {}): DeadLetterRecord {
  const { dueAt: _d, waitMs: _w, nextAttempt: _n, failures: _f, ...event } = retry(id);
  return { ...event, reason: "Exit 1: Nö", diedAt: 500, ...more };
}

/** As it is read. */
function inGroup(record: DeadLetterRecord): DeadLetterRecord {
  return { ...record, group: groupId(foldReason(record.reason)) };
}

const everything: StateChange[] = [
  {
    op: "topic.put",
    record: { name: "t", options: { ...defaultTopicOptions, maxEvents: 7 }, createdAt: 1 },
  },
  {
    op: "subscription.put",
    record: {
      name: "s",
      topic: "t.**",
      from: "start",
      settings: {
        ...defaultSettings,
        eventTypes: ["a", "b"],
        where: "payload.n > 1",
        breaker: { failing: 0.5, window: 20 },
        maxDeliveries: 4,
      },
      paused: true,
      pauseReason: "cannot run",
      pausedBy: "command",
      pausedUntil: 5000,
      createdAt: 2,
    },
  },
  { op: "cursor.put", record: { subscription: "s", topic: "t", next: 5 } },
  { op: "done.put", subscription: "s", topic: "t", seqs: [7, 9] },
  { op: "missed.put", record: { subscription: "s", topic: "t", from: 1, to: 4, count: 3 } },
  { op: "retry.put", record: retry("r1") },
  {
    op: "schema.put",
    record: { type: "x", version: "1.0", schema: '{ "type":"object" }', registeredAt: 3 },
  },
  {
    op: "unanswered.put",
    record: { subscription: "s", topic: "t", id: "u1", seq: 6, count: 2 },
  },
  {
    op: "begun.put",
    record: {
      subscription: "s",
      consumer: "c",
      events: [{ topic: "t", id: "u1", seq: 6, attempt: 1 }],
    },
  },
  { op: "expired.put", record: { subscription: "s", topic: "t", count: 2 } },
  { op: "expiry.clock", record: { skew: -5, newest: 1_700_000_000_000 } },
];

/** Registers the suite for one kind of state. */
export function testState(name: string, open: () => Promise<StateUnderTest>): void {
  const test = (what: string, body: (under: StateUnderTest) => Promise<void> | void) =>
    Deno.test(`${name} ${what}`, async () => {
      const under = await open();
      try {
        await body(under);
      } finally {
        await under.dispose();
      }
    });

  test("gives back the options of each topic, whatever those of its neighbours are", async (under) => {
    // Each differs from the one before it in one thing.
    const options = [
      {},
      {},
      { persistent: false },
      {},
      { retentionPeriod: 5 },
      {},
      { maxEvents: 5 },
      {},
      { maxBytes: 5 },
      {},
      { keep: "unconsumed" },
      {},
      { drop: "consumed" },
      {},
      { deadRetention: 5 },
      {},
      { deadMax: 5 },
      {},
      { schema: "off" },
      {},
      { store: "file" },
      { store: "file", durability: "os" },
    ] as const;
    const records = options.map((some, n) => ({
      name: `t${100 + n}`,
      options: { ...defaultTopicOptions, ...some },
      createdAt: n,
    }));
    await under.state.commit(records.map((record) => ({ op: "topic.put", record })));
    const state = await under.reopen();
    assert.deepEqual((await loaded(state)).topics, records);
  });

  test("gives back all that was committed, also when it is opened again", async (under) => {
    await under.state.commit(everything);
    for (const open of [() => under.state, () => under.reopen()]) {
      const state = await open();
      const snapshot = await loaded(state);
      assert.deepEqual(snapshot.topics, [(everything[0] as { record: unknown }).record]);
      assert.deepEqual(snapshot.subscriptions, [(everything[1] as { record: unknown }).record]);
      assert.deepEqual(snapshot.cursors.map((row) => ({ ...row })), [
        { subscription: "s", topic: "t", next: 5 },
      ]);
      assert.deepEqual(snapshot.done.map(({ seq }) => seq), [7, 9]);
      assert.deepEqual(snapshot.expired.map((row) => ({ ...row })), [
        { subscription: "s", topic: "t", count: 2 },
      ]);
      assert.deepEqual(snapshot.expiryClock, { skew: -5, newest: 1_700_000_000_000 });
      assert.deepEqual(snapshot.missed, [{
        subscription: "s",
        topic: "t",
        from: 1,
        to: 4,
        count: 3,
      }]);
      const { line: _line, attempts: _attempts, ...waiting } = retry("r1");
      assert.deepEqual(snapshot.retries, [waiting]);
      assert.deepEqual(snapshot.unanswered.map((one) => ({ ...one })), [{
        subscription: "s",
        topic: "t",
        id: "u1",
        seq: 6,
        count: 2,
      }]);
      assert.deepEqual(snapshot.begun, [{
        subscription: "s",
        consumer: "c",
        events: [{ topic: "t", id: "u1", seq: 6, attempt: 1 }],
      }]);
      assert.deepEqual(snapshot.schemas, [(everything[6] as { record: unknown }).record]);
      assert.deepEqual(await state.retry("s", "t", "r1"), retry("r1"));
      assert.equal(await state.retry("s", "t", "r2"), undefined);
    }
  });

  test("redacts dead letters, drops retries, and remembers what was redacted", async (under) => {
    const redaction = { topic: "t", seq: 1, id: "r1", at: 5, by: "anna", reason: "a password" };
    const other = { topic: "t", seq: 2, id: "r2", at: 6, done: true };
    const redacted = new TextEncoder().encode('{"seq":1,"payload":null}\n');
    const event = { topic: "t", seq: 1, id: "r1" };
    await under.state.commit([
      ...everything,
      { op: "dead.put", record: dead("r1") },
      { op: "dead.put", record: dead("r1", { seq: 7, subscription: "other" }) },
      { op: "redaction.put", record: { ...redaction, done: false } },
      { op: "redaction.put", record: other },
      { op: "event.redact", ...event, key: "digest", line: redacted },
      { op: "redaction.put", record: { ...redaction, done: true } },
    ]);
    await under.state.scrub?.();
    for (const open of [() => under.state, () => under.reopen()]) {
      const state = await open();
      assert.deepEqual((await loaded(state)).redactions, [{ ...redaction, done: true }, other]);
      assert.deepEqual((await loaded(state)).retries, []);
      const { records } = await state.deadLetters({ subscription: "s" }, { limit: 9 });
      const { stderr: _stderr, ...attempt } = retry("r1").attempts[0]!;
      const attempts = [{ ...attempt, error: "redacted" }];
      assert.deepEqual(records, [
        inGroup(dead("r1", { key: "digest", line: redacted, reason: "redacted", attempts })),
      ]);
      const [same] = (await state.deadLetters({ subscription: "other" }, { limit: 9 })).records;
      assert.equal(same!.reason, dead("r1").reason, "another event with this id stays");
    }
  });

  test("drops the marks below a cursor", async ({ state }) => {
    await state.commit(everything);
    await state.commit([{ op: "cursor.put", record: { subscription: "s", topic: "t", next: 8 } }]);
    assert.deepEqual((await loaded(state)).done.map(({ seq }) => seq), [9]);
    await state.commit([{ op: "done.clear", subscription: "s", topic: "t" }]);
    assert.deepEqual((await loaded(state)).done, []);
  });

  test("removes a subscription with all but its dead letters", async ({ state }) => {
    await state.commit([...everything, { op: "dead.put", record: dead("d1") }]);
    await state.commit([{ op: "subscription.remove", name: "s" }]);
    const { subscriptions, cursors, done, missed, expired, retries } = await loaded(state);
    const left = [subscriptions, cursors, done, missed, expired, retries];
    assert.deepEqual(left, [[], [], [], [], [], []]);
    assert.equal(await state.countDeadLetters({}), 1);
  });

  test("removes topics, cursors, retries and schemas", async ({ state }) => {
    await state.commit(everything);
    await state.commit([
      { op: "topic.remove", name: "t" },
      { op: "cursor.remove", subscription: "s", topic: "t" },
      { op: "retry.put", record: retry("r2") },
      { op: "retry.remove", subscription: "s", topic: "t", id: "r1" },
      { op: "schema.remove", type: "x", version: "1.0" },
    ]);
    const { topics, cursors, retries, schemas } = await loaded(state);
    assert.deepEqual([topics, cursors, schemas], [[], [], []]);
    assert.deepEqual(retries.map(({ id }) => id), ["r2"]);
    await state.commit([{ op: "retry.clear", subscription: "s", topic: "t" }]);
    assert.deepEqual((await loaded(state)).retries, []);
  });

  test("keeps scheduled events until they are removed, alone or with their topic", async (under) => {
    const records = [1, 2, 3].map((number) => scheduled(number));
    await under.state.commit(records.map((record) => ({ op: "scheduled.put", record })));
    for (const open of [() => under.state, () => under.reopen()]) {
      const state = await open();
      assert.deepEqual(
        (await loaded(state)).scheduled,
        records.map(({ line: _line, ...rest }) => rest),
      );
      for (const { number } of records) assert.deepEqual(await state.scheduledLine(number), line);
      assert.equal(await state.scheduledLine(4), undefined);
    }
    const state = await under.reopen();
    await state.commit([{ op: "scheduled.remove", numbers: [2, 4] }]);
    assert.deepEqual((await loaded(state)).scheduled.map(({ number }) => number), [1, 3]);
    await state.commit([{ op: "topic.remove", name: "t1" }]);
    assert.deepEqual((await loaded(state)).scheduled.map(({ number }) => number), [3]);
  });

  test("replaces what a scheduled event says", async (under) => {
    const records = [1, 2].map((number) => scheduled(number));
    await under.state.commit(records.map((record) => ({ op: "scheduled.put", record })));
    const redacted = new TextEncoder().encode('{"seq":0,"payload":null}\n');
    await under.state.commit([
      { op: "scheduled.redact", number: 1, key: "digest", line: redacted },
      { op: "scheduled.redact", number: 3, key: undefined, line: redacted },
    ]);
    for (const isReopened of [false, true]) {
      const state = isReopened ? await under.reopen() : under.state;
      const { scheduled: rows } = await loaded(state);
      assert.deepEqual(rows.map(({ number, key, redacted }) => ({ number, key, redacted })), [
        { number: 1, key: "digest", redacted: true },
        { number: 2, key: undefined, redacted: undefined },
      ]);
      assert.deepEqual(await state.scheduledLine(1), redacted);
      assert.deepEqual(await state.scheduledLine(2), line);
    }
  });

  test("moves the delays of scheduled events, and no named times", async ({ state }) => {
    const records = [1, 2].map((number) => scheduled(number));
    await state.commit(records.map((record) => ({ op: "scheduled.put", record })));
    const due = async () => (await loaded(state)).scheduled.map(({ dueAt }) => dueAt);
    await state.commit([{ op: "scheduled.shift", byMs: -99.7 }]);
    assert.deepEqual(await due(), [900, 1000]);
    await state.commit([{ op: "scheduled.clamp", now: 600.2 }]);
    assert.deepEqual(await due(), [900, 1000]);
    await state.commit([{ op: "scheduled.clamp", now: 400.2 }]);
    assert.deepEqual(await due(), [800, 1000]);
  });

  test("makes a retry due, that one alone, when there is one", async (under) => {
    await under.state.commit([
      { op: "retry.put", record: retry("a") },
      { op: "retry.put", record: retry("b", { subscription: "other" }) },
    ]);
    const due = { op: "retry.due", topic: "t", now: 600.4 } as const;
    await under.state.commit([
      { ...due, subscription: "s", id: "a" },
      { ...due, subscription: "s", id: "b" },
    ]);
    for (const open of [() => under.state, () => under.reopen()]) {
      const state = await open();
      assert.deepEqual(await state.retry("s", "t", "a"), retry("a", { dueAt: 600, waitMs: 0 }));
      assert.deepEqual(await state.retry("other", "t", "b"), retry("b", { subscription: "other" }));
      assert.deepEqual((await loaded(state)).retries.map(({ dueAt, waitMs }) => [dueAt, waitMs]), [
        [600, 0],
        [1000, 400],
      ]);
    }
  });

  test("lists dead letters newest first or oldest first, by page", async ({ state }) => {
    for (let i = 1; i <= 5; i++) await state.commit([{ op: "dead.put", record: dead(`d${i}`) }]);
    const list = async (oldest: boolean) => {
      const ids = [];
      let after: string | undefined;
      do {
        const page = await state.deadLetters({}, { limit: 2, oldest, ...(after ? { after } : {}) });
        assert.ok(page.records.length <= 2);
        ids.push(...page.records.map(({ id }) => id));
        after = page.next;
      } while (after !== undefined);
      return ids;
    };
    assert.deepEqual(await list(false), ["d5", "d4", "d3", "d2", "d1"]);
    assert.deepEqual(await list(true), ["d1", "d2", "d3", "d4", "d5"]);
    assert.deepEqual((await state.deadLetters({ ids: ["d3"] }, { limit: 9 })).records, [
      inGroup(dead("d3")),
    ]);
  });

  test("finds dead letters by each field", async ({ state }) => {
    await state.commit([
      { op: "dead.put", record: dead("a:b", { reason: "Timed Out NÖ" }) },
      { op: "dead.put", record: dead("b", { subscription: "s2", topic: "t2", key: undefined }) },
      { op: "dead.put", record: dead("c", { type: "y", diedAt: 900, key: "k2" }) },
    ]);
    const found = async (filter: Parameters<State["deadLetters"]>[0]) => {
      const ids = (await state.deadLetters(filter, { limit: 9 })).records.map(({ id }) => id);
      assert.equal(await state.countDeadLetters(filter), ids.length);
      return ids;
    };
    assert.deepEqual(await found({ ids: ["a:b"] }), ["a:b"]);
    assert.deepEqual(await found({ ids: ["s:a:b", "s2:b"] }), ["b", "a:b"]);
    assert.deepEqual(await found({ ids: ["s:b"] }), []);
    assert.deepEqual(await found({ subscription: "s2" }), ["b"]);
    assert.deepEqual(await found({ topic: "t2" }), ["b"]);
    assert.deepEqual(await found({ type: "y" }), ["c"]);
    assert.deepEqual(await found({ key: "k2" }), ["c"]);
    assert.deepEqual(await found({ since: 900 }), ["c"]);
    assert.deepEqual(await found({ before: 900 }), ["b", "a:b"]);
    assert.deepEqual(await found({ since: 500, before: 501, topic: "t" }), ["a:b"]);
    assert.deepEqual(await found({ since: 501, before: 900 }), []);
    assert.deepEqual(await found({ reason: "out nö" }), ["a:b"]);
    assert.deepEqual(await found({ reason: "%" }), []);
    assert.deepEqual(await found({ group: groupId("Timed Out NÖ") }), ["a:b"]);
    assert.deepEqual(await found({ group: groupId("Exit 1: Nö"), type: "y" }), ["c"]);
    assert.deepEqual(await found({ group: "000000" }), []);
    assert.deepEqual(await found({ type: "x", subscription: "s" }), ["a:b"]);
    assert.deepEqual(await state.deadLetterCounts(), new Map([["s", 2], ["s2", 1]]));
    await state.commit([{ op: "dead.remove", subscription: "s", topic: "t", id: "c" }]);
    assert.equal(await state.countDeadLetters({}), 2);
  });

  test("moves dead letters to the retries, with their history, those that are there", async (under) => {
    const attempts = [1, 2, 7].map((attempt) => ({ ...retry("x").attempts[0]!, attempt }));
    const copy = dead("b", { seq: 4, editedFrom: "s:a", attempts: [] });
    await under.state.commit([
      { op: "dead.put", record: dead("a", { attempts, editedAs: "s:b" }) },
      { op: "dead.put", record: copy },
      { op: "dead.put", record: dead("c", { topic: "u" }) },
      { op: "retry.put", record: retry("b", { subscription: "other", failures: 2 }) },
    ]);
    const ids = ["gone", "b", "a", "c"];
    const move = { subscription: "s", topic: "t", ids, to: "other", dueAt: 77.4 };
    await under.state.commit([{ op: "dead.retry", ...move }]);
    for (const open of [() => under.state, () => under.reopen()]) {
      const state = await open();
      assert.deepEqual((await state.deadLetters({}, { limit: 9 })).records.map(({ id }) => id), [
        "c",
      ]);
      assert.deepEqual((await loaded(state)).retries.map(({ id }) => id), ["b", "a"]);
      const due = { subscription: "other", dueAt: 77, waitMs: 0, failures: 0 };
      assert.deepEqual(
        await state.retry("other", "t", "a"),
        retry("a", { ...due, attempts, nextAttempt: 8 }),
      );
      const edited = { seq: 4, attempts: [], nextAttempt: 1, editedFrom: "s:a" };
      assert.deepEqual(await state.retry("other", "t", "b"), retry("b", { ...due, ...edited }));
    }
  });

  test("keeps one dead letter of an event, as the newest", async ({ state }) => {
    await state.commit([{ op: "dead.put", record: dead("a") }, {
      op: "dead.put",
      record: dead("b"),
    }]);
    await state.commit([{ op: "dead.put", record: dead("a", { reason: "again" }) }]);
    const { records } = await state.deadLetters({}, { limit: 9 });
    assert.deepEqual(records.map(({ id, reason }) => [id, reason]), [["a", "again"], [
      "b",
      "Exit 1: Nö",
    ]]);
  });
}
