/**
 * `--where`: CEL (https://cel.dev) over `event` and `payload`. An event without a field that the
 * expression needs does not match. JSON has only one kind of number, so ints and doubles mix here.
 * `matches()` runs on a linear-time engine, because patterns may come from untrusted users. An
 * event that takes more than a bounded number of steps to decide counts as a match: a reader may
 * see one too many, but never misses one.
 */
import { defined } from "../base/defined.ts";
import type { EvaluationError, ParseError } from "@marcbachmann/cel-js";
import type { RE2JS } from "re2js";
import { Budget } from "./step_budget.ts";
import { InvalidArgumentError } from "../base/errors.ts";
import type { Event } from "../event/event.ts";
import { fieldsOf } from "./fields.ts";
import { guard, LINEAR_MATCHES } from "./guard.ts";

/** Decides whether an event matches. */
export interface Filter {
  (event: Event): boolean;
  /** Filters of the same expression decide alike. */
  readonly expression?: string;
  /** All the fields it looks at, as paths from the event; absent: any field. */
  readonly fields?: readonly (readonly string[])[];
}

/** The longest expression, in characters. */
const LONGEST = 4096;
/** How large an expression may be: enough for a person, too little for an attack. */
const LIMITS = { maxAstNodes: 500, maxDepth: 64 };
/**
 * What an event may cost: enough for one loop over the largest payload, but not for nested loops.
 */
const MAX_STEPS = 250_000;
/** The most instructions in a compiled pattern. */
const MAX_PATTERN = 10_000;
const LONGEST_PATTERN = 2000;
/** How many compiled patterns are cached. */
const MOST_PATTERNS = 100;
const HINT = `for example: payload.amount > 7 && event.type == "order.created"`;

type Compile = (expression: string) => Filter;
let engine: Promise<Compile> | undefined;

/**
 * Compiles an expression. Throws `InvalidArgumentError` (`filter/invalid`) with the position of the
 * fault.
 */
export async function compileFilter(expression: string): Promise<Filter> {
  if (expression.length > LONGEST) {
    throw invalid(`has ${expression.length} characters; the limit is ${LONGEST}`);
  }
  engine ??= loadEngine();
  return (await engine)(expression);
}

async function loadEngine(): Promise<Compile> {
  const [
    { Environment, EvaluationError, ParseError, TypeError: CelTypeError },
    { RE2JS, RE2JSException },
  ] = await Promise.all([
    import("@marcbachmann/cel-js"),
    import("re2js"),
  ]);
  const environment = new Environment({ unlistedVariablesAreDyn: false, limits: LIMITS });
  environment.registerVariable("event", "dyn").registerVariable("payload", "dyn");
  mixNumbers(environment);
  const patterns = new Patterns((pattern) => {
    try {
      return RE2JS.compile(pattern);
    } catch (error) {
      if (error instanceof RE2JSException) return undefined;
      throw error;
    }
  });
  /** The budget of the running filter; only one runs at a time. */
  let budget = new Budget(MAX_STEPS);
  environment.registerFunction(
    `string.${LINEAR_MATCHES}(string): bool`,
    (text: string, pattern: string) => {
      const compiled = patterns.get(pattern);
      if (!compiled || !budget.spendOnPattern(compiled.programSize(), text.length)) return false;
      return compiled.matcher(text).find();
    },
  );

  function parse(expression: string) {
    try {
      return environment.parse(expression);
    } catch (error) {
      if (error instanceof ParseError || error instanceof CelTypeError) {
        throw asInvalid(error, expression);
      }
      throw error;
    }
  }

  return (expression) => {
    const program = parse(expression);
    const own = new Budget(MAX_STEPS);
    assertPatterns(guard(program.ast, own), { patterns, expression });
    const checked = program.check?.();
    if (checked && !checked.valid) throw asInvalid(checked.error, expression);
    const decide = (event: Event): boolean => {
      budget = own;
      budget.refill();
      try {
        return program({ event, payload: event.payload }) === true || budget.isSpent;
      } catch (error) {
        if (budget.isSpent) return true;
        if (needsDoubles(error, event)) return decide(withDoubles(event) as Event);
        if (error instanceof EvaluationError || error instanceof CelTypeError) return false; // a missing field: no match
        throw error;
      }
    };
    return Object.assign(decide, defined({ expression, fields: fieldsOf(program.ast) }));
  };
}

