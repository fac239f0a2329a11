/** Rates are made of two readings of counters. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { perSecond, shortCount } from "../../../commands/top/numbers.ts";
import { NO_RATES, ratesBetween, type TimedOverview } from "../../../commands/top/rates.ts";
import { warningsIn } from "../../../commands/top/warnings.ts";

function reading(mono: number, acknowledged: number, startedAt = 1): TimedOverview {
  const settled = { acknowledged, failed: 0, dead: 0 };
  const overview = {
    status: { pid: 7, startedAt },
    stored: acknowledged * 2,
    settled,
    subscriptions: [{ name: "a", settled }],
  };
  return { overview: overview as unknown as TimedOverview["overview"], mono };
}

Deno.test("ratesBetween divides what was counted by the time between", () => {
  const rates = ratesBetween(reading(1000, 10), reading(3000, 30));
  assert.deepEqual(rates, { stored: 20, acknowledged: 10, failed: 0, of: new Map([["a", 10]]) });
});

Deno.test("ratesBetween knows nothing at first, after a restart, and where a counter fell", () => {
  assert.deepEqual(ratesBetween(undefined, reading(1, 1)), NO_RATES);
  assert.deepEqual(ratesBetween(reading(1, 1), reading(2, 2, 99)), NO_RATES);
  const { acknowledged, of } = ratesBetween(reading(1000, 9), reading(2000, 3));
  assert.deepEqual([acknowledged, of.size], [undefined, 0]);
});

Deno.test("numbers take at most six columns, rates at most eight", () => {
  fc.assert(fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (value) => {
    assert.ok(shortCount(value).length <= 6, shortCount(value));
    assert.ok(perSecond(value / 7).length <= 8, perSecond(value / 7));
  }));
  assert.deepEqual([9999, 12_345, 99_970, 1_500_000].map(shortCount), [
    "9,999",
    "12.3k",
    "99.9k",
    "1.5M",
  ]);
  assert.deepEqual([undefined, 0, 0.01, 0.25, 9.99, 120].map(perSecond), [
    "-",
    "0/s",
    "<0.1/s",
    "0.3/s",
    "10/s",
    "120/s",
  ]);
});

Deno.test("warningsIn finds the last warnings and errors, the newest first", () => {
  const entry = (level: string, message: string) =>
    JSON.stringify({ time: "2026-11-29T10:00:00.000Z", level, message, topic: "a\x1b[2J" });
  const lines = [
    entry("warning", "first"),
    entry("info", '"warning"'),
    entry("error", "last"),
    "{",
  ];
  assert.deepEqual(warningsIn(lines).map(({ level, text }) => [level, text]), [
    ["error", "last topic=a\\e[2J"],
    ["warning", "first topic=a\\e[2J"],
  ]);
});
