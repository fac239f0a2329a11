/** From samples, or from the daemon's history, to what the charts draw. Pure. */
import type { Sample } from "./metrics_text.ts";

/** Columns of equal length; null where nothing is known. */
export interface ChartData {
  /** Unix seconds. */
  times: number[];
  publishRate: (number | null)[];
  lag: (number | null)[];
  deadLetters: (number | null)[];
  /** Used, 0 to 100. */
  diskPercent: (number | null)[];
}

/** Of what was sampled since the page was opened. */
export function chartOfSamples(samples: readonly Sample[]): ChartData {
  return {
    times: samples.map(({ at }) => at / 1000),
    publishRate: samples.map((sample, i) => rateBetween(samples[i - 1], sample)),
    lag: samples.map(({ pending, leased }) => sumOf(pending, leased)),
    deadLetters: samples.map(({ deadLetters }) => deadLetters ?? null),
    diskPercent: samples.map(({ diskUsed, diskFree }) => percentUsed(diskUsed, diskFree)),
  };
}

/** Events per second; a counter that went back is that of a daemon that was started again. */
function rateBetween(before: Sample | undefined, { at, stored }: Sample): number | null {
  if (before?.stored === undefined || stored === undefined || at <= before.at) return null;
  const count = stored < before.stored ? stored : stored - before.stored;
  return count * 1000 / (at - before.at);
}

/** A number, or nothing known. */
type Known = number | null | undefined;

function sumOf(a: Known, b: Known): number | null {
  return isKnown(a) && isKnown(b) ? a + b : null;
}

function isKnown(value: Known): value is number {
  return value !== null && value !== undefined;
}

function percentUsed(used: Known, free: Known): number | null {
  if (!isKnown(used) || !isKnown(free) || used + free === 0) return null;
  return used * 100 / (used + free);
}

/** What of the history is drawn (core/protocol/history.ts). */
export interface DrawnHistory {
  from: number;
  step: number;
  /** ms of each step in which a daemon ran. */
  covered: readonly number[];
  daemon?: {
    published: readonly (number | null)[];
    pending: readonly (number | null)[];
    leased: readonly (number | null)[];
    deadLetters: readonly (number | null)[];
    diskFree: readonly (number | null)[];
    diskUsed: readonly (number | null)[];
  };
}

/** Of the daemon's history. A rate counts only the time in which a daemon ran. */
export function chartOfHistory({ from, step, covered, daemon }: DrawnHistory): ChartData {
  const values = <T>(value: (i: number) => T) => covered.map((_ms, i) => value(i));
  return {
    times: values((i) => (from + i * step) / 1000),
    publishRate: values((i) => {
      const count = daemon?.published[i];
      const ms = covered[i];
      return isKnown(count) && ms ? count * 1000 / ms : null;
    }),
    lag: values((i) => sumOf(daemon?.pending[i], daemon?.leased[i])),
    deadLetters: values((i) => daemon?.deadLetters[i] ?? null),
    diskPercent: values((i) => percentUsed(daemon?.diskUsed[i], daemon?.diskFree[i])),
  };
}

/** The last value that is known, and the greatest; undefined if none is. */
export function extremesOf(
  values: readonly (number | null)[],
): { last: number; most: number } | undefined {
  const known = values.filter((value) => value !== null);
  return known.length === 0
    ? undefined
    : { last: known.at(-1)!, most: known.reduce((a, b) => Math.max(a, b)) };
}
