/** The median and a high percentile of some times, as a client prints them. */
export function printPercentiles(times: Float64Array): void {
  times.sort();
  const at = (share: number) => times[Math.ceil(times.length * share) - 1];
  const printed = JSON.stringify({ p50: at(0.5), p99: at(0.99) });
  Deno.stdout.writeSync(new TextEncoder().encode(`${printed}\n`));
}
