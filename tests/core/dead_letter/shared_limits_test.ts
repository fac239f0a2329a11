/**
 * Limits on dead letters where several nodes share the state and each applies them: what is removed
 * is counted once, by whoever removed it, and no more is removed than is too many.
 */
import assert from "node:assert/strict";
import { DeadLetterLimits } from "../../../core/dead_letter/limits.ts";
import type { DeadLetterRecord, TopicRecord } from "../../../core/state/state.ts";
import { ActingState } from "../../helpers/acting_state.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const DAY = 86_400_000;

/** The limits of one node. */
function limitsOf(state: ActingState, { deadMax = 0, deadRetention = 0, clock = new FakeClock() }) {
  const topic = { name: "t", options: { deadMax, deadRetention } } as TopicRecord;
  return new DeadLetterLimits({
    state,
    subscriptions: { has: () => false, require: () => assert.fail("nobody is held up") },
    clock,
    topics: { list: () => [topic] },
    snapshot: state.load(),
    queue: undefined,
  });
}

async function die(state: ActingState, ...seqs: number[]): Promise<void> {
  await state.commit(seqs.map((seq) => {
    const about = { subscription: "s", topic: "t", id: `e${seq}`, seq, type: "x" };
    const record: DeadLetterRecord = {
      ...about,
      reason: "no",
      diedAt: 1_700_000_000_000,
      attempts: [],
      line: new Uint8Array([1]),
    };
    return { op: "dead.put", record };
  }));
}

const stored = (state: ActingState) =>
  state.load().removedDeadLetters.map(({ expired, capped }) => [expired, capped]);
const removed = (limits: DeadLetterLimits) =>
  limits.removed().map(({ expired, capped }) => [expired, capped]);

Deno.test("DeadLetterLimits counts on each node what that has removed, and all of it on any", async () => {
  const state = new ActingState();
  const [a, b] = [limitsOf(state, { deadMax: 3 }), limitsOf(state, { deadMax: 3 })];
  await die(state, 1, 2, 3, 4, 5);
  assert.deepEqual((await a.pass()).map(({ capped }) => capped), [2]);
  await die(state, 6);
  assert.deepEqual((await b.pass()).map(({ capped }) => capped), [1]);
  assert.deepEqual([stored(state), removed(b)], [[[0, 3]], [[0, 1]]]);
  await Promise.all([a.refresh(), b.refresh()]);
  assert.deepEqual([removed(a), removed(b)], [[[0, 3]], [[0, 3]]]);
  assert.deepEqual(await a.pass(), [], "what another one has removed is no removal of this one");
});

Deno.test("DeadLetterLimits counts nothing that another node was faster to remove", async () => {
  const state = new ActingState();
  const [a, b] = [limitsOf(state, { deadMax: 3 }), limitsOf(state, { deadMax: 3 })];
  await die(state, 1, 2, 3, 4, 5);
  state.before = async () => {
    assert.deepEqual((await b.pass()).map(({ capped }) => capped), [2]);
  };
  assert.deepEqual(await a.pass(), []);
  assert.deepEqual([stored(state), state.countDeadLetters({})], [[[0, 2]], 3]);
});

Deno.test("DeadLetterLimits removes no more than are too many when its turn comes", async () => {
  const state = new ActingState();
  const limits = limitsOf(state, { deadMax: 3 });
  await die(state, 1, 2, 3, 4, 5);
  state.before = () =>
    state.commit([{ op: "dead.remove", subscription: "s", topic: "t", id: "e5" }]);
  assert.deepEqual((await limits.pass()).map(({ capped }) => capped), [1]);
  const { records } = state.deadLetters({}, { limit: 9, oldest: true });
  assert.deepEqual(records.map(({ id }) => id), ["e2", "e3", "e4"]);
});

Deno.test("DeadLetterLimits leaves one that died again under the same id meanwhile", async () => {
  const state = new ActingState();
  const clock = new FakeClock();
  const limits = limitsOf(state, { deadRetention: DAY, clock });
  await die(state, 1, 2);
  await limits.pass();
  await clock.pass(2 * DAY);
  state.before = () => die(state, 2);
  assert.deepEqual((await limits.pass()).map(({ expired }) => expired), [1]);
  const { records } = state.deadLetters({}, { limit: 9 });
  assert.deepEqual([records.map(({ id }) => id), stored(state)], [["e2"], [[1, 0]]]);
});
