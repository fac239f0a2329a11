/** Which limits `evs alert` takes, and what it says of others. */
import assert from "node:assert/strict";
import {
  isPast,
  type Limit,
  type Measure,
  MEASURES,
  parseLimit,
} from "../../../commands/alerting/limit.ts";
import { limitsOf } from "../../../commands/alert.ts";
import fc from "../../packages/fast_check.ts";

const GOOD: [Measure, string, Omit<Limit, "text">][] = [
  ["dlq", ">0", { comparison: ">", value: 0, unit: "count" }],
  ["lag", ">= 1000", { comparison: ">=", value: 1000, unit: "count" }],
  ["age", ">1h30m", { comparison: ">", value: 5_400_000, unit: "ms" }],
  ["leased", ">=500ms", { comparison: ">=", value: 500, unit: "ms" }],
  ["refused", ">7", { comparison: ">", value: 7, unit: "count" }],
  ["disk", "<10%", { comparison: "<", value: 10, unit: "percent" }],
  ["disk", "<=5GiB", { comparison: "<=", value: 5 * 2 ** 30, unit: "bytes" }],
  ["down", ">0", { comparison: ">", value: 0, unit: "ms" }],
];

for (const [measure, text, limit] of GOOD) {
  Deno.test(`parseLimit reads ${text} when it is for --${measure}`, () => {
    assert.deepEqual(parseLimit(measure, text), { ...limit, text });
  });
}

const BAD: [Measure, string, RegExp][] = [
  ["dlq", "5", /begins with > or >=, as in '>0', in quotes$/],
  ["dlq", "", /as in '>0'/],
  ["dlq", "<5", /more than a limit, .* as in '>0'/],
  ["dlq", ">5m", /^a whole number is needed; for example '>0', in quotes$/],
  ["lag", ">-1", /a whole number is needed; for example '>1000'/],
  ["lag", ">>1", /a whole number is needed/],
  ["age", ">5", /a number with a unit, .*, not "5"; for example '>5m'/],
  ["leased", ">soon", /not "soon"; for example '>10m'/],
  ["disk", ">10%", /less than a limit, so it begins with < or <=, as in '<10%'/],
  ["disk", "<ten", /not "ten"; for example '<10%'/],
  ["down", "<1s", /more than a limit/],
];

for (const [measure, text, message] of BAD) {
  Deno.test(`parseLimit shows an example when --${measure} is ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseLimit(measure, text), { name: "SyntaxError", message });
  });
}

Deno.test("isPast compares as the sign says", () => {
  // At the limit and beside it: two numbers that are drawn are hardly ever the same.
  const near = fc.integer({ min: -1, max: 1 });
  fc.assert(fc.property(fc.integer({ min: 1, max: 1e9 }), near, (limit, beside) => {
    const value = limit + beside;
    const past = (sign: string) =>
      isPast(parseLimit(sign[0] === ">" ? "lag" : "disk", sign), value);
    assert.equal(past(`>${limit}`), value > limit);
    assert.equal(past(`>=${limit}`), value >= limit);
    assert.equal(past(`<${limit}`), value < limit);
    assert.equal(past(`<=${limit}`), value <= limit);
  }));
});

const FLAGS = { for: 0, every: 5000, timeout: 60_000, name: "main", once: false };

Deno.test("limitsOf watches whether the daemon answers unless that is off", () => {
  const dlq = parseLimit("dlq", ">0");
  assert.deepEqual(limitsOf(FLAGS), { down: parseLimit("down", ">10s") });
  assert.deepEqual(limitsOf({ ...FLAGS, dlq, down: "off" }), { dlq });
  assert.throws(() => limitsOf({ ...FLAGS, down: "off" }), { code: "argument/usage" });
  const all = Object.fromEntries(MEASURES.map((measure) => [measure, dlq]));
  assert.deepEqual(Object.keys(limitsOf({ ...FLAGS, ...all })), [...MEASURES]);
});
