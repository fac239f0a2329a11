/**
 * Fixes the order in which ajv checks the keywords of an array.
 *
 * For `prefixItems` (in draft-07: `items` with a list) ajv generates code that sets its result only
 * if the array is long enough, but reads it regardless. With `[]`, the keywords after it in the
 * group were skipped (seen in ajv 8.20.0 with `contains`). So it goes last. Only keywords about the
 * remaining items follow it: an array too short for the list's first item has none.
 */

/** The part of an ajv instance that is modified here. */
interface Rules {
  RULES: { rules: { type?: string; rules: { keyword: string }[] }[] };
}

/** In this order, after all others. */
const LAST = ["prefixItems", "additionalItems", "items", "unevaluatedItems"];

/** Puts this ajv's array keywords into a safe order. */
export function orderArrayRules(ajv: Rules): void {
  for (const group of ajv.RULES.rules) {
    if (group.type !== "array") continue;
    group.rules = [
      ...group.rules.filter(({ keyword }) => !LAST.includes(keyword)),
      ...LAST.flatMap((last) => group.rules.filter(({ keyword }) => keyword === last)),
    ];
  }
}
