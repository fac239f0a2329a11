/** What a run says at its end, for people. */
import type { Failure, Totals } from "./batches.ts";

/** What is named first, and always: zero says that it was never tried. */
const ALWAYS = [
  "kills",
  "power cuts",
  "stalls",
  "clock steps",
  "disk faults",
  "cut connections",
  "events",
  "dead letters",
];

/** A failure, in two lines or more. */
export function failureText({ seed, promise, details }: Failure): string {
  return `seed ${seed}: ${promise}\n  ${details.replaceAll("\n", "\n  ")}`;
}

/** The numbers of a run. */
export function totalsText({ worlds, time, events, counts, failures, took }: Totals): string {
  const names = new Set([...ALWAYS, ...[...counts.keys()].toSorted()]);
  const numbers = Array.from(names, (name) => `${counts.get(name) ?? 0} ${name}`);
  return [
    `${worlds} seeds in ${took.toFixed(0)} s: ${(time / 3_600_000).toFixed(1)} simulated hours`,
    `${events} steps of the scheduler`,
    ...numbers,
    `${failures.length} violations`,
  ].join(", ");
}
