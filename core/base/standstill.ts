/**
 * Standstills of this process: SIGSTOP, a suspended laptop, a stalled virtual machine.
 *
 * After one, the runtime fires the timers that came due before it reads what came in meanwhile. A
 * timer that gives somebody up must therefore not be believed at once: the answer may be in the
 * socket already.
 */
import type { Clock } from "./clock.ts";

/** While somebody asks for it, the time is looked at this often, ms. */
const BEAT_MS = 250;
/** A beat that is later than this is a standstill, ms. */
const LATE_MS = 100;
/** What came in during a standstill is read within this, ms. */
const SETTLE_MS = 1000;

/** What somebody who asks is told. */
export interface StandstillListener {
  /** The process stood still for so long, ms. */
  stood?(ms: number): void;
  /** The time was looked at. */
  beat?(): void;
}

/**
 * Tells how long the process stood still. It looks only while {@link hold} is in force: idle costs
 * nothing.
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

  /** Looks from now on; returns what ends that. */
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
   * Call it in a timer that gives somebody up, before it does: tells the listeners of a standstill.
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
   * Until then nobody is given up, monotonic ms: what came in during the last standstill is being
   * read.
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

const watches = new WeakMap<Clock, StandstillWatch>();

/** The one watch of a clock. */
export function standstillOf(clock: Clock): StandstillWatch {
  let watch = watches.get(clock);
  if (watch === undefined) watches.set(clock, watch = new StandstillWatch(clock));
  return watch;
}

/**
 * A timer that gives somebody up. When it fires late the process stood still, so it waits again,
 * for as long as it was late: what came in meanwhile is read first. Returns what cancels it.
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
