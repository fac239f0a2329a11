/**
 * Untrusted patterns. They run on RE2 (time linear in the input), and on V8's engine only if a
 * pattern is provably simple. So no payload can make a pattern run for ever (contract row 25).
 */
import type { RE2JS } from "re2js";
import { InvalidSchemaError } from "../../base/errors.ts";
import type { CheckBudget } from "./budget.ts";
import { PatternRefusal, toRe2 } from "./pattern_syntax.ts";

/** What ajv needs from a compiled pattern. */
export interface PatternEngine {
  test(text: string): boolean;
  /** ajv caches engines by their text, so two patterns must never return the same. */
  toString(): string;
}

/** RE2, loaded once. */
export type Re2 = typeof RE2JS;

const LONGEST = 2000;
/**
 * The most instructions in all patterns of a schema together; five characters, `x{1000}`, make a
 * thousand.
 */
export const MAX_PATTERN_SIZE = 10_000;
/**
 * What a Unicode property counts towards that limit: finding its code points means scanning all of
 * Unicode, which takes milliseconds.
 */
const PROPERTY_SIZE = 250;

/**
 * Compiles a JSON Schema pattern (ECMA-262, flag `u`). Throws `InvalidSchemaError` for what RE2
 * cannot run.
 */
export function compileSafePattern(
  pattern: string,
  about: { re2: Re2; size: { left: number }; budget: Pick<CheckBudget, "spendOnPattern"> },
): PatternEngine {
  const { size, budget } = about;
  if (pattern.length > LONGEST) {
    throw new InvalidSchemaError(
      `a pattern has ${pattern.length} characters; the limit is ${LONGEST}`,
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
 * The number of instructions for the pattern as written, with its groups and classes. The
 * translated pattern has fewer instructions, but each takes longer.
 */
function sizeAsWritten(pattern: string, re2: Re2): number {
  try {
    return re2.compile(re2.translateRegExp(pattern)).programSize();
  } catch {
    return 0; // RE2 can only read the translated form
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
 * `^`, then atoms of one character each, of which at most one has a variable repetition, then `$`.
 * After that one no atom may have a count: `^a*a{999}b` would read 999 characters again at each
 * position of a long text.
 */
const PLAIN = new RegExp(
  `^\\^(?:${ATOM}${FIXED})*(?:${ATOM}${VARIABLE}${ATOM}*)?\\$?$`,
  "u",
);

/**
 * True for a pattern that cannot be slow on V8: anchored at the start, no groups, no alternatives,
 * and at most one repetition of variable length, followed by a part of fixed length. There is only
 * one place to start and one number to choose, so matching is linear.
 */
export function isPlain(pattern: string): boolean {
  return pattern.length <= 200 && PLAIN.test(pattern);
}
