/**
 * `--where`: expressions and payloads from strangers. An expression is refused with an error, or
 * decides every event with true or false; it never throws, and no event takes forever.
 */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { Event } from "../../core/event/event.ts";
import { compileFilter, type Filter } from "../../core/filter/filter.ts";
import { cases, fuzz, hostileText, nearly } from "./fuzz.ts";

const file = "where_test.ts";
/**
 * An expression on an event of this size may cost a bounded number of steps: this is far more time
 * than they take, ms.
 */
const FOR_EVER = 5000;

const atom = fc.constantFrom(
  ...[
    "payload",
    "event",
    "payload.a",
    "payload.list",
    "payload.s",
    "payload['a']",
    "payload.list[0]",
  ],
  ...["event.type", "event.seq", "event.metadata", "event.key", "event.timestamp", "payload.a.b.c"],
  ...[
    "1",
    "-1",
    "1.5",
    "0",
    "2u",
    "true",
    "false",
    "null",
    "'x'",
    "r'\\'",
    "b'x'",
    "''",
    "[]",
    "{}",
    "[1, 'a']",
  ],
  ...[
    "9223372036854775807",
    "1e308",
    "'(a+)+$'",
    "timestamp('2026-01-01T00:00:00Z')",
    "duration('1h')",
    "type(1)",
  ],
);
const expression: fc.Arbitrary<string> = fc.letrec<{ e: string }>((tie) => ({
  e: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    atom,
    fc.tuple(
      tie("e"),
      fc.constantFrom("+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"),
      tie("e"),
    )
      .map(([a, operator, b]) => `${a} ${operator} ${b}`),
    fc.tuple(tie("e"), tie("e"), tie("e")).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    tie("e").map((a) => `(${a})`),
    tie("e").map((a) => `!${a}`),
    tie("e").map((a) => `-${a}`),
    fc.tuple(
      fc.constantFrom("size", "has", "int", "double", "string", "bool", "type", "dyn", "nope"),
      tie("e"),
    )
      .map(([call, a]) => `${call}(${a})`),
    fc.tuple(
      tie("e"),
      fc.constantFrom(
        "matches",
        "contains",
        "startsWith",
        "endsWith",
        "size",
        "split",
        "nope",
        "matchRe",
      ),
      tie("e"),
    ).map(([a, call, b]) => `${a}.${call}(${b})`),
    fc.tuple(tie("e"), fc.constantFrom("all", "exists", "exists_one", "map", "filter"), tie("e"))
      .map(([a, macro, b]) => `${a}.${macro}(i, ${b})`),
    fc.tuple(tie("e"), tie("e")).map(([a, b]) => `cel.bind(i, ${a}, ${b})`),
    fc.tuple(tie("e"), tie("e")).map(([a, b]) => `${a}[${b}]`),
  ),
})).e;

const payloads: unknown[] = [
  null,
  3,
  "text",
  { a: { b: { c: 1 } }, list: [1, 2, "a"], s: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!" },
  { a: 7.5, list: Array.from({ length: 300 }, (_, i) => i), s: "\ud800" },
  JSON.parse('{"__proto__": {"a": 1}, "constructor": 2, "list": {"length": 9}, "s": 1}'),
];
const events = payloads.map((payload, i): Event => ({
  id: `${i}`,
  seq: i + 1,
  type: "order.created",
  topic: "orders",
  timestamp: 1_800_000_000_000,
  schemaVersion: "1.0",
  metadata: {},
  payload,
}));

async function compiled(text: string): Promise<Filter | undefined> {
  try {
    return await compileFilter(text);
  } catch (error) {
    assert.ok(error instanceof InvalidArgumentError, `not in words: ${(error as Error).stack}`);
    assert.equal(error.code, "filter/invalid");
    return undefined;
  }
}

Deno.test("compileFilter refuses any text in words, or decides every event with true or false", async () => {
  let decided = 0;
  const any = fc.oneof(
    { weight: 5, arbitrary: expression },
    { weight: 3, arbitrary: nearly(expression) },
    { weight: 1, arbitrary: hostileText },
  );
  await fuzz(
    fc.asyncProperty(any, async (text) => {
      const begun = performance.now();
      const filter = await compiled(text);
      if (!filter) return;
      for (const event of events) assert.equal(typeof filter(event), "boolean");
      decided++;
      assert.ok(performance.now() - begun < FOR_EVER, "it is decided before long");
    }),
    { numRuns: cases(5000), file },
  );
  assert.ok(decided > 0, "some of them are expressions");
});
