/**
 * A seek where several nodes share the state: decided from the rows of all parts, whoever owns them,
 * and as one node that owns all would decide it.
 */
import assert from "node:assert/strict";
import { planSeek, seekTargets } from "../../../core/delivery/seek.ts";
import { DeliveryQueue } from "../../../core/delivery/queue.ts";
import { seekShared, type SharedSeek } from "../../../core/delivery/shared_seek.ts";
import { EVERY_PART, maskOf, partOf } from "../../../core/event/part.ts";
import type { StateChange, SubscriptionRecord } from "../../../core/state/state.ts";
import { ActingState } from "../../helpers/acting_state.ts";

const HEAD = { firstSeq: 3, lastSeq: 20, bytes: 0 };
const OF = { subscription: "s", topic: "t" };
const now = () => ({ wall: 1000, mono: 0 });

const record = (parts: number) => {
  const settings = { maxRetries: 1, eventTypes: [], breaker: null, maxDeliveries: 0 };
  const about = { name: "s", topic: "t", from: "start", paused: false, createdAt: 1, settings };
  return { ...about, ...(parts === 1 ? {} : { parts }) } as unknown as SubscriptionRecord;
};

const partField = (seq: number, parts: number) => {
  const part = partOf({ seq, key: `k${seq}` }, parts);
  return part === 0 ? {} : { part };
};

/** What is stored of a subscription that has done 1 to 9 and 12, with retries of 5 and 11. */
function rows(parts: number): StateChange[] {
  const retry = (seq: number): StateChange => ({
    op: "retry.put",
    record: {
      ...{ ...OF, id: `e${seq}`, seq, type: "x", key: `k${seq}`, dueAt: 9e9, waitMs: 1e6 },
      ...{ nextAttempt: 2, failures: 1, attempts: [], line: new Uint8Array(0) },
      ...partField(seq, parts),
    },
  });
  const cursor = { ...OF, next: 10, ...(parts === 1 ? {} : { parts: EVERY_PART }) };
  return [
    { op: "subscription.put", record: record(parts) },
    { op: "cursor.put", record: cursor },
    ...[11, 12].map((seq): StateChange => {
      return { op: "done.put", ...OF, seqs: [seq], ...partField(seq, parts) };
    }),
    retry(5),
    retry(11),
  ];
}

async function stateOf(parts: number): Promise<ActingState> {
  const state = new ActingState();
  await state.commit(rows(parts));
  return state;
}

function seekOf(state: ActingState, to: number, parts: number): SharedSeek {
  return {
    record: record(parts),
    starts: [{ topic: "t", seq: to }],
    store: { head: () => HEAD },
    now,
    transact: state.transact,
    shared: state.shared,
    also: ({ redo }) => [{ op: "end.put", record: { topic: "redo", lastSeq: redo } }],
  };
}

Deno.test("seekShared does to each part what a seek does to a subscription without parts, wherever it goes", async () => {
  for (let to = 1; to <= HEAD.lastSeq + 1; to++) {
    const alone = await stateOf(1);
    const { done, cursors, retries } = alone.load();
    const start = { name: "s", settings: record(1).settings, cursors, done, retries, missed: [] };
    const queue = new DeliveryQueue(start, now());
    queue.look("t", HEAD);
    const targets = seekTargets(queue, [{ topic: "t", seq: to }], { head: () => HEAD });
    const { result, changes } = planSeek(queue, targets);
    await alone.commit(changes);

    const divided = await stateOf(4);
    const reply = await seekShared({}, seekOf(divided, to, 4));
    assert.deepEqual(reply, { dryRun: false, ...result }, `to ${to}`);
    assert.deepEqual(divided.acts[0]!.on, [{ subscription: "s", seize: true }]);
    const after = divided.load();
    assert.deepEqual(after.ends, [{ topic: "redo", lastSeq: result.redo }], "together with it");
    const whole = alone.load();
    assert.deepEqual(after.cursors, [{ ...whole.cursors[0]!, parts: EVERY_PART }]);
    const seqs = (marks: readonly { seq: number }[]) => marks.map(({ seq }) => seq).sort();
    assert.deepEqual(seqs(after.done), seqs(whole.done));
    const waits = after.retries.filter(({ waitMs }) => waitMs > 0).map(({ id }) => id);
    assert.deepEqual(waits, [], "those that stay are due");
    for (const { seq, part = 0 } of after.done) {
      assert.equal(part, partOf({ seq, key: `k${seq}` }, 4), "each with its part");
    }
    assert.deepEqual(after.retries.map(({ id }) => id), whole.retries.map(({ id }) => id));
    assert.deepEqual(
      after.missed.map(({ count }) => count),
      whole.missed.map(({ count }) => count),
    );
  }
});

Deno.test("seekShared says what a seek would do, and takes nothing from an owner for that", async () => {
  const state = await stateOf(4);
  const loaded = state.transact({
    on: [],
    decide: async (rows) => ({ changes: [], result: await rows.queue("s") }),
  });
  const shared = { loadQueue: () => loaded };
  const before = state.load();
  const reply = await seekShared({ dryRun: true }, { ...seekOf(state, 4, 4), shared });
  assert.deepEqual([reply.dryRun, reply.topics], [true, [{ topic: "t", from: 10, to: 4 }]]);
  assert.deepEqual(state.load(), before);
  assert.equal(state.acts.length, 1, "that of the test");
});

Deno.test("seekShared knows of events that another node has stored and failed by then", async () => {
  const state = await stateOf(4);
  const [retry] = rows(4).flatMap((change) => change.op === "retry.put" ? [change.record] : []);
  const late = {
    ...retry!,
    id: "e21",
    seq: 21,
    key: "k21",
    part: partOf({ seq: 21, key: "k21" }, 4),
  };
  const seek = seekOf(state, 4, 4);
  let isHeld = false;
  const transact: typeof seek.transact = (act) => {
    isHeld = true;
    return seek.transact(act);
  };
  const asked: unknown[] = [];
  let lastSeq = HEAD.lastSeq;
  const store = {
    head: () => ({ ...HEAD, lastSeq }),
    refresh: (topics?: readonly string[]) => {
      asked.push({ topics, isHeld });
      lastSeq = 25;
      return Promise.resolve();
    },
  };
  await state.commit([{ op: "retry.put", record: late }]);
  await seekShared({}, { ...seek, transact, store });
  assert.deepEqual(asked, [{ topics: ["t"], isHeld: true }], "once nobody commits");
  const marks = state.load().done.map(({ seq }) => seq);
  assert.ok(marks.includes(21), "else it is delivered from its topic, too");
});

Deno.test("seekShared says from where it moves parts that stand apart: from the one that is behind", async () => {
  const state = await stateOf(4);
  await state.commit([
    { op: "cursor.put", record: { ...OF, next: 14, parts: maskOf([0, 1]) } },
    { op: "cursor.put", record: { ...OF, next: 10, parts: maskOf([2, 3]) } },
  ]);
  const reply = await seekShared({}, seekOf(state, 16, 4));
  assert.deepEqual(reply.topics, [{ topic: "t", from: 10, to: 16 }]);
  assert.deepEqual(state.load().cursors, [{ ...OF, next: 16, parts: EVERY_PART }]);
  assert.deepEqual(state.load().done, []);
});
