/**
 * The fourth argument of `publish` holds options and metadata. A name that can only be a misspelled
 * option is refused: as metadata it would be stored, and its intended effect silently lost.
 */
import { InvalidArgumentError } from "../base/errors.ts";
import { editDistance } from "../base/suggest.ts";

/** The option names. */
const RESERVED = [
  "schemaVersion",
  "id",
  "key",
  "timestamp",
  "expected",
  "signal",
  "metadata",
  "schedule",
  "ttlMs",
] as const;

/** What other interfaces call an option: the flag, and the parameter of the HTTP route. */
const ELSEWHERE = new Map([["ttl", "ttlMs"], ["delayMs", "schedule"]]);

/** Names with at least this many letters that are one edit away from an option are taken for it; */
const ONE_EDIT = 5;
/** with at least this many, names that are two edits away. */
const TWO_EDITS = 8;

/** Names that were checked and are no misspellings: most applications use only a few. */
const harmless = new Set<string>();
const MOST_KEPT = 1000;

/** Throws `InvalidArgumentError` for a name that can only be a misspelled option. */
export function refuseSlip(name: string): void {
  if (harmless.has(name)) return;
  const meant = ELSEWHERE.get(name) ?? RESERVED.find((option) => isSlip(name, option));
  if (meant !== undefined) {
    throw new InvalidArgumentError(`publish has no option ${JSON.stringify(name)}`, {
      details: { field: name },
      hint: `did you mean ${meant}? As metadata it goes into metadata: { ${
        JSON.stringify(name)
      }: … }`,
    });
  }
  if (harmless.size < MOST_KEPT) harmless.add(name);
}

/** True if a name that is not an option can only be a misspelling of this one. */
export function isSlip(name: string, option: string): boolean {
  if (name === option) return false;
  const [given, meant] = [name.toLowerCase(), option.toLowerCase()];
  if (given === meant) return true;
  const most = name.length >= TWO_EDITS ? 2 : name.length >= ONE_EDIT ? 1 : 0;
  if (Math.abs(given.length - meant.length) > most) return false;
  return editDistance(given, meant) <= most;
}
