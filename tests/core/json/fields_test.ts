/** Reading a few members of a JSON object on bytes, compared with `JSON.parse`. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { FieldReader } from "../../../core/json/fields.ts";
import { dose } from "../../helpers/dose.ts";
import { CORPUS, jsonText } from "../../helpers/json_text.ts";

const encoder = new TextEncoder();

/** Reads the line between two others: nothing of them may be taken for a part of it. */
function read(line: string, paths: string[][]): Record<string, unknown> | undefined {
  const bytes = encoder.encode(`{"seq":0}\n${line}\n{"seq":2,"payload":{"a":9}}\n`);
  return new FieldReader(paths).read(bytes, 10);
}

/** The same from the parsed value, the slow way. */
function pick(value: unknown, paths: string[][]): unknown {
  const all = paths.some((path) => path.length === 0);
  if (all || typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const picked: Record<string, unknown> = {};
  for (const [name] of paths as [string][]) {
    if (!Object.hasOwn(value, name)) continue;
    const rests = paths.filter(([first]) => first === name).map(([, ...rest]) => rest);
    picked[name] = pick((value as Record<string, unknown>)[name], rests);
  }
  return picked;
}

Deno.test("FieldReader gives what JSON.parse gives for the members that are wanted", () => {
  const name = fc.constantFrom("a", "b", "é", "toString", "a.b", "");
  const space = fc.constantFrom("", "", " ", "\t", "\r");
  const object = (value: fc.Arbitrary<string>) =>
    fc.array(fc.tuple(space, name, space, value, space), { maxLength: 5 }).map((members) =>
      `{${members.map(([a, key, b, of, c]) => `${a}"${key}"${b}:${of}${c}`).join(",")}}`
    );
  const leaf = fc.oneof(
    jsonText,
    fc.constantFrom(...CORPUS.filter((text) => text.length < 1000)),
    fc.integer().map(String),
    fc.string({ maxLength: 60 }).map((text) => JSON.stringify(text)),
  );
  const payload = fc.oneof(leaf, object(fc.oneof(leaf, object(fc.oneof(leaf, object(leaf))))));
  const path = fc.array(name, { maxLength: 3 }).map((names) => ["payload", ...names]);
  let known = 0;
  fc.assert(
    fc.property(payload, jsonText, fc.array(path, { maxLength: 4 }), (text, metadata, some) => {
      const paths = [...some, ["seq"]];
      const line = `{"seq":17,"metadata":${metadata},"payload":${text}}`;
      const found = read(line, paths);
      if (found === undefined) return; // it must be parsed: never wrong
      known++;
      assert.deepEqual(found, pick(JSON.parse(line), paths), line);
    }),
    { numRuns: dose(1000) },
  );
  assert.ok(known > dose(1000) / 2, `${known} were read`);
});

Deno.test("FieldReader is sure of names without escapes, and of no other", () => {
  assert.deepEqual(read('{"seq":1,"payload":{"a":1,"a":[2]}}', [["payload", "a"]]), {
    payload: { a: [2] },
  });
  assert.equal(read('{"seq":1,"payload":{"a":1,"\\u0061":2}}', [["payload", "a"]]), undefined);
  assert.deepEqual(read('{"seq":1,"payload":{"a":{"\\u0061":2}}}', [["payload", "a"]]), {
    payload: { a: { a: 2 } },
  });
});

Deno.test("FieldReader ends with undefined when the bytes are no JSON", () => {
  const broken = [
    '{"payload":{"a',
    '{"payload":{"a":',
    '{"payload":{"a":[1,{',
    '{"payload"',
    "[1]",
  ];
  for (const line of broken) {
    const bytes = encoder.encode(line);
    for (const end of ["", "\n"]) {
      const reader = new FieldReader([["payload", "b"], ["other"]]);
      assert.equal(reader.read(encoder.encode(line + end), 0), undefined, line);
    }
    assert.equal(new FieldReader([["payload"]]).read(bytes, 0), undefined, line);
  }
});
