/**
 * Patterns that strangers write. They run on RE2 (time linear in the input), with V8's engine only where a pattern is
 * provably plain; then no payload can make a pattern run for ever (contract row 25).
 */
import type { RE2JS } from "re2js";
import { InvalidSchemaError } from "../../base/errors.ts";
import type { CheckBudget } from "./budget.ts";

/** What ajv needs of a compiled pattern. */
export interface PatternEngine {
  test(text: string): boolean;
  /** ajv keeps engines by their text: two patterns must never have the same. */
  toString(): string;
}

/** RE2, loaded once. */
export type Re2 = typeof RE2JS;

const LONGEST = 2000;
/** Instructions of all patterns of a schema together: `x{1000}` makes a thousand of five characters. */
export const MAX_PATTERN_SIZE = 10_000;

/** Compiles a pattern of JSON Schema (ECMA-262, flag `u`). Throws `InvalidSchemaError` for what RE2 does not run. */
export function compileSafePattern(
  pattern: string,
  about: { re2: Re2; size: { left: number }; budget: Pick<CheckBudget, "spendOnPattern"> },
): PatternEngine {
  const { re2, size, budget } = about;
  if (pattern.length > LONGEST) {
    throw new InvalidSchemaError(
      `a pattern has ${pattern.length} characters, and ${LONGEST} is the most`,
      {
        code: "schema/pattern-refused",
      },
    );
  }
  if (isPlain(pattern)) return new RegExp(pattern, "u");
  let compiled: RE2JS;
  try {
    compiled = re2.compile(re2.translateRegExp(pattern));
  } catch (cause) {
    throw new InvalidSchemaError(
      `the pattern ${JSON.stringify(pattern)} is refused: ${reasonFor(pattern, cause)}`,
      {
        code: "schema/pattern-refused",
        cause,
        details: { pattern },
        hint: "patterns run in linear time: without look-around and back-references",
      },
    );
  }
  const instructions = compiled.programSize();
  size.left -= instructions;
  if (size.left < 0) {
    throw new InvalidSchemaError(
      `the patterns up to ${
        JSON.stringify(pattern)
      } make programs of more than ${MAX_PATTERN_SIZE} instructions`,
      {
        code: "schema/pattern-refused",
        details: { pattern },
        hint: "use smaller counts: x{1000} makes 1,000 instructions",
      },
    );
  }
  return {
    test: (text) => {
      budget.spendOnPattern(instructions, text.length);
      return compiled.matcher(text).find();
    },
    toString: () => `re2:${pattern}`,
  };
}

function reasonFor(pattern: string, cause: unknown): string {
  if (/\(\?<?[=!]/.test(pattern)) return "it has look-around";
  if (/\\[1-9]|\\k</.test(pattern)) return "it has a back-reference";
  return cause instanceof Error ? cause.message : String(cause);
}

const ATOM = String
  .raw`(?:[^\\^$.*+?()[\]{}|/]|\.|\\[dwsDWS]|\\[\\^$.*+?()[\]{}|/-]|\[\^?(?:[^\\\]]|\\[dwsDWS]|\\[\\^$.*+?()[\]{}|/-])+\])`;
const FIXED = String.raw`(?:\{\d{1,3}\})?`;
const VARIABLE = String.raw`(?:[*+?]|\{\d{1,3},\d{0,3}\})`;
/** `^`, atoms of one character each, at most one of them repeated a variable number of times, `$`. */
const PLAIN = new RegExp(
  `^\\^(?:${ATOM}${FIXED})*(?:${ATOM}${VARIABLE})?(?:${ATOM}${FIXED})*\\$?$`,
  "u",
);

/**
 * True for a pattern that V8 cannot be slow on: anchored, no groups, no alternatives, and at most one repetition of
 * variable length. There is then one place to begin and one number to choose: at most quadratic in a short tail, and
 * linear where the tail has a fixed length, which it has.
 */
export function isPlain(pattern: string): boolean {
  return pattern.length <= 200 && PLAIN.test(pattern);
}
