/**
 * How far a topic may be deleted that depends on its subscriptions, against a model that looks at
 * every event: nothing unfinished goes where it is kept, everything finished goes where it is
 * dropped.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { type ConsumptionView, planDeletion } from "../../../core/store/consumption.ts";

const view = fc.record({
  firstSeq: fc.integer({ min: 1, max: 20 }),
  count: fc.nat(30),
  limit: fc.integer({ min: 0, max: 60 }),
  keep: fc.constantFrom("limits" as const, "unconsumed" as const),
  drop: fc.constantFrom("limits" as const, "consumed" as const),
  cursors: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 4 }),
}).map(({ firstSeq, count, limit, keep, drop, cursors }): ConsumptionView => ({
  options: { keep, drop },
  head: { firstSeq, lastSeq: firstSeq + count - 1 },
  limit,
  progress: cursors.map((next, i) => ({ subscription: `s${i}`, next })),
}));

/** Whether an event may or must go, by itself. */
function goes(seq: number, { options, limit, progress }: ConsumptionView): boolean {
  const finished = progress.length > 0 && progress.every(({ next }) => seq < next);
  const beyond = seq < limit;
  if (finished) return beyond || options.drop === "consumed";
  return beyond && options.keep !== "unconsumed";
}

Deno.test("planDeletion deletes exactly the events that the rules say when each is looked at", () => {
  fc.assert(
    fc.property(view, (one) => {
      const { firstSeq, lastSeq } = one.head;
      const { keep } = planDeletion(one);
      assert.ok(keep >= firstSeq && keep <= lastSeq + 1);
      for (let seq = firstSeq; seq <= lastSeq; seq++) {
        assert.equal(seq < keep, goes(seq, one), `${seq} of ${JSON.stringify(one)}`);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("planDeletion names what is held back, and by whom, when a subscription is behind the limits", () => {
  fc.assert(fc.property(view, (one) => {
    const { options, head, limit, progress } = one;
    const { keep, held } = planDeletion(one);
    const beyond = Math.min(limit, head.lastSeq + 1);
    const wanted = Math.max(0, beyond - Math.max(keep, head.firstSeq));
    assert.equal(held === undefined, options.keep !== "unconsumed" || wanted === 0);
    if (!held) return;
    assert.equal(held.to - held.from + 1, wanted);
    assert.equal(held.from, keep);
    assert.deepEqual(
      held.by,
      progress.filter(({ next }) => next <= held.to).map(({ subscription }) => subscription),
    );
  }));
});
