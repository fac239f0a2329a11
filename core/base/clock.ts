/** Time and timers, injected so that tests can control them. */

/** A source of time. `now` may jump (contract row 10); `monotonic` never does. */
export interface Clock {
  /** Wall clock, Unix ms. Use it for timestamps only, never for ordering or timers. */
  now(): number;
  /** Milliseconds since some fixed point; never goes back. */
  monotonic(): number;
  /** Runs `callback` once after `ms`; returns a function that cancels it. */
  setTimer(callback: () => void, ms: number): () => void;
  /** The same, but does not keep the process alive. Default: {@link setTimer}. */
  setBackgroundTimer?(callback: () => void, ms: number): () => void;
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
  /**
   * A process's first `setTimeout` loads Node's timers, which takes 7 to 11 ms in Deno 2.9.6, and
   * `AbortSignal.timeout` takes half a millisecond. Waiting for a number that nobody changes takes
   * less than 0.1 ms, and a publish from a cold shell needs no more.
   */
  setBackgroundTimer(callback, ms) {
    let wanted = true;
    const wait = Atomics.waitAsync(
      new Int32Array(new SharedArrayBuffer(4)),
      0,
      0,
      Math.max(0, ms),
    );
    if (wait.async) void wait.value.then(() => wanted && callback());
    else queueMicrotask(() => wanted && callback());
    return () => void (wanted = false);
  },
};

/**
 * Runs `callback` once after `ms`, unless the process has ended by then. Returns a function that
 * cancels it.
 */
export function setBackgroundTimer(clock: Clock, callback: () => void, ms: number): () => void {
  return clock.setBackgroundTimer?.(callback, ms) ?? clock.setTimer(callback, ms);
}
