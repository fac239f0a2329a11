/** `--format`: its tokens, its errors, and what each prints of an event. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { parseFormat } from "../../../commands/reading/format.ts";
import { formatEvent } from "../../../commands/reading/format_event.ts";
import { rawPayload } from "../../../commands/reading/raw.ts";
import { escapeText } from "../../../commands/terminal/escape.ts";

const encoder = new TextEncoder();
const plain = (text: string) => text;

const EVENT = {
  seq: 7,
  id: "o-17",
  type: "order.placed",
  topic: "orders",
  timestamp: 1_795_936_000_123,
  schemaVersion: "1.0",
  metadata: {},
  key: 'k "1"',
};

function lineOf(payload: string, event: Record<string, unknown> = EVENT): Uint8Array {
  return encoder.encode(`${JSON.stringify(event).slice(0, -1)},"payload":${payload}}`);
}

function format(text: string, payload: string): string {
  return formatEvent(parseFormat(text), { line: lineOf(payload), escape: plain });
}

Deno.test("formatEvent replaces each token by its value", () => {
  const payload = `{"total": 12.50, "big":9007199254740993,"a/b":{"~":[1,{"x":"ü\\n"}]},"no":null}`;
  const tokens: [token: string, value: string][] = [
    ["%t", "orders"],
    ["%s", "7"],
    ["%i", "o-17"],
    ["%k", 'k "1"'],
    ["%y", "order.placed"],
    ["%T", "2026-11-29T07:06:40.123Z"],
    ["%p", payload],
    ["%{}", payload],
    ["%{/total}", "12.50"],
    ["%{/big}", "9007199254740993"],
    ["%{/a~1b/~0/0}", "1"],
    ["%{/a~1b/~0/1/x}", "ü\n"],
    ["%{/a~1b/~0/1}", `{"x":"ü\\n"}`],
    ["%{/no}", "null"],
    ["%{/none}", ""],
    ["%{/total/x}", ""],
    ["%%", "%"],
    [String.raw`\t`, "\t"],
    [String.raw`\n`, "\n"],
    [String.raw`\\`, "\\"],
    ["plain { } / text", "plain { } / text"],
    ["", ""],
  ];
  for (const [token, value] of tokens) assert.equal(format(token, payload), value, token);
  const all = tokens.map(([token]) => token).join("|");
  assert.equal(format(all, payload), tokens.map(([, value]) => value).join("|"));
});

Deno.test("formatEvent prints nothing for a key that is not there, and a time that no calendar has as its number", () => {
  const { key: _, ...event } = { ...EVENT, timestamp: 1_795_936_000_123_000_000 };
  const line = lineOf("1", event);
  const text = formatEvent(parseFormat("[%k] %T"), { line, escape: plain });
  assert.equal(text, "[] 1795936000123000000");
});

Deno.test("formatEvent escapes values and leaves the text of the format as it is", () => {
  const line = lineOf(JSON.stringify({ evil: "\x1b[2J\n" }));
  const parts = parseFormat("\x1b[1m%{/evil}\\n");
  assert.equal(formatEvent(parts, { line, escape: escapeText }), "\x1b[1m\\e[2J\\n\n");
});

Deno.test("parseFormat names a wrong token and its place", () => {
  const wrong: [format: string, message: RegExp][] = [
    ["%z", /^%z at character 1 is no token; there are %t %s %i %k %y %T %p /],
    ["%s %-5s", /^%- at character 4 is no token/],
    ["ü\u{1f600}%ü", /^%ü at character 3 is no token/],
    ["a%\u{1f600}", /^%\u{1f600} at character 2 is no token/u],
    ["%constructor", /^%c at character 1 is no token/],
    [String.raw`%s\q`, /^\\q at character 3 is no token/],
    ["100%", /^% at character 4 is half a token; for the character itself: %%$/],
    ["a\\", /^\\ at character 2 is half a token; for the character itself: \\\\$/],
    ["%s %{/a", /^%\{ at character 4 has no \}$/],
    ["%{a}", /^%\{a\} at character 1 is no JSON pointer: it begins with \/, as in %\{\/a\}$/],
    ["%{/a~2}", /^%\{\/a~2\} at character 1 is no JSON pointer/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(() => parseFormat(text), { message }, text);
  }
});

Deno.test("%p of a string is its text, and rawPayload has the same", () => {
  const character = fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code));
  fc.assert(fc.property(fc.array(character).map((all) => all.join("")), (text) => {
    const line = lineOf(JSON.stringify(text));
    assert.equal(formatEvent(parseFormat("%p"), { line, escape: plain }), text);
    assert.deepEqual(rawPayload(line), { bytes: encoder.encode(text), binary: false });
  }));
});

Deno.test("rawPayload has the bytes of base64 only where the metadata say so and it is base64", () => {
  const bytes = Uint8Array.of(0, 255, 10, 128);
  const base64 = JSON.stringify(bytes.toBase64());
  const marked = { ...EVENT, metadata: { contentEncoding: "base64" } };
  assert.deepEqual(rawPayload(lineOf(base64, marked)), { bytes, binary: true });
  const others: [payload: string, event: Record<string, unknown>][] = [
    [base64, EVENT],
    [`"not base64!"`, marked],
    [`{"a":1}`, marked],
    [base64, { ...EVENT, metadata: { note: "contentEncoding", contentEncoding: "gzip" } }],
  ];
  for (const [payload, event] of others) {
    const text = payload.startsWith('"') ? JSON.parse(payload) : payload;
    assert.deepEqual(rawPayload(lineOf(payload, event)), {
      bytes: encoder.encode(text),
      binary: false,
    });
  }
});
