/**
 * JSON as text: what a publisher may send, in spellings that a parser and a printer would change.
 */
import fc from "../packages/fast_check.ts";

/** Texts that have broken JSON implementations: each is valid and must come back byte for byte. */
export const CORPUS: readonly string[] = [
  "9007199254740993",
  "1.0",
  "-0",
  "-0.0",
  "1e400",
  "1E+2",
  "0.1e-7",
  "123456789012345678901234567890.123456789012345678901234567890",
  '{"a":1,"a":2}',
  '{"a":{"b":1},"a":[]}',
  '"\\u0000"',
  '{"\\u0000":"\\u0000"}',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\ud83d\\ude00"',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":null},"toString":1,"hasOwnProperty":2}',
  '{"__proto__":1,"__proto__":2}',
  '{ "a" : [ 1 , 2 ] , "b" : { } }',
  '{\t"tab":\t1}',
  '"\\/\\b\\f\\n\\r\\t\\"\\\\"',
  '"\u2028\u2029\u00a0\ufeff"',
  '"\u{1f600}\u{10ffff}"',
  '"e\u0301\u00e9"',
  '""',
  "[]",
  "{}",
  "null",
  "true",
  "false",
  '{"":{"":""}}',
  '{"b":1,"a":2,"10":3,"9":4}',
  '{"payload":{"payload":"}\\n{"},"seq":-1,"topic":"other","metadata":{"x":1}}',
  '"}\\n{\\"seq\\":1,\\"payload\\":"',
  "[".repeat(64) + "]".repeat(64),
  `"${"x".repeat(100_000)}"`,
  `"${"\u00e9".repeat(5000)}"`,
];

const space = fc.constantFrom("", "", "", " ", "  ", "\t");

/** A string literal in any spelling: unnecessary escapes, lone surrogates as escapes. */
const stringText = fc.array(
  fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 4 }).map((text) =>
      JSON.stringify(text).slice(1, -1)
    ),
    fc.nat(0xffff).map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`),
    fc.constantFrom("\\/", "\\b", "__proto__", "\\uD800", "\\u0000", "\u2028"),
  ),
  { maxLength: 4 },
).map((parts) => `"${parts.join("")}"`);

const numberText = fc.tuple(
  fc.constantFrom("", "-"),
  fc.oneof(fc.constant("0"), fc.bigInt({ min: 1n, max: 10n ** 24n }).map(String)),
  fc.constantFrom("", ".0", ".50", ".000000000000000000001"),
  fc.constantFrom("", "e5", "E+400", "e-400"),
).map((parts) => parts.join(""));

/** One JSON value as text on one line, up to 63 levels deep. */
export const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(numberText, stringText, fc.constantFrom("true", "false", "null")),
    fc.tuple(fc.array(fc.tuple(space, tie("value"), space), { maxLength: 4 }), space)
      .map(([items, gap]) =>
        items.length === 0 ? `[${gap}]` : `[${items.map((i) => i.join("")).join(",")}]`
      ),
    fc.tuple(
      fc.array(fc.tuple(space, stringText, space, space, tie("value"), space), { maxLength: 4 }),
      space,
    ).map(([members, gap]) =>
      members.length === 0
        ? `{${gap}}`
        : `{${
          members.map(([a, name, b, c, value, d]) => `${a}${name}${b}:${c}${value}${d}`).join(",")
        }}`
    ),
  ),
})).value;
