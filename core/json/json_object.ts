/** Detects JSON objects, and serializes equal ones to equal text. */
import { Decimal } from "./decimal.ts";

/** True for a JSON object: not an array, not null, and not a {@link Decimal}. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Decimal);
}

/** JSON with the members of each object sorted by name, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_name, part) =>
      isJsonObject(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  ) ?? "";
}
