/** Time and timers, injected, so that tests can move them. */

/** A source of time. `now` may jump (contract row 10); `monotonic` never does. */
export interface Clock {
  /** Wall clock, Unix ms. For timestamps only, never for order or timers. */
  now(): number;
  /** Milliseconds since some fixed point; never goes back. */
  monotonic(): number;
  /** Runs `callback` once after `ms`; returns a function that cancels it. */
  setTimer(callback: () => void, ms: number): () => void;
}

const LONGEST_TIMER = 0x7fffffff;

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(callback, ms) {
    const timer = setTimeout(callback, Math.min(Math.max(0, ms), LONGEST_TIMER));
    return () => clearTimeout(timer);
  },
};