/** CEL integers have 64 bits. A sum that overflows them is computed with doubles. */
function needsDoubles(error: unknown, event: Event): boolean {
  return (error as { code?: unknown } | null)?.code === "numeric_overflow" && hasBigInts(event);
}

function hasBigInts(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return typeof value === "bigint";
  return Object.values(value).some(hasBigInts);
}

function withDoubles(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withDoubles);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withDoubles(item)]));
}

/** A cache of compiled patterns. */
class Patterns {
  readonly #compiled = new Map<string, RE2JS | undefined>();
  readonly #parse: (pattern: string) => RE2JS | undefined;

  /** `parse` returns undefined for an invalid pattern. */
  constructor(parse: (pattern: string) => RE2JS | undefined) {
    this.#parse = parse;
  }

  /** Undefined for a pattern that is invalid or too large; a computed one then matches nothing. */
  compile(pattern: string): RE2JS | undefined {
    if (pattern.length > LONGEST_PATTERN) return undefined;
    const compiled = this.#parse(pattern);
    return compiled && compiled.programSize() > MAX_PATTERN ? undefined : compiled;
  }

  /** The same, cached for the next event. */
  get(pattern: string): RE2JS | undefined {
    let compiled = this.#compiled.get(pattern);
    if (compiled || this.#compiled.has(pattern)) return compiled;
    // Patterns may be computed from each payload, so the cache has to be bounded.
    if (this.#compiled.size >= MOST_PATTERNS) this.#compiled.clear();
    this.#compiled.set(pattern, compiled = this.compile(pattern));
    return compiled;
  }
}

/** Rejects an expression that contains an invalid pattern. */
function assertPatterns(
  wanted: Iterable<string>,
  { patterns, expression }: { patterns: Patterns; expression: string },
): void {
  for (const pattern of wanted) {
    if (patterns.compile(pattern)) continue;
    throw invalid(`has an invalid or too large pattern: ${JSON.stringify(pattern)}`, {
      expression,
    });
  }
}

const ARITHMETIC: Record<string, (a: number, b: number) => number> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
};

interface Operators {
  registerOperator(signature: string, handler: (a: unknown, b: unknown) => unknown): unknown;
}

/**
 * The same for integers of any size. Division is missing, because a quotient need not be an
 * integer.
 */
const EXACT: Record<string, (a: bigint, b: bigint) => bigint> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "%": (a, b) => a % b,
};

/**
 * Numbers in a payload are doubles (or ints, beyond 2^53) and numbers in an expression are ints; to
 * the author of a filter all are just numbers. Whatever doubles would round is computed with
 * integers.
 */
function mixNumbers(environment: Operators): void {
  for (const [operator, apply] of Object.entries(ARITHMETIC)) {
    const mixed = (a: unknown, b: unknown) => {
      const [left, right] = [Number(a), Number(b)];
      const result = apply(left, right);
      const exact = EXACT[operator];
      if (exact === undefined || [left, right, result].every(Number.isSafeInteger)) return result;
      return [left, right, result].every(Number.isInteger)
        ? exact(BigInt(a as number), BigInt(b as number))
        : result;
    };
    for (const signature of [`double ${operator} int`, `int ${operator} double`]) {
      environment.registerOperator(signature, mixed);
    }
  }
  environment.registerOperator("double % double", (a, b) => Number(a) % Number(b));
}

function asInvalid(
  error: EvaluationError | ParseError | Error | undefined,
  expression: string,
): InvalidArgumentError {
  const message = (error?.message ?? "it does not type-check").replaceAll(
    LINEAR_MATCHES,
    "matches",
  );
  return invalid(`is not valid: ${message.split("\n")[0]}`, {
    cause: error,
    column: columnOf(message),
    expression,
  });
}

/** The column of the fault, from the caret that the library draws below it. */
function columnOf(message: string): number | undefined {
  const [, source, pointer] = /\n(>\s*\d+ \| ).*\n( *)\^/.exec(message) ?? [];
  return source === undefined || pointer === undefined
    ? undefined
    : pointer.length - source.length + 1;
}

function invalid(
  fault: string,
  about: { cause?: unknown; column?: number | undefined; expression?: string } = {},
): InvalidArgumentError {
  const where = about.column === undefined ? "" : ` at column ${about.column}`;
  return new InvalidArgumentError(`the filter ${fault}${where}`, {
    code: "filter/invalid",
    hint: HINT,
    cause: about.cause,
    details: defined({ expression: about.expression, column: about.column }),
  });
}
