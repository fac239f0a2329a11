/**
 * Patterns that strangers write. They run on RE2 (time linear in the input), with V8's engine only
 * where a pattern is provably plain; then no payload can make a pattern run for ever (contract row
 * 25).
 */
import type { RE2JS } from "re2js";
import { InvalidSchemaError } from "../../base/errors.ts";
import type { CheckBudget } from "./budget.ts";
import { PatternRefusal, toRe2 } from "./pattern_syntax.ts";

/** What ajv needs of a compiled pattern. */
export interface PatternEngine {
  test(text: string): boolean;
  /** ajv keeps engines by their text: two patterns must never have the same. */
  toString(): string;
}

/** RE2, loaded once. */
export type Re2 = typeof RE2JS;

const LONGEST = 2000;
/**
 * Instructions of all patterns of a schema together: `x{1000}` makes a thousand of five characters.
 */
export const MAX_PATTERN_SIZE = 10_000;
/**
 * What a Unicode property costs of it: its code points are looked up in all of Unicode, which takes
 * milliseconds.
 */
const PROPERTY_SIZE = 250;

/**
 * Compiles a pattern of JSON Schema (ECMA-262, flag `u`). Throws `InvalidSchemaError` for what RE2
 * does not run.
 */
export function compileSafePattern(
  pattern: string,
  about: { re2: Re2; size: { left: number }; budget: Pick<CheckBudget, "spendOnPattern"> },
): PatternEngine {
  const { size, budget } = about;
  if (pattern.length > LONGEST) {
    throw new InvalidSchemaError(
      `a pattern has ${pattern.length} characters, and ${LONGEST} is the most`,
      {
        code: "schema/pattern-refused",
      },
    );
  }
  if (isPlain(pattern)) return new RegExp(pattern, "u");
  const compiled = compileLinear(pattern, about);
  const instructions = Math.max(compiled.programSize(), sizeAsWritten(pattern, about.re2));
  spendSize(size, { instructions, pattern });
  return {
    test: (text) => {
      budget.spendOnPattern(instructions, text.length);
      return compiled.matcher(text).find();
    },
    toString: () => `re2:${pattern}`,
  };
}

/**
 * Instructions of the pattern as it was written, with its groups and classes. Its translation has
 * fewer, and each of them takes longer.
 */
function sizeAsWritten(pattern: string, re2: Re2): number {
  try {
    return re2.compile(re2.translateRegExp(pattern)).programSize();
  } catch {
    return 0; // what RE2 reads only in its translation
  }
}

function compileLinear(
  pattern: string,
  { re2, size }: { re2: Re2; size: { left: number } },
): RE2JS {
  try {
    new RegExp(pattern, "u");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw refused(pattern, why.replace(/^Invalid regular expression: .*: /, ""), {
      cause,
      hint: "a pattern is a regular expression of JavaScript with the flag u",
    });
  }
  try {
    const onProperty = () => spendSize(size, { instructions: PROPERTY_SIZE, pattern });
    return re2.compile(toRe2(pattern, { onProperty }));
  } catch (cause) {
    if (cause instanceof InvalidSchemaError) throw cause;
    if (cause instanceof PatternRefusal) {
      throw refused(pattern, cause.message, { cause, hint: cause.hint });
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    throw refused(pattern, why, { cause, hint: "use smaller counts, and fewer inside each other" });
  }
}

function refused(
  pattern: string,
  reason: string,
  { cause, hint }: { cause: unknown; hint: string },
): InvalidSchemaError {
  return new InvalidSchemaError(`the pattern ${JSON.stringify(pattern)} is refused: ${reason}`, {
    code: "schema/pattern-refused",
    cause,
    details: { pattern },
    hint,
  });
}

function spendSize(
  size: { left: number },
  { instructions, pattern }: { instructions: number; pattern: string },
): void {
  size.left -= instructions;
  if (size.left >= 0) return;
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

const ATOM = String
  .raw`(?:[^\\^$.*+?()[\]{}|/]|\.|\\[dwsDWS]|\\[\\^$.*+?()[\]{}|/-]|\[\^?(?:[^\\\]]|\\[dwsDWS]|\\[\\^$.*+?()[\]{}|/-])+\])`;
const FIXED = String.raw`(?:\{\d{1,5}\})?`;
const VARIABLE = String.raw`(?:[*+?]|\{\d{1,5},\d{0,5}\})`;
/**
 * `^`, atoms of one character each, at most one of them repeated a variable number of times, `$`.
 * Behind that one no atom is counted: `^a*a{999}b` reads 999 characters again for each of a long
 * text.
 */
const PLAIN = new RegExp(
  `^\\^(?:${ATOM}${FIXED})*(?:${ATOM}${VARIABLE}${ATOM}*)?\\$?$`,
  "u",
);

/**
 * True for a pattern that V8 cannot be slow on: anchored, no groups, no alternatives, and at most
 * one repetition of variable length. There is then one place to begin and one number to choose: at
 * most quadratic in a short tail, and linear where the tail has a fixed length, which it has.
 */
export function isPlain(pattern: string): boolean {
  return pattern.length <= 200 && PLAIN.test(pattern);
}
