/**
 * Patterns mean the same on the linear-time engine as in JavaScript, and stay cheap whatever they
 * are.
 */
import assert from "node:assert/strict";
import fc from "../../../packages/fast_check.ts";
import { RE2JS } from "re2js";
import { JsonSchemaRegistry } from "../../../../core/schema/registry.ts";
import { isPlain } from "../../../../core/schema/validator/pattern.ts";
import { toRe2 } from "../../../../core/schema/validator/pattern_syntax.ts";
import { dose } from "../../../helpers/dose.ts";

const matchesRe2 = (pattern: string, text: string) =>
  RE2JS.compile(toRe2(pattern)).matcher(text).find();

const atom = fc.constantFrom(
  ...["a", "b", "é", "\u{1f600}", "-", " ", ".", "\\.", "\\/", "\\d", "\\D", "\\w", "\\W", "\\s"],
  ...[
    "\\S",
    "\\n",
    "\\t",
    "\\0",
    "\\cA",
    "\\x61",
    "\\u0061",
    "\\u{1f600}",
    "\\ud83d\\ude00",
    "\\b",
  ],
  ...[
    "[ab]",
    "[^ab]",
    "[a-c-]",
    "[\\d\\s]",
    "[\\S]",
    "[^\\W_]",
    "[\\b]",
    "[&&~]",
    "[[:a]",
    "[]",
    "[^]",
  ],
  ...[
    "\\p{Letter}",
    "\\P{Lu}",
    "\\p{Script=Greek}",
    "[\\p{L}\\d]",
    "[^\\P{Ll}]",
    "(?<n>a)",
    "(?i:A)",
  ],
);
const quantifier = fc.constantFrom("", "", "*", "+", "?", "{2}", "{1,}", "{0,3}", "+?", "{0,1200}");
const pattern: fc.Arbitrary<string> = fc.letrec<{ p: string }>((tie) => ({
  p: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(atom, quantifier).map(([one, times]) => one === "\\b" ? one : one + times),
    fc.tuple(tie("p"), tie("p")).map((both) => both.join("")),
    fc.tuple(tie("p"), tie("p")).map((both) => `(${both.join("|")})`),
    tie("p").map((one) => `(?:${one})?`),
    tie("p").map((one) => `^${one}$`),
  ),
})).p.filter((one) => (one.match(/\(\?<n>/g) ?? []).length < 2);
const text = fc.array(
  fc.constantFrom(
    "a",
    "A",
    "b",
    "B",
    "é",
    "\u{1f600}",
    "-",
    " ",
    ".",
    "/",
    "1",
    "_",
    "\n",
    "\t",
    "\0",
    "\u0001",
    "\b",
    "\u2028",
    "\u00a0",
    "\ufeff",
    "Ω",
    "ß",
    "&",
    "[",
    ":",
    "~",
  ),
  { maxLength: 5 },
).map((all) => all.join(""));

Deno.test("toRe2 means what V8 means, for any pattern and text", () => {
  fc.assert(
    fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 6 }), (source, texts) => {
      const v8 = new RegExp(source, "u");
      const re2 = RE2JS.compile(toRe2(source));
      for (const one of texts) {
        assert.equal(re2.matcher(one).find(), v8.test(one), `${source} on ${JSON.stringify(one)}`);
      }
    }),
    { numRuns: dose(250) },
  );
});

Deno.test("toRe2 knows every kind of Unicode property at every code point", () => {
  for (
    const name of [
      ...[
        "Letter",
        "L",
        "gc=Lu",
        "Script=Greek",
        "sc=Cyrl",
        "scx=Grek",
        "Cn",
        "Cs",
        "Any",
        "ASCII",
      ],
      ...["Emoji", "White_Space", "Noncharacter_Code_Point", "Co"],
    ]
  ) {
    const v8 = new RegExp(`^\\p{${name}}$`, "u");
    const re2 = RE2JS.compile(toRe2(`^\\p{${name}}$`));
    // Steps that meet every plane and both ends of each.
    for (let code = 0; code <= 0x10ffff; code += code % 0x10000 > 0xfff0 ? 1 : 61) {
      const char = String.fromCodePoint(code);
      assert.equal(re2.matcher(char).find(), v8.test(char), `${name} ${code.toString(16)}`);
    }
  }
});

Deno.test("JsonSchemaRegistry takes patterns with properties and large counts", async () => {
  const fits = async (source: string, value: string) => {
    const registry = new JsonSchemaRegistry();
    await registry.register("t", { schema: JSON.stringify({ pattern: source }) });
    return registry.validate("t", undefined, value).faults.length === 0;
  };
  for (
    const [source, good, bad] of [
      ["^\\p{Letter}+$", "Ωmega", "a1"],
      ["\\p{Script=Greek}", "αβ", "ab"],
      ["^.{1,1024}$", "\u{1f600}".repeat(1024), "x".repeat(1025)],
      ["^(?:ab|c){2,1024}$", "c".repeat(1024), "c".repeat(1025)],
      ["^(?:ab|c){1100}$", "c".repeat(1100), "c".repeat(1099)],
      ["^(?:ab|c){1100,}$", "c".repeat(1101), "c".repeat(1099)],
      ["x\\sy", "x\u00a0y", "x_y"],
    ]
  ) {
    assert.ok(await fits(source!, good!), `${source} takes`);
    assert.ok(!await fits(source!, bad!), `${source} refuses`);
  }
});

Deno.test("JsonSchemaRegistry says why a pattern is refused, with a hint that fits", async () => {
  const many = Array.from({ length: 60 }, () => "\\p{L}").join("x");
  const nested = "(".repeat(40) + "a" + "{1,2000})".repeat(40) + "{1,2000}";
  for (
    const [source, message, hint] of [
      ["a(?=b)", /look-around/, /without look-around/],
      ["(?<!a)b", /look-around/, /without look-around/],
      ["(a)\\1", /back-reference/, /without look-around/],
      ["(?<n>a)\\k<n>", /back-reference/, /without look-around/],
      ["(a|b){1,99999}", /instructions|too large|repeat/, /smaller counts/],
      ["(a|b){200000}", /repeats something 200000 times/, /smaller counts/],
      [nested, /too large|instructions/, /smaller counts|counts/],
      [many, /instructions/, /counts/],
    ] as [string, RegExp, RegExp][]
  ) {
    await assert.rejects(
      new JsonSchemaRegistry().register("t", { schema: JSON.stringify({ pattern: source }) }),
      (error: Error & { code: string; hint: string }) => {
        assert.equal(error.code, "schema/pattern-refused", source);
        assert.match(error.message, message);
        assert.match(error.hint, hint);
        return true;
      },
    );
  }
});

Deno.test("isPlain leaves a count behind a repetition to the linear-time engine", () => {
  assert.equal(isPlain("^.{1,1024}$"), true);
  assert.equal(isPlain("^a{5000}b*c$"), true);
  assert.equal(isPlain("^a*a{999}b$"), false);
  assert.ok(!matchesRe2("^a*a{999}b$", "a".repeat(2000)));
});
