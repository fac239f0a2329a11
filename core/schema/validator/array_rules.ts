/**
 * The order in which ajv checks the keywords of an array.
 *
 * For `prefixItems` (`items` with a list in draft-07) ajv's code says whether it went well only
 * where the array is long enough, and reads it in any case: with `[]`, what comes behind it in that
 * group was passed over (seen in ajv 8.20.0 with `contains`). So it comes last. Only what counts
 * the items that are left comes behind it: of an array that is too short for the first of the list,
 * none are.
 */

/** What of an ajv is changed here. */
interface Rules {
  RULES: { rules: { type?: string; rules: { keyword: string }[] }[] };
}

/** In this order, behind all others. */
const LAST = ["prefixItems", "additionalItems", "items", "unevaluatedItems"];

/** Puts the keywords of arrays of this ajv into an order that is safe. */
export function orderArrayRules(ajv: Rules): void {
  for (const group of ajv.RULES.rules) {
    if (group.type !== "array") continue;
    group.rules = [
      ...group.rules.filter(({ keyword }) => !LAST.includes(keyword)),
      ...LAST.flatMap((last) => group.rules.filter(({ keyword }) => keyword === last)),
    ];
  }
}
