/**
 * A control for rounds that last long: the same work in this process before and after. When it took
 * noticeably longer the one time than the other, somebody else used the machine meanwhile, and the
 * round is taken again.
 */

/** A round is steady while the controls differ by less than this share. */
const MOST_DIFFERENCE = 0.1;
/** Rounds on a machine that never rests are kept after so many attempts. */
const ATTEMPTS = 3;
/** About 30 ms of work. */
const STEPS = 30_000_000;
/** The best of so many counts: one that was interrupted says nothing about the rest. */
const RUNS = 3;

/** How long a fixed piece of work takes, ms. */
export function control(now: () => number = () => performance.now()): number {
  let best = Infinity;
  for (let run = 0; run < RUNS; run++) {
    const began = now();
    let sum = 1;
    for (let step = 0; step < STEPS; step++) sum = (sum * 31 + step) | 0;
    if (sum === 0.5) throw new Error("an integer");
    best = Math.min(best, now() - began);
  }
  return best;
}

/** What decides about a round: the clock is a parameter for tests. */
export interface SteadyOptions {
  say: (text: string) => void;
  /** Default: {@link control}. */
  measure?: () => number;
}

/** Takes a figure until the machine was steady while it was taken; says so when it was not. */
export async function steady<T>(
  take: () => Promise<T>,
  { say, measure = control }: SteadyOptions,
): Promise<T> {
  for (let attempt = 1;; attempt++) {
    const before = measure();
    const figure = await take();
    const difference = Math.abs(measure() / before - 1);
    if (difference < MOST_DIFFERENCE) return figure;
    const percent = Math.round(difference * 100);
    if (attempt === ATTEMPTS) {
      say(`the machine was not steady (${percent} %), and is not: this round is kept`);
      return figure;
    }
    say(`the machine was not steady (${percent} %): the round is taken again`);
  }
}
