/** The dashboard shows JSON as it was written: only the space between its tokens changes. */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { compactJson, indentedJson, jsonTokens } from "../../dashboard/view/json_text.ts";

Deno.test("indentedJson keeps numbers of any size, duplicate names and escapes", () => {
  const json = '{"a":9007199254740993,"a":1.0,"b":[1e400,-0,"\\u0000\\ud800 }{,:"],"c":{},"d":[]}';
  const shown = indentedJson(json);
  assert.equal(
    shown,
    [
      "{",
      '  "a": 9007199254740993,',
      '  "a": 1.0,',
      '  "b": [',
      "    1e400,",
      "    -0,",
      '    "\\u0000\\ud800 }{,:"',
      "  ],",
      '  "c": {},',
      '  "d": []',
      "}",
    ].join("\n"),
  );
  assert.equal(compactJson(shown), json);
});

Deno.test("indentedJson shows what changes the direction of text as escapes, and editing does not", () => {
  assert.equal(indentedJson('"a\u202eb"'), '"a\\u202eb"');
  assert.equal(indentedJson('"a\u202eb"', { isEscaped: false }), '"a\u202eb"');
});

Deno.test("compactJson takes back what indentedJson added, of any JSON", () => {
  fc.assert(fc.property(fc.json(), (json) => {
    const shown = indentedJson(json, { isEscaped: false });
    assert.equal(compactJson(shown), compactJson(json));
    assert.deepEqual(JSON.parse(shown), JSON.parse(json));
  }));
});

Deno.test("jsonTokens tells names from strings, and numbers from words", () => {
  const kinds = jsonTokens('{"a": "b", "c": -1.5e3, "d": null}').map((
    { kind, text },
  ) => [kind, text]);
  assert.deepEqual(kinds.filter(([kind]) => kind !== "punctuation"), [
    ["name", '"a"'],
    ["string", '"b"'],
    ["name", '"c"'],
    ["number", "-1.5e3"],
    ["name", '"d"'],
    ["word", "null"],
  ]);
});
