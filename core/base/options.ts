/** Rejects unknown options: a misspelt one would otherwise be ignored silently. */
import { InvalidArgumentError } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

/**
 * The names of an interface's members. The argument lists them all; the compiler complains if one
 * is missing.
 */
export function namesOf<T>(members: Record<keyof Required<T>, true>): readonly string[] {
  return Object.keys(members);
}

/** Returns the options. Throws `InvalidArgumentError` naming the first that `of` does not have. */
export function refuseUnknown<T extends object>(
  options: T,
  { of, known }: { of: string; known: readonly string[] },
): T {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new InvalidArgumentError(`${of} has no option ${JSON.stringify(name)}`, {
      details: { field: name },
      hint: didYouMean(name, known) ?? `it takes ${known.join(", ")}`,
    });
  }
  return options;
}
