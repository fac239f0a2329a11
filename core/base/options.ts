/**
 * Rejects what an application gave by mistake: something of the wrong type, and unknown options,
 * which would otherwise be ignored silently.
 */
import { InvalidArgumentError } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

/**
 * The names of an interface's members. The argument lists them all; the compiler complains if one
 * is missing.
 */
export function namesOf<T>(members: Record<keyof Required<T>, true>): readonly string[] {
  return Object.keys(members);
}

/** A value as errors name it. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Returns the value. Throws `InvalidArgumentError` if it is not an object; `what` names it. */
export function assertObject<T>(value: T, what: string): T {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new InvalidArgumentError(`${what} must be an object, not ${shown(value)}`);
}

/** The same for an array. */
export function assertArray<T>(value: T, what: string): T {
  if (Array.isArray(value)) return value;
  throw new InvalidArgumentError(`${what} must be an array, not ${shown(value)}`);
}

/** The same for a text. */
export function assertText<T>(value: T, what: string): T {
  if (typeof value === "string") return value;
  throw new InvalidArgumentError(`${what} must be a string, not ${shown(value)}`);
}

/** The same for a path. */
export function assertPlace<T extends string>(value: T, what: string): T {
  if (assertText(value, what) !== "" && !value.includes("\0")) return value;
  throw new InvalidArgumentError(`${what} must be a path, not ${shown(value)}`);
}

/** Returns the options. Throws `InvalidArgumentError` naming the first that `of` does not have. */
export function refuseUnknown<T extends object>(
  options: T,
  { of, known }: { of: string; known: readonly string[] },
): T {
  assertObject(options, `the options of ${of}`);
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new InvalidArgumentError(`${of} has no option ${JSON.stringify(name)}`, {
      details: { field: name },
      hint: didYouMean(name, known) ?? `it takes ${known.join(", ")}`,
    });
  }
  return options;
}
