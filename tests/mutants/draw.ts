/** Draws some mutants by the day, so that each is run every few days. */
import { createHash } from "node:crypto";
import type { Mutant } from "./mutant.ts";

/**
 * So many of the mutants. The same day (`YYYY-MM-DD`) draws the same ones, and another mutant in
 * the list takes the place of one at most.
 */
export function drawn(mutants: readonly Mutant[], count: number, day: string): Mutant[] {
  const lot = ({ name }: Mutant) =>
    createHash("sha256").update(JSON.stringify([day, name])).digest("hex");
  const lots = mutants.map((mutant) => ({ mutant, lot: lot(mutant) }));
  lots.sort((a, b) => (a.lot < b.lot ? -1 : 1));
  return lots.slice(0, count).map(({ mutant }) => mutant);
}

/** The day at a time in Unix ms, in UTC. */
export function dayOf(now: number): string {
  return new Date(now).toISOString().slice(0, 10);
}
