/** What a run of mutants says: a line for each, and a summary. */
import type { MutantResult } from "./runner.ts";

/** One result: what it is, and what to look at. */
export function lineOf({ mutant, verdict, detail, milliseconds }: MutantResult): string {
  const seconds = `${(milliseconds / 1000).toFixed(1)} s`;
  const words = `${verdict.padEnd(8)} ${mutant.name} (${seconds})`;
  if (verdict === "killed") return `${words} by ${detail}`;
  return `${words}\n  ${mutant.file}: ${mutant.promise}\n  ${detail.replaceAll("\n", "\n  ")}`;
}

/** How many there are of each verdict, and the names of those that are not killed. */
export function summaryOf(results: readonly MutantResult[]): string {
  const counts = new Map<string, number>();
  for (const { verdict } of results) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  const numbers = Array.from(counts, ([verdict, count]) => `${count} ${verdict}`).join(", ");
  const others = results.filter(({ verdict }) => verdict !== "killed");
  const names = others.map(({ mutant, verdict }) => `\n  ${verdict}: ${mutant.name}`).join("");
  return `${results.length} mutants: ${numbers || "none"}${names}`;
}
