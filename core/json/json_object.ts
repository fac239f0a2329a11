/** What JSON calls an object, and one text for all that are the same. */
import { Decimal } from "./decimal.ts";

/** True for a JSON object: no list, no null, and no number that was kept exactly. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Decimal);
}

/**
 * JSON with the members of each object in order of their names: the same text for the same value.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_name, part) =>
      isJsonObject(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  ) ?? "";
}
