/** Rules for the names of types, keys and schema versions. */
import { EventRefusedError } from "../base/errors.ts";
import { LONGEST_NAME } from "./limits.ts";

// deno-lint-ignore no-control-regex -- control characters are exactly what is refused
const CONTROL = /[\u0000-\u001f\u007f]/;

/**
 * Returns the name if it is non-empty, not too long, a single line and valid text. Throws
 * `EventRefusedError` otherwise.
 */
export function assertName(name: string, what: string): string {
  const fault = nameFault(name);
  if (fault === undefined) return name;
  throw new EventRefusedError("event/invalid-envelope", `${what} ${fault}`);
}

/** True for what {@link assertName} returns. */
export function isName(name: unknown): name is string {
  return nameFault(name) === undefined;
}

function nameFault(name: unknown): string | undefined {
  if (typeof name !== "string") return "is not a string";
  if (name.length === 0) return "is empty";
  const length = charactersOf(name);
  if (length > LONGEST_NAME) return `has ${length} characters; the limit is ${LONGEST_NAME}`;
  if (CONTROL.test(name)) return `has a control character: ${JSON.stringify(name)}`;
  if (!name.isWellFormed()) return `has half of a surrogate pair: ${JSON.stringify(name)}`;
  return undefined;
}

/** Counts characters as people and JSON Schema do: a surrogate pair is one. */
function charactersOf(text: string): number {
  return text.length <= LONGEST_NAME ? text.length : [...text].length;
}
