/** Which parts the changes of a delivery name, and what is told of fences that do not hold. */
import assert from "node:assert/strict";
import { maskOf } from "../../../core/event/part.ts";
import { type Fence, FencedError, partsOfChange } from "../../../core/state/fences.ts";
import type { RetryRecord, StateChange } from "../../../core/state/state.ts";

const OF = { subscription: "s", topic: "t" };

function retry(part?: number): RetryRecord {
  return {
    ...OF,
    id: "a",
    seq: 1,
    type: "x",
    dueAt: 1,
    waitMs: 1,
    nextAttempt: 2,
    failures: 1,
    attempts: [],
    line: new Uint8Array(),
    ...(part === undefined ? {} : { part }),
  };
}

const NAMED: [StateChange, number[]][] = [
  [{ op: "cursor.put", record: { ...OF, next: 2, parts: maskOf([1, 4]) } }, [1, 4]],
  [
    { op: "missed.put", record: { ...OF, from: 1, to: 2, count: 2, parts: maskOf([0, 2]) } },
    [0, 2],
  ],
  [{ op: "expired.put", record: { ...OF, count: 2, parts: maskOf([5]) } }, [5]],
  [{ op: "done.put", ...OF, seqs: [1], part: 3 }, [3]],
  [{ op: "retry.put", record: retry(7) }, [7]],
  [{ op: "retry.remove", ...OF, id: "a", part: 29 }, [29]],
  [{ op: "unanswered.put", record: { ...OF, id: "a", seq: 1, count: 1, part: 2 } }, [2]],
  [{ op: "unanswered.remove", ...OF, id: "a", part: 2 }, [2]],
];

for (const [change, parts] of NAMED) {
  Deno.test(`partsOfChange tells the parts of ${change.op}`, () => {
    assert.equal(partsOfChange(change), maskOf(parts));
  });
}

Deno.test("partsOfChange tells the first part when a change of rows names none", () => {
  for (const [change] of NAMED) {
    const bare = structuredClone(change) as { record?: object } & Record<string, unknown>;
    for (const fields of [bare, bare.record ?? {}] as Record<string, unknown>[]) {
      delete fields["part"];
      delete fields["parts"];
    }
    assert.equal(partsOfChange(bare as unknown as StateChange), maskOf([0]), change.op);
  }
});

Deno.test("partsOfChange tells none when a change is of no part", () => {
  for (
    const change of [
      { op: "dead.remove", ...OF, id: "a" },
      { op: "begun.put", record: { subscription: "s", consumer: "c", events: [] } },
      { op: "subscription.remove", name: "s" },
    ] satisfies StateChange[]
  ) assert.equal(partsOfChange(change), 0, change.op);
});

Deno.test("FencedError tells what is another's and what was changed", () => {
  const lost: Fence = { subscription: "s", part: 1, epoch: 2, rev: 0 };
  const changed: Fence = { subscription: "s", part: 4, epoch: 3, rev: 1 };
  const error = new FencedError([lost], [changed]);
  assert.deepEqual([error.fences, error.changed], [[lost], [changed]]);
  assert.match(error.message, /another node owns s part 1 now, and .* changed s part 4;/);
  assert.deepEqual(error.details, { fences: [lost], changed: [changed] });

  const only = new FencedError([], [changed]);
  assert.doesNotMatch(only.message, /another node/);
  assert.deepEqual(new FencedError([lost]).details, { fences: [lost] });
});
