/** Validating JSON on bytes, compared with `JSON.parse`. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { MAX_DEPTH, parseJson } from "../../../core/json/json.ts";
import { scanLine, UNSURE } from "../../../core/json/scan.ts";
import { dose } from "../../helpers/dose.ts";
import { CORPUS, jsonText } from "../../helpers/json_text.ts";

const encoder = new TextEncoder();

/** Scans the text as a line between two others: nothing of them may be taken for a part of it. */
function accepts(text: string): boolean {
  const end = scanLine(encoder.encode(`1\n${text}\n"}]1"\n`), 2);
  if (end === UNSURE) return false;
  const length = encoder.encode(text).length;
  assert.equal((end < UNSURE ? ~end : end) - 2, text.endsWith("\r") ? length - 1 : length);
  // deno-lint-ignore no-control-regex -- ASCII is exactly what is asked for
  assert.equal(end < UNSURE, !/^[\u0000-\u007f]*$/.test(text), "tells bytes above ASCII");
  return true;
}

function isJson(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}

Deno.test("scanLine takes JSON in every spelling", () => {
  for (const text of CORPUS) assert.ok(accepts(text), text.slice(0, 100));
  fc.assert(fc.property(jsonText, (text) => assert.ok(accepts(text))), { numRuns: dose(1000) });
});

Deno.test("scanLine takes what JSON.parse takes, and nothing else, when a text is nearly JSON", () => {
  const noise = fc.oneof(
    fc.constantFrom(
      ...'{}[]",:\\ \t\r-+.0123456789eEtrufalsn/bu',
      "\u0000",
      "\u001f",
      "\u007f",
      "é",
      "\ufeff",
    ),
    fc.constantFrom("true", "null", "\\u00", '"a":', "01", "1.", "-", "1e", "//", "'"),
  );
  const edit = fc.tuple(fc.nat(), fc.nat(2), noise);
  const near = fc.tuple(jsonText, fc.array(edit, { minLength: 1, maxLength: 3 })).map(
    ([text, edits]) =>
      edits.reduce((now, [place, gone, more]) => {
        const at = place % (now.length + 1);
        return now.slice(0, at) + more + now.slice(at + gone);
      }, text),
  );
  const any = fc.oneof(near, fc.array(noise, { maxLength: 8 }).map((parts) => parts.join("")));
  fc.assert(
    fc.property(any.filter((text) => text.isWellFormed()), (text) => {
      const taken = accepts(text);
      if (taken) assert.ok(isJson(text), `${JSON.stringify(text)} is not JSON`);
      // A carriage return within a line is left to the slow way, which makes a space of it.
      else if (!text.includes("\r")) assert.ok(!isJson(text), `${JSON.stringify(text)} is JSON`);
    }),
    { numRuns: dose(5000) },
  );
});

Deno.test("scanLine takes what JSON.parse takes, and nothing else, of all short texts", () => {
  const alphabet = [...'{}[]",:\\ 01-.e', "é"];
  const extend = (text: string, left: number): void => {
    assert.equal(accepts(text), isJson(text), JSON.stringify(text));
    if (left > 0) { for (const char of alphabet) extend(text + char, left - 1); }
  };
  extend("", 4);
});

Deno.test("scanLine takes what JSON.parse takes of every byte, in a string and after a backslash", () => {
  for (let code = 0; code < 0x80; code++) {
    const char = String.fromCharCode(code);
    if (char === "\n") continue; // ends the line
    for (const text of [`"${char}"`, `"\\${char}"`, `"\\u00${char}0"`, `["a${char}b"]`]) {
      assert.equal(accepts(text), isJson(text), JSON.stringify(text));
    }
  }
});

Deno.test("scanLine leaves what nests too deep to who can say where", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  assert.ok(accepts(nested(MAX_DEPTH)));
  assert.equal(accepts(nested(MAX_DEPTH + 1)), false);
  assert.equal(accepts(`{"a":${nested(MAX_DEPTH)}}`), false);
});
