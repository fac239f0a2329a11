/** Options that nobody reads are refused: what is misspelt would be passed over in silence. */
import { InvalidArgumentError } from "./errors.ts";
import { didYouMean } from "./suggest.ts";

/**
 * The names of an interface's members. The argument lists them all, and the compiler says when one
 * is missing.
 */
export function namesOf<T>(members: Record<keyof Required<T>, true>): readonly string[] {
  return Object.keys(members);
}

/** The options, or an `InvalidArgumentError` that names the one that `of` does not have. */
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
