/** How compatible a new version of a type's schema must be. */

/**
 * `backward`: the new version accepts every payload of the previous one (old events stay readable).
 * `forward`: the previous version accepts every payload of the new one (readers that were not
 * updated keep working). `full`: both. `none`: no check.
 */
export const COMPATIBILITY_LEVELS: readonly ["none", "backward", "forward", "full"] = [
  "none",
  "backward",
  "forward",
  "full",
];

/** See {@link COMPATIBILITY_LEVELS}. */
export type CompatibilityLevel = (typeof COMPATIBILITY_LEVELS)[number];
