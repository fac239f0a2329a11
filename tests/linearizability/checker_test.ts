/**
 * The checker can fail: histories made by hand that are linearizable, and ones that are not, each
 * with the one fault that it is about. And it agrees with trying every order of small histories.
 */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "../packages/fast_check.ts";
import { dose } from "../helpers/dose.ts";
import { assertSeeded } from "../helpers/seed.ts";
import { violationOf } from "./checker.ts";
import { LINEARIZABLE, NOT_LINEARIZABLE } from "./by_hand.ts";
import type { Ask, Operation, Told } from "./history.ts";
import { EMPTY, type Log, step } from "./model.ts";

for (const [what, history] of Object.entries(LINEARIZABLE)) {
  Deno.test(`the checker takes a history for linearizable when ${what}`, () => {
    assert.equal(violationOf(history), undefined);
  });
}

for (const [what, history] of Object.entries(NOT_LINEARIZABLE)) {
  Deno.test(`the checker takes a history for not linearizable when ${what}`, () => {
    assert.ok(violationOf(history));
  });
}

const ask: fc.Arbitrary<Ask> = fc.oneof(
  fc.record({
    op: fc.constant("append" as const),
    id: fc.constantFrom("a", "b", "c"),
    expected: fc.constantFrom("any" as const, "none" as const, 1, 0),
  }),
  fc.constant<Ask>({ op: "end" }),
);

/** Whether some order of the requests explains every answer, by trying all. */
function hasOrder(log: Log, left: readonly Operation[]): boolean {
  if (left.length === 0) return true;
  const firstEnd = Math.min(...left.map((operation) => operation.return ?? Infinity));
  return left.some((operation) => {
    if (operation.call > firstEnd) return false;
    const { told, then } = step(log, operation.ask);
    if (operation.told !== null && !isDeepStrictEqual(told, operation.told)) return false;
    return hasOrder(then, left.filter((other) => other !== operation));
  });
}

Deno.test("the checker says of any small history what trying every order says", async () => {
  const told: fc.Arbitrary<Told | null> = fc.oneof(
    fc.constant(null),
    fc.integer({ min: 0, max: 3 }).map((end) => ({ end })),
    fc.record({
      seq: fc.integer({ min: 1, max: 3 }),
      keySeq: fc.constant(0),
      duplicate: fc.boolean(),
    }),
    fc.integer({ min: 0, max: 2 }).map((conflict) => ({ conflict })),
  );
  /** Requests in one order, some of which are then told something else. */
  const operation = fc.record({ ask, told, isTrue: fc.boolean(), length: fc.nat(8) });
  const verdicts = { true: 0, false: 0 };
  await assertSeeded(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 6 }), async (drafts) => {
      await Promise.resolve();
      let log = EMPTY;
      const history = drafts.map(({ ask, told, isTrue, length }, i): Operation => {
        const right = step(log, ask);
        log = right.then;
        const answer = isTrue || i < drafts.length - 2 ? right.told : told;
        const end = answer === null ? null : 3 * i + length;
        return { client: i, topic: "t", ask, call: 3 * i - length, return: end, told: answer };
      });
      const expected = hasOrder(EMPTY, history);
      verdicts[`${expected}`]++;
      assert.equal(violationOf(history) === undefined, expected);
    }),
    { numRuns: dose(1000), file: "tests/linearizability/checker_test.ts" },
  );
  const { true: yes, false: no } = verdicts;
  assert.ok(yes > 50 && no > 50, `${yes} were linearizable, ${no} were not`);
});
