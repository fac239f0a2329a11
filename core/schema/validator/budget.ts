/**
 * What checking one payload may cost (contract row 25). A schema of a few lines can ask for 2^60
 * checks: two branches that both refer to their parent, and a payload as deep as they like. No look
 * at the schema alone finds every such pair, so the steps are counted while it runs: by each
 * keyword, the items it lists, and by each pattern, the text it reads.
 */
import { _, type KeywordCxt } from "ajv";
import { Budget } from "../../filter/step_budget.ts";
import { EventRefusedError } from "../../base/errors.ts";

/** Others wait for at most a few tens of milliseconds. */
const MAX_STEPS = 500_000;
/** What may be spent on listing every fault of a payload that is refused anyway. */
export const LISTING_STEPS = 100_000;
/**
 * What a branch costs beside its keywords, in steps: one that is not taken leaves an error behind,
 * which takes longer.
 */
const BRANCH_STEPS = 15;
const BRANCHING: ReadonlySet<string> = new Set(["anyOf", "oneOf", "not", "if", "contains"]);

/** A budget that refuses the event when it is spent. */
export class CheckBudget {
  readonly #budget = new Budget(MAX_STEPS);

  refill(steps: number = MAX_STEPS): void {
    this.#budget.refill(steps);
  }

  /** Throws `EventRefusedError` (`event/schema-too-costly`) where too little is left. */
  spend(steps: number): void {
    if (!this.#budget.spend(steps)) throw tooCostly();
  }

  /** The same for a pattern of so many instructions. */
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

/** What of an ajv is changed here. */
interface Rules {
  RULES: { all: Record<string, { definition: unknown } | boolean | undefined> };
}

/**
 * Makes every keyword of this ajv pay before it runs. Its rules are copies of its own, not those of
 * all.
 */
export function countSteps(ajv: Rules, budget: CheckBudget): void {
  const spend = (steps: number) => budget.spend(steps);
  for (const rule of Object.values(ajv.RULES.all)) {
    if (typeof rule !== "object") continue;
    const definition = rule.definition as {
      keyword?: string;
      code?: (cxt: KeywordCxt, type?: string) => void;
    };
    const { code, keyword } = definition;
    if (!code) continue;
    definition.code = function (cxt, type) {
      cxt.gen.code(
        _`${cxt.gen.scopeValue("func", { ref: spend })}(${
          stepsOfKeyword(keyword ?? "", cxt.schema)
        })`,
      );
      code.call(this, cxt, type);
    };
  }
}

function stepsOfKeyword(keyword: string, value: unknown): number {
  return (BRANCHING.has(keyword) ? BRANCH_STEPS : 1) * itemsOf(value);
}

/** How many things a keyword goes through, as far as the schema tells. */
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

/** The steps of all keywords of a schema, as {@link countSteps} counts them. */
export function stepsOf(schema: Record<string, unknown>): number {
  return Object.entries(schema).filter(([keyword]) => !SILENT.has(keyword)).reduce(
    (sum, [keyword, value]) => sum + stepsOfKeyword(keyword, value),
    0,
  );
}
