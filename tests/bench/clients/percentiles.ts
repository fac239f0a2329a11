/** The median and high percentiles of some times. */

/** Times, ms. */
export interface Percentiles {
  p50: number;
  p99: number;
  p999: number;
}

/** Sorts the times. */
export function percentiles(times: Float64Array): Percentiles {
  times.sort();
  const at = (share: number) => times[Math.ceil(times.length * share) - 1]!;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

/** As a client prints them. */
export function printPercentiles(times: Float64Array): void {
  const printed = JSON.stringify(percentiles(times));
  Deno.stdout.writeSync(new TextEncoder().encode(`${printed}\n`));
}
