/** What is asked of a new version of a type's schema. */

/**
 * `backward`: it takes every payload of the version before (old events can still be read).
 * `forward`: the version before takes every payload of it (readers that were not updated go on).
 * `full`: both. `none`: nothing is asked.
 */
export const COMPATIBILITY_LEVELS: readonly ["none", "backward", "forward", "full"] = [
  "none",
  "backward",
  "forward",
  "full",
];

/** See {@link COMPATIBILITY_LEVELS}. */
export type CompatibilityLevel = (typeof COMPATIBILITY_LEVELS)[number];
