/**
 * Shows what is made of the coverage of worlds: decisions that no seed has reached are named, unless
 * there is a reason why none can; and that a reason is refused when it does not hold any more.
 */
import assert from "node:assert/strict";
import { coverageOf, judge, placeOf, readText, verdictText } from "./coverage.ts";
import { type Reason, REASONS } from "./reasons.ts";

const APPEND = "core/store/append.ts";
const TEXT = ["function a() {", "  if (b) c();", "  if (d)", "    e();", "}"].join("\n");

const reason = (text: string): Reason => ({ file: APPEND, text, why: "it cannot be" });

function verdictFor(
  { decisions, unreached }: { decisions: number[]; unreached: number[] },
  reasons: Reason[],
) {
  const file = { file: APPEND, decisions: new Set(decisions), unreached: new Set(unreached) };
  return judge([file], reasons, () => TEXT);
}

Deno.test("coverageOf takes branches and functions of the files that decide, and no others", () => {
  const lcov = [
    "SF:/somewhere/core/store/append.ts",
    "BRDA:10,1,0,5",
    "BRDA:12,2,0,0",
    "BRDA:12,2,1,7",
    "BRDA:14,2,1,-",
    "FN:20,called",
    "FN:30,never",
    "FNDA:3,called",
    "FNDA:0,never",
    "end_of_record",
    "SF:/somewhere/core/other.ts",
    "BRDA:1,1,0,0",
    "end_of_record",
  ].join("\n");
  assert.deepEqual(coverageOf(lcov), [{
    file: APPEND,
    decisions: new Set([20, 30, 10, 12, 14]),
    unreached: new Set([30, 12, 14]),
  }]);
});

Deno.test("judge names a decision without a reason, with what stands there", () => {
  const { open, explained, wrong } = verdictFor({ decisions: [1, 2, 3], unreached: [3, 2] }, []);
  assert.deepEqual(open, [`${APPEND}:2  if (b) c();`, `${APPEND}:3  if (d)`]);
  assert.deepEqual([explained, wrong], [[], []]);
});

Deno.test("judge takes a reason for all lines of its text when one of them was not reached", () => {
  const why = reason("if (d)\n    e();");
  const { open, explained, wrong } = verdictFor({ decisions: [2, 3, 4], unreached: [3, 4] }, [why]);
  assert.deepEqual([open, explained, wrong], [[], [why], []]);
});

Deno.test("judge takes a reason for all lines from one text to another", () => {
  const why = { ...reason("if (b)"), until: "e();" };
  const { open, explained } = verdictFor({ decisions: [1, 2, 4], unreached: [1, 2, 4] }, [why]);
  assert.deepEqual([open, explained], [[`${APPEND}:1  function a() {`], [why]]);
  const reversed = { ...reason("if (d)"), until: "if (b)" };
  assert.equal(verdictFor({ decisions: [3], unreached: [3] }, [reversed]).wrong.length, 1);
});

Deno.test("judge refuses a reason when its text is not there exactly once, or was reached", () => {
  const reasons = [reason("if (x)"), reason("if ("), reason("if (b)")];
  const { open, wrong } = verdictFor({ decisions: [2, 3], unreached: [3] }, reasons);
  assert.deepEqual(wrong, [
    `${APPEND} does not have exactly once: if (x)`,
    `${APPEND} does not have exactly once: if (`,
    `${APPEND}:2 was reached: if (b)`,
  ]);
  assert.equal(open.length, 1, "what it was to explain is named");
});

Deno.test("judge says nothing of a reason when the function around it was not called", () => {
  const { explained, wrong } = verdictFor({ decisions: [1], unreached: [1] }, [reason("if (b)")]);
  assert.deepEqual([explained, wrong], [[], []]);
});

Deno.test("verdictText has reasons only when they are asked for", () => {
  const verdict = { open: ["a:1  b"], explained: [reason("if (b)")], wrong: [] };
  const head = "1 decisions that no seed has reached, and 1 that none can:";
  assert.deepEqual(verdictText(verdict, { withReasons: false }), [head, "  a:1  b"]);
  assert.deepEqual(verdictText(verdict, { withReasons: true }), [
    head,
    "  a:1  b",
    `  ${APPEND}: if (b)`,
    "      it cannot be",
  ]);
});

Deno.test("each reason names a text that its file has exactly once", () => {
  for (const reason of REASONS) {
    const { file, text } = reason;
    assert.ok(placeOf(reason, readText(file)), `${file} does not have exactly once: ${text}`);
  }
});

Deno.test("each reason is the only one for its place, and has words", () => {
  const seen = new Map<string, string>();
  for (const reason of REASONS) {
    const { file, text, why } = reason;
    assert.ok(why.length > 20, text);
    for (const line of placeOf(reason, readText(file)) ?? []) {
      const place = `${file}:${line}`;
      assert.equal(seen.get(place), undefined, `${place} has two reasons`);
      seen.set(place, text);
    }
  }
});
