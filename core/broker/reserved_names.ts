/**
 * The fourth argument of `publish` holds options and metadata. A name that can only be a misspelt
 * option is refused: as metadata it would be stored, and what it asks for would be lost in silence.
 */
import { InvalidArgumentError, UnsupportedError } from "../base/errors.ts";
import { editDistance } from "../base/suggest.ts";

/** The options, now and to come. */
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

/** From so many letters on a name that is one edit away from an option is meant to be it; */
const ONE_EDIT = 5;
/** from so many on, one that is two edits away. */
const TWO_EDITS = 8;

/** Names that were looked at and are no slips: most applications use a few. */
const harmless = new Set<string>();
const MOST_KEPT = 1000;

/** Throws `InvalidArgumentError` for a name that can only be a slip of an option's. */
export function refuseSlip(name: string): void {
  if (harmless.has(name)) return;
  const meant = RESERVED.find((option) => isSlip(name, option));
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

/** True when a name that is no option can only be meant as this one. */
export function isSlip(name: string, option: string): boolean {
  if (name === option) return false;
  const [given, meant] = [name.toLowerCase(), option.toLowerCase()];
  if (given === meant) return true;
  const most = name.length >= TWO_EDITS ? 2 : name.length >= ONE_EDIT ? 1 : 0;
  if (Math.abs(given.length - meant.length) > most) return false;
  return editDistance(given, meant) <= most;
}

/**
 * Throws for options that are reserved and not there yet: what they ask for would be lost in
 * silence.
 */
export function refuseUnbuilt(options: { schedule?: unknown; ttlMs?: unknown }): void {
  for (const name of ["schedule", "ttlMs"] as const) {
    if (options[name] === undefined) continue;
    throw new UnsupportedError(`publish cannot take ${name} yet`, {
      details: { field: name },
      hint: `leave it out; as metadata it goes into metadata: { ${name}: … }`,
    });
  }
}
