/** Topic names, patterns compared with an obviously correct matcher, and the options of a topic. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { InvalidArgumentError } from "../../../core/base/errors.ts";
import {
  assertSubscriptionName,
  assertTopicName,
  assertTopicPattern,
  checkTopicOptions,
  compilePattern,
  defaultTopicOptions,
  isPattern,
} from "../../../core/event/topic_options.ts";

const segment = fc.constantFrom("a", "b", "orders", "x-1", "_");
const topic = fc.array(segment, { minLength: 1, maxLength: 7 }).map((parts) => parts.join("."));
const pattern = fc.array(fc.oneof(segment, fc.constantFrom("*", "**")), {
  minLength: 1,
  maxLength: 7,
}).map((parts) => parts.join("."));

/** The documented rule: `*` is one segment, `**` one or more. Tries every way. */
function matches(pattern: readonly string[], topic: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return topic.length === 0;
  if (topic.length === 0) return false;
  if (first === "**") {
    return topic.some((_, i) => matches(rest, topic.slice(i + 1)));
  }
  return (first === "*" || first === topic[0]) && matches(rest, topic.slice(1));
}

function accepts(check: (text: string) => unknown, text: string): boolean {
  try {
    check(text);
    return true;
  } catch (error) {
    assert.ok(error instanceof InvalidArgumentError, String(error));
    return false;
  }
}

Deno.test("compilePattern matches what the rule says, for any pattern and topic", () => {
  let matched = 0;
  fc.assert(
    fc.property(pattern, topic, (text, name) => {
      const expected = matches(text.split("."), name.split("."));
      if (expected) matched++;
      assert.equal(compilePattern(text)(name), expected);
    }),
    { numRuns: 3000 },
  );
  assert.ok(matched > 100, "both answers were seen");
});

Deno.test("compilePattern is fast when a pattern has many ** and the topic nearly matches", () => {
  const text = `${"**.a.".repeat(20)}b`;
  const name = Array(64).fill("a").join(".");
  const start = performance.now();
  assert.equal(compilePattern(text)(name), false);
  assert.ok(performance.now() - start < 30_000, "trying every way would take years");
});

Deno.test("compilePattern matches only itself when a name has no star", () => {
  fc.assert(fc.property(topic, topic, (a, b) => {
    assert.equal(isPattern(a), false);
    assert.equal(compilePattern(a)(b), a === b);
    assert.equal(compilePattern(a)(a), true);
  }));
});

Deno.test("assertTopicName takes what the grammar says and nothing else", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 10 }),
    fc.stringMatching(/^[A-Za-z0-9._-]{0,140}$/),
    fc.constantFrom(".", "..", "...", "a..b", ".a", "a\n", "ä", "a/b", "*", "😀"),
  );
  fc.assert(fc.property(text, (name) => {
    const fits = /^[A-Za-z0-9._-]{1,128}$/.test(name) && name !== "." && name !== "..";
    assert.equal(accepts(assertTopicName, name), fits);
    assert.equal(accepts(assertSubscriptionName, name), fits);
    if (fits) assert.equal(assertTopicName(name), name);
  }));
});

Deno.test("assertTopicName says what is wrong and where", () => {
  const cases: [string, RegExp][] = [
    ["", /topic name "" is empty/],
    ["..", /is reserved/],
    ["a b", /has " " at character 2/],
    ["x".repeat(129), /has 129 characters; the limit is 128/],
  ];
  for (const [name, message] of cases) {
    assert.throws(() => assertTopicName(name), { code: "topic/invalid-name", message });
  }
  assert.throws(() => assertSubscriptionName("a/b"), {
    code: "subscription/invalid-name",
    message: /subscription name "a\/b" has "\/"/,
  });
});

Deno.test("assertTopicPattern takes stars only as whole segments", () => {
  fc.assert(fc.property(pattern, (text) => assert.equal(assertTopicPattern(text), text)));
  for (const text of ["ord*", "*a", "***", "a..*", ".*", "*.", "a b.*", "*.ä", "a.**b"]) {
    assert.throws(() => assertTopicPattern(text), { code: "topic/invalid-pattern" }, text);
  }
  assert.throws(() => assertTopicPattern(`${"a.".repeat(64)}*`), { message: /129 characters/ });
  assert.throws(() => compilePattern("a.*b"), { code: "topic/invalid-pattern" });
});

Deno.test("checkTopicOptions gives options back when each is in its range", () => {
  const limit = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  const options = fc.record({
    persistent: fc.boolean(),
    retentionPeriod: limit,
    maxEvents: limit,
    maxBytes: limit,
    keep: fc.constantFrom("limits", "unconsumed"),
    drop: fc.constantFrom("limits", "consumed"),
    deadRetention: limit,
    deadMax: limit,
    schema: fc.constantFrom("off", "validate", "require"),
  }, { requiredKeys: [], noNullPrototype: true });
  fc.assert(fc.property(options, (given) => {
    assert.deepEqual(checkTopicOptions({ ...given }), given);
  }));
  assert.deepEqual(checkTopicOptions({ ...defaultTopicOptions }), defaultTopicOptions);
});

Deno.test("checkTopicOptions names the field when a value is wrong", () => {
  const wrong = fc.oneof(
    fc.tuple(
      fc.constantFrom("retentionPeriod", "maxEvents", "maxBytes", "deadRetention", "deadMax"),
      fc.oneof(fc.constantFrom<unknown>(-1, 1.5, NaN, Infinity, 2 ** 53, "1", null, true)),
    ),
    fc.tuple(fc.constant("persistent"), fc.constantFrom<unknown>(0, 1, "true", null)),
    fc.tuple(fc.constant("keep"), fc.constantFrom<unknown>("consumed", "", true, null)),
    fc.tuple(fc.constant("drop"), fc.constantFrom<unknown>("unconsumed", "", true, null)),
    fc.tuple(fc.constant("schema"), fc.constantFrom<unknown>("on", "", true, null)),
    fc.tuple(fc.constantFrom("store", "maxevents", "constructor", "toString"), fc.jsonValue()),
  );
  fc.assert(fc.property(wrong, ([field, value]) => {
    assert.throws(() => checkTopicOptions({ [field]: value }), (error) => {
      assert.ok(error instanceof InvalidArgumentError);
      assert.ok(error.message.startsWith(field));
      assert.equal(error.details?.["field"], field);
      return true;
    });
  }));
  for (const given of [null, [], "off", 1]) {
    assert.throws(() => checkTopicOptions(given), { message: /JSON object/ });
  }
});
