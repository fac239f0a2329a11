/** Durations counted in buckets: a distribution in constant space, as Prometheus understands it. */

/** Upper bounds for what takes milliseconds, seconds. */
export const SHORT: readonly number[] = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
];
/** Upper bounds for what may take hours, seconds. */
export const LONG: readonly number[] = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800];

/** Counts seconds by bucket. */
export class Histogram {
  /** The upper bounds of the buckets, inclusive, ascending. */
  readonly bounds: readonly number[];
  /** How many fell into each bucket; the last one is for what is above all bounds. */
  readonly counts: number[];
  /** The sum of all of them. */
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  /** Counts a duration, `times` times. */
  observe(seconds: number, times = 1): void {
    let bucket = 0;
    while (bucket < this.bounds.length && seconds > this.bounds[bucket]!) bucket++;
    this.counts[bucket]! += times;
    this.sum += seconds * times;
  }

  /** Adds what another one with the same bounds counted. */
  add(other: Histogram): void {
    other.counts.forEach((count, bucket) => this.counts[bucket]! += count);
    this.sum += other.sum;
  }
}

/**
 * The value that a share `q` of what was counted does not exceed, as Prometheus estimates it:
 * within a bucket the values are taken to be spread evenly. NaN if nothing was counted; at most the
 * greatest bound.
 */
export function quantile(
  bounds: readonly number[],
  counts: readonly number[],
  q: number,
): number {
  const rank = q * counts.reduce((sum, count) => sum + count, 0);
  if (rank === 0) return NaN;
  let before = 0;
  for (const [bucket, bound] of bounds.entries()) {
    const count = counts[bucket]!;
    if (before + count >= rank && count > 0) {
      const low = bounds[bucket - 1] ?? 0;
      return low + (bound - low) * (rank - before) / count;
    }
    before += count;
  }
  return bounds.at(-1)!;
}
