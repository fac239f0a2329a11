/** Which breaks a compatibility level does not allow. */
import type { CompatibilityLevel } from "../../event/compatibility_level.ts";
import type { Comparison } from "./compare.ts";
import type { Break } from "./containment.ts";

/** The breaks that a compatibility level does not allow. */
export function breaksAgainst(level: CompatibilityLevel, comparison: Comparison): Break[] {
  return [
    ...level === "backward" || level === "full" ? comparison.backward : [],
    ...level === "forward" || level === "full" ? comparison.forward : [],
  ];
}
