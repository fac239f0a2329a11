/**
 * How much of a loop a run does. The suite does a tenth of the floors in docs/contract.md; `deno
 * task test:nightly` sets EVS_DOSE=10 and reaches them.
 */

/** `inSuite` times EVS_DOSE, at most `most`. */
export function dose(inSuite: number, most = Infinity): number {
  const factor = Number(Deno.env.get("EVS_DOSE") ?? "1");
  if (!(factor > 0)) throw new Error("EVS_DOSE is a number above 0");
  return Math.min(most, Math.max(1, Math.round(inSuite * factor)));
}
