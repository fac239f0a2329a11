/** Numbers and times in few columns. Pure. */
import { age } from "../terminal/age.ts";
import { formatCount } from "../terminal/table.ts";

const STEPS: readonly (readonly [number, string])[] = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [
  1e3,
  "k",
]];

/** A count in at most six columns: `9,999`, `12.3k`, `4.5M`. */
export function shortCount(value: number): string {
  if (value < 10_000) return formatCount(Math.round(value));
  for (const [size, unit] of STEPS) {
    if (value < size) continue;
    const scaled = value / size;
    return `${scaled < 100 ? cutTo(scaled, 10) : Math.floor(scaled)}${unit}`;
  }
  return formatCount(value);
}

/** Rounded down, so that 99.97 does not become 100.0, which is longer. */
function cutTo(value: number, parts: number): string {
  return (Math.floor(value * parts) / parts).toFixed(1);
}

/** Events per second: `0/s`, `0.3/s`, `120/s`; `-` if it is not known. */
export function perSecond(rate: number | undefined): string {
  if (rate === undefined) return "-";
  if (rate === 0) return "0/s";
  if (rate < 0.05) return "<0.1/s";
  return rate < 9.95 ? `${rate.toFixed(1)}/s` : `${shortCount(Math.round(rate))}/s`;
}

/** How long ago, in the largest unit: `12s`, `5m`; `0s` for less than a second. */
export function shortAge(ms: number): string {
  return ms < 1000 ? "0s" : age(ms);
}

/** A count and its noun: `1 retry`, `12.3k retries`. */
export function withNoun(value: number, one: string, many = `${one}s`): string {
  return `${shortCount(value)} ${value === 1 ? one : many}`;
}
