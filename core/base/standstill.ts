/**
 * Detects when this process stood still: SIGSTOP, a suspended laptop, a stalled virtual machine.
 *
 * Afterwards the runtime fires the timers that came due before it reads the input that arrived
 * meanwhile. So a timer that gives up on a peer must not be trusted at once: the answer may already
 * be waiting in the socket.
 */
import type { Clock } from "./clock.ts";
import { moduleState } from "./module_state.ts";

/** While there are listeners, the time is checked this often, ms. */
const BEAT_MS = 250;
/** A beat later than this means a standstill, ms. */
const LATE_MS = 100;
/** Input that arrived during a standstill is read within this time, ms. */
const SETTLE_MS = 1000;

/** Callbacks for {@link StandstillWatch.hold}. */
export interface StandstillListener {
  /** The process stood still for this long, ms. */
  stood?(ms: number): void;
  /** The time was checked. */
  beat?(): void;
}

/**
 * Measures how long the process stood still. It checks only while somebody {@link hold}s it, so
 * idle costs nothing.
 */
export class StandstillWatch {
  readonly #clock: Clock;
  readonly #listeners = new Set<StandstillListener>();
  #cancel: (() => void) | undefined;
  #seen = 0;
  #settledAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts checking; returns a function that stops. */
  hold(listener: StandstillListener): () => void {
    if (this.#listeners.size === 0) {
      this.#seen = this.#clock.monotonic();
      this.#beat();
    }
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#cancel?.();
    };
  }

  /**
   * Call this in a timer before it gives up on a peer: it reports any standstill to the listeners.
   */
  check(): void {
    if (this.#listeners.size === 0) return;
    const now = this.#clock.monotonic();
    const stood = now - this.#seen;
    this.#seen = now;
    if (stood <= BEAT_MS + LATE_MS) return;
    this.#settledAt = now + Math.min(stood, SETTLE_MS);
    for (const { stood: told } of [...this.#listeners]) told?.(stood);
  }

  /**
   * Give up on nobody before this time (monotonic ms): input that arrived during the last
   * standstill is still being read.
   */
  get settledAt(): number {
    return this.#settledAt;
  }

  #beat(): void {
    this.#cancel = this.#clock.setTimer(() => {
      this.#beat();
      this.check();
      for (const { beat } of [...this.#listeners]) beat?.();
    }, BEAT_MS);
  }
}

const watches = moduleState(() => new WeakMap<Clock, StandstillWatch>());

/** The single watch of a clock. */
export function standstillOf(clock: Clock): StandstillWatch {
  const known = watches();
  let watch = known.get(clock);
  if (watch === undefined) known.set(clock, watch = new StandstillWatch(clock));
  return watch;
}

/**
 * A timer that gives up on a peer. If it fires late, the process stood still, so it waits again for
 * as long as it was late: input that arrived meanwhile is read first. Returns a function that
 * cancels it.
 */
export function setPatientTimer(clock: Clock, callback: () => void, ms: number): () => void {
  let cancel = () => {};
  const wait = (delay: number) => {
    const dueAt = clock.monotonic() + delay;
    cancel = clock.setTimer(() => {
      const late = clock.monotonic() - dueAt;
      if (late > LATE_MS) wait(Math.min(late, SETTLE_MS));
      else callback();
    }, delay);
  };
  wait(ms);
  return () => cancel();
}

/**
 * How long somebody has waited who tries again and again. What goes beyond the longest that a try
 * may take was a standstill of this process, and does not count: whoever waits for a daemon gives
 * it the time that it would have had.
 */
export class AwakeTime {
  readonly #clock: Clock;
  #seen: number;
  #passed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#seen = clock.monotonic();
  }

  /** The time so far, ms. `most`: what may rightly have passed since this was asked last, ms. */
  passed(most: number): number {
    const now = this.#clock.monotonic();
    this.#passed += Math.min(now - this.#seen, most);
    this.#seen = now;
    return this.#passed;
  }
}
