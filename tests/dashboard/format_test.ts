/** Numbers, times and durations of the dashboard. */
import assert from "node:assert/strict";
import {
  agoText,
  countNoun,
  countText,
  dueText,
  perSecondText,
  spanText,
  timeText,
} from "../../dashboard/view/format.ts";

Deno.test("countText groups digits, and is exact for any whole number", () => {
  assert.equal(countText(0), "0");
  assert.equal(countText(1234567), "1\u202f234\u202f567");
  assert.equal(countText("9007199254740993"), "9\u202f007\u202f199\u202f254\u202f740\u202f993");
  assert.equal(countNoun(1, "event"), "1 event");
  assert.equal(countNoun(2000, "retry is", "retries are"), "2\u202f000 retries are");
});

Deno.test("spanText shows the two largest units", () => {
  const day = 86_400_000;
  assert.deepEqual(
    [0, 999, 7_000, 312_000, 3_600_000, 3 * day + 4 * 3_600_000 + 5].map(spanText),
    ["0s", "0s", "7s", "5m 12s", "1h", "3d 4h"],
  );
});

Deno.test("agoText and dueText take clocks that differ", () => {
  assert.equal(agoText(1_000, 61_000), "1m ago");
  assert.equal(agoText(61_000, 1_000), "now");
  assert.equal(dueText(61_000, 1_000), "in 1m");
  assert.equal(dueText(1_000, 61_000), "due");
});

Deno.test("perSecondText shows three digits", () => {
  assert.deepEqual(
    [0, 0.001, 0.0451, 12.345, 1234.5].map(perSecondText),
    ["0/s", "<0.01/s", "0.0451/s", "12.3/s", "1\u202f235/s"],
  );
});

Deno.test("timeText names the offset, and shows as it is what is no time", () => {
  assert.match(timeText(0), /^19(69|70)-\d\d-\d\d \d\d:\d\d:00\.000[+-]\d\d:\d\d$/);
  assert.equal(timeText(1e300), "1e+300");
});
