/** Ranges of lost seqs, and the sentence that tells of one. */
import assert from "node:assert/strict";
import { addRange, countIn, damageText, inRanges } from "../../../core/store/damage.ts";

Deno.test("addRange keeps ranges in order and makes one of those that touch or overlap", () => {
  const ranges = [[2, 3], [7, 9]] as const;
  assert.deepEqual(addRange(ranges, [5, 5]), [[2, 3], [5, 5], [7, 9]]);
  assert.deepEqual(addRange(ranges, [4, 4]), [[2, 4], [7, 9]]);
  assert.deepEqual(addRange(ranges, [4, 6]), [[2, 9]]);
  assert.deepEqual(addRange(ranges, [8, 8]), [[2, 3], [7, 9]]);
  assert.deepEqual(addRange([], [1, 1]), [[1, 1]]);
});

Deno.test("countIn and inRanges count both ends of a range", () => {
  const ranges = [[2, 3], [7, 9]] as const;
  const inside = Array.from({ length: 11 }, (_, seq) => seq).filter((seq) => inRanges(ranges, seq));
  assert.deepEqual(inside, [2, 3, 7, 8, 9]);
  assert.equal(countIn(ranges, { from: 0, to: 10 }), 5);
  assert.equal(countIn(ranges, { from: 3, to: 7 }), 2);
  assert.equal(countIn(ranges, { from: 4, to: 6 }), 0);
  assert.equal(countIn(undefined, { from: 1, to: 9 }), 0);
});

Deno.test("damageText says whether the events are delivered", () => {
  const found = { topic: "t", firstSeq: 4, lastSeq: 4, what: "broken", lost: true };
  assert.equal(damageText(found), "topic t, event 4: broken; not delivered");
  assert.equal(
    damageText({ ...found, lastSeq: 6, lost: false }),
    "topic t, events 4 to 6: broken; delivered intact",
  );
  assert.equal(damageText({ ...found, lastSeq: 3 }), "topic t: broken");
});
