/** Filtering wire lines without parsing them. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { compileFilter } from "../../../core/filter/filter.ts";
import { lineFilter } from "../../../core/reading/line_filter.ts";
import { dose } from "../../helpers/dose.ts";
import { jsonText } from "../../helpers/json_text.ts";

const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];

/** Expressions, and the fields that are read for them. */
const FIELDS: [string, string[][] | undefined][] = [
  ["payload.n > 3", [["payload", "n"]]],
  ["event.payload.n > 3", [["payload", "n"]]],
  ['payload.a.b == "x" || payload.n == 1', [["payload", "a", "b"], ["payload", "n"]]],
  ["has(payload.a.b)", [["payload", "a", "b"]]],
  ['event.type == "x" && payload.list.exists(i, i == payload.n)', [["type"], ["payload", "list"], [
    "payload",
    "n",
  ]]],
  ["payload.list.map(i, i * 2).size() > 1", [["payload", "list"]]],
  ["payload.list[0] == payload.n", [["payload", "list"], ["payload", "n"]]],
  ["cel.bind(p, payload.a, p.b == 1)", [["payload", "a"]]],
  ["payload == 3", [["payload"]]],
  ['payload["n"] > 3', [["payload"]]],
  ['"n" in payload', [["payload"]]],
  ["payload.exists(k, k == 'n')", [["payload"]]],
  ["cel.bind(p, payload, p.n == 1)", [["payload"]]],
  ["[event].exists(e, e.seq == 1)", undefined],
  ["{'p': payload}.p.n == 1", [["payload"]]],
  ["(true ? payload : event).n == 1", undefined],
  ["payload.__proto__.n == 1", undefined],
  ["event.metadata.source == 'x' && event.seq > 0", [["metadata", "source"], ["seq"]]],
];

Deno.test("compileFilter says which fields it reads, and nothing when it may read any", async () => {
  for (const [expression, fields] of FIELDS) {
    const filter = await compileFilter(expression);
    const sorted = filter.fields?.map((path) => path.join()).sort();
    const expected = fields && [...new Set(fields.map((path) => path.join()))].sort();
    assert.deepEqual(sorted, expected, expression);
  }
  const sum = (count: number) =>
    `${Array.from({ length: count }, (_, i) => `payload.n${i} + payload.n${i}`).join(" + ")} > 1`;
  assert.equal((await compileFilter(sum(16))).fields?.length, 16);
  assert.equal((await compileFilter(sum(17))).fields, undefined);
});

Deno.test("lineFilter keeps the very lines that the filter wants", async () => {
  const value = fc.oneof(
    jsonText,
    fc.integer({ min: 0, max: 5 }).map(String),
    fc.constantFrom('"x"', '"n"', "[1,2,3]", "[]", '{"b":"x"}', '{"b":1}', '{"\\u0062":"x"}'),
  );
  const member = fc.tuple(fc.constantFrom("n", "a", "list", "\\u006e", "__proto__"), value)
    .map(([name, of]) => `"${name}":${of}`);
  const payload = fc.oneof(
    { weight: 5, arbitrary: fc.array(member, { maxLength: 5 }).map((all) => `{${all.join()}}`) },
    { weight: 1, arbitrary: value },
  );
  const filters = await Promise.all(
    FIELDS.map(async ([expression]) => [expression, await compileFilter(expression)] as const),
  );
  fc.assert(
    fc.property(fc.array(payload, { maxLength: 8 }), (payloads) => {
      const lines = payloads.map((text, i) =>
        `{"seq":${i + 1},"id":"i${i}","type":"${i % 2 ? "x" : "y"}","topic":"t","timestamp":1,` +
        `"schemaVersion":"1.0","metadata":{"source":"x"},"payload":${text}}\n`
      );
      const bytes = encoder.encode(lines.join(""));
      for (const [expression, filter] of filters) {
        assert.equal(
          decoder.decode(lineFilter(filter)(bytes)),
          lines.filter((line) => filter(JSON.parse(line))).join(""),
          expression,
        );
      }
    }),
    { numRuns: dose(200) },
  );
});
