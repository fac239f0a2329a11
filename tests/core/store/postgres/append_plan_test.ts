/** Shows which requests of an append become one unit, and that each gets its own outcome. */
import assert from "node:assert/strict";
import { outcomesOf } from "../../../../core/store/postgres/append_outcomes.ts";
import { planAppend } from "../../../../core/store/postgres/append_plan.ts";
import type { AppendRequest } from "../../../../core/store/store.ts";
import { newEvent, stored } from "../../../../testing/new_event.ts";

const one = (topic: string, more: Partial<AppendRequest> = {}): AppendRequest => ({
  topic,
  events: [newEvent()],
  ...more,
});
const requestsOf = (...given: Parameters<typeof planAppend>) =>
  planAppend(...given).units.map(({ requests }) => requests);

Deno.test("planAppend makes one unit of what is appended to two topics by turns", () => {
  const requests = Array.from({ length: 20_000 }, (_, i) => one(`t${i % 2}`));
  const plan = planAppend(requests);
  // Each costs statements: as many as requests would take longer than an append may.
  assert.equal(plan.units.length, 2);
  const topics: [number, number, number][] = [[1, 10_000, 0], [1, 10_000, 0]];
  const units = topics.map(() => ({ first: 1, count: 10_000 }));
  const outcomes = outcomesOf(plan, { topics, units });
  assert.equal(outcomes.length, 20_000);
  for (const [i, outcome] of outcomes.entries()) {
    assert.equal(stored(outcome).firstSeq, Math.floor(i / 2) + 1);
  }
});

Deno.test("planAppend joins nothing past what sees whether it is stored", () => {
  assert.deepEqual(requestsOf([one("a"), one("b"), one("a")]), [[0, 2], [1]]);
  const expects = [one("a"), one("a", { expected: 1 }), one("a"), one("b"), one("a")];
  assert.deepEqual(requestsOf(expects), [[0], [1], [2, 4], [3]]);
  const ofOther = [one("a"), one("b", { expected: 1 }), one("a")];
  assert.deepEqual(requestsOf(ofOther), [[0, 2], [1]]);
  const group = { from: 1, to: 2, conditions: [{ topic: "a", expected: 1 }] };
  assert.deepEqual(requestsOf([one("a"), one("b"), one("a")], [group]), [[0], [1], [2]]);
});
