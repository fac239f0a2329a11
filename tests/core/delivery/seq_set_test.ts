/** SeqSet against a plain set: adding, ranges, removing, gaps and counts. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { SeqSet } from "../../../core/delivery/seq_set.ts";

/** Higher than any number that a step uses. */
const END = 24;

const seq = fc.integer({ min: 1, max: END - 4 });
const step = fc.oneof(
  fc.record({ add: seq }),
  fc.record({ from: seq, to: seq }),
  fc.record({ remove: seq }),
);

const all = Array.from({ length: END }, (_, i) => i + 1);

Deno.test("SeqSet is a plain set when numbers and ranges come and go in any order", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30, size: "max" }), seq, seq, (steps, from, to) => {
      const [set, plain] = [new SeqSet(), new Set<number>()];
      for (const step of steps) {
        if ("add" in step) {
          set.add(step.add);
          plain.add(step.add);
        } else if ("remove" in step) {
          set.remove(step.remove);
          plain.delete(step.remove);
        } else {
          set.addRange(step.from, step.to);
          for (let seq = step.from; seq <= step.to; seq++) plain.add(seq);
        }
        assert.deepEqual(all.filter((seq) => set.has(seq)), all.filter((seq) => plain.has(seq)));
        assert.equal(set.size, plain.size);
      }
      const within = all.filter((seq) => seq >= from && plain.has(seq));
      assert.deepEqual([...set.from(from)], within);
      assert.equal(set.count(from, to), within.filter((seq) => seq <= to).length);
      assert.equal(set.firstGap(from), all.find((seq) => seq >= from && !plain.has(seq)));
    }),
    { numRuns: 500 },
  );
});

Deno.test("SeqSet leaves the numbers beside one that is removed, and none that is missing is added", () => {
  const set = new SeqSet();
  set.addRange(1, 9);
  set.remove(5);
  assert.deepEqual([...set.from(1)], [1, 2, 3, 4, 6, 7, 8, 9]);
  set.remove(1);
  set.remove(9);
  assert.deepEqual([...set.from(1)], [2, 3, 4, 6, 7, 8]);
  set.add(10);
  assert.deepEqual([set.firstGap(2), set.firstGap(6), set.has(9)], [5, 9, false]);
  set.add(5);
  assert.deepEqual([set.firstGap(2), set.size], [9, 8]);
});

Deno.test("SeqSet clone has the same numbers, and neither changes with the other", () => {
  fc.assert(fc.property(fc.array(seq), seq, seq, (seqs, added, removed) => {
    const set = new SeqSet();
    for (const seq of seqs) set.add(seq);
    const [before, other] = [[...set.from(1)], set.clone()];
    assert.deepEqual([[...other.from(1)], other.size], [before, set.size]);
    other.add(added);
    other.remove(removed);
    assert.deepEqual([[...set.from(1)], set.size], [before, before.length]);
    set.add(added);
    set.remove(removed);
    assert.deepEqual([[...set.from(1)], set.size], [[...other.from(1)], other.size]);
  }));
});

Deno.test("SeqSet clone copies more ranges than a call takes arguments", () => {
  const set = new SeqSet();
  for (let seq = 1; seq < 500_000; seq += 2) set.add(seq);
  assert.equal(set.clone().size, set.size);
});
