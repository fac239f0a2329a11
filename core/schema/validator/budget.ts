/**
 * Limits what checking one payload may cost (contract row 25). A schema of a few lines can demand
 * 2^60 checks: two branches that both refer to their parent, and a payload nested as deeply as they
 * allow. No analysis of the schema alone finds every such pair. So steps are counted while it runs:
 * for each keyword, by the items it lists, and for each pattern, by the text it reads.
 */
import type { _ as template, KeywordCxt } from "ajv";
import { Budget } from "../../filter/step_budget.ts";
import { EventRefusedError } from "../../base/errors.ts";

/** Keeps the wait for others to a few tens of milliseconds at most. */
const MAX_STEPS = 500_000;
/** The budget for listing every fault of a payload that is rejected anyway. */
export const LISTING_STEPS = 100_000;
/**
 * The cost of a branch in steps, besides its keywords. A branch that does not match produces an
 * error, which takes longer.
 */
const BRANCH_STEPS = 15;
const BRANCHING: ReadonlySet<string> = new Set(["anyOf", "oneOf", "not", "if", "contains"]);

/** A budget that rejects the event once it is spent. */
export class CheckBudget {
  readonly #budget = new Budget(MAX_STEPS);

  refill(steps: number = MAX_STEPS): void {
    this.#budget.refill(steps);
  }

  /** Throws `EventRefusedError` (`event/schema-too-costly`) if too little is left. */
  spend(steps: number): void {
    if (!this.#budget.spend(steps)) throw tooCostly();
  }

  /** The same for a pattern of `size` instructions. */
  spendOnPattern(size: number, characters: number): void {
    if (!this.#budget.spendOnPattern(size, characters)) throw tooCostly();
  }
}

function tooCostly(): EventRefusedError {
  return new EventRefusedError(
    "event/schema-too-costly",
    `checking the payload against its schema takes more than ${MAX_STEPS} steps`,
    { hint: "make the payload smaller, or the schema simpler: fewer branches, shorter patterns" },
  );
}

/** ajv's `_`. It is passed in, because ajv is loaded only when a schema is compiled. */
export type CodeTemplate = typeof template;

/** The part of an ajv instance that is modified here. */
interface Rules {
  RULES: { all: Record<string, { definition: unknown } | boolean | undefined> };
}

/**
 * Makes every keyword of this ajv charge the budget before it runs. The rules are this instance's
 * own copies, not shared ones.
 */
export function countSteps(ajv: Rules, budget: CheckBudget, code: CodeTemplate): void {
  const spend = (steps: number) => budget.spend(steps);
  for (const rule of Object.values(ajv.RULES.all)) {
    if (typeof rule !== "object") continue;
    const definition = rule.definition as {
      keyword?: string;
      code?: (cxt: KeywordCxt, type?: string) => void;
    };
    const { code: check, keyword } = definition;
    if (!check) continue;
    definition.code = function (cxt, type) {
      cxt.gen.code(
        code`${cxt.gen.scopeValue("func", { ref: spend })}(${
          stepsOfKeyword(keyword ?? "", cxt.schema)
        })`,
      );
      check.call(this, cxt, type);
    };
  }
}

function stepsOfKeyword(keyword: string, value: unknown): number {
  return (BRANCHING.has(keyword) ? BRANCH_STEPS : 1) * itemsOf(value);
}

/** How many items a keyword goes through, as far as the schema shows. */
function itemsOf(value: unknown): number {
  return typeof value === "object" && value !== null ? Math.max(1, Object.keys(value).length) : 1;
}

/** Keywords that check nothing themselves. */
const SILENT: ReadonlySet<string> = new Set([
  "$anchor",
  "$comment",
  "$defs",
  "$dynamicAnchor",
  "$id",
  "$schema",
  "$vocabulary",
  "default",
  "definitions",
  "deprecated",
  "description",
  "examples",
  "readOnly",
  "title",
  "writeOnly",
]);

/** The steps of all keywords in a schema, as counted by {@link countSteps}. */
export function stepsOf(schema: Record<string, unknown>): number {
  return Object.entries(schema).filter(([keyword]) => !SILENT.has(keyword)).reduce(
    (sum, [keyword, value]) => sum + stepsOfKeyword(keyword, value),
    0,
  );
}
