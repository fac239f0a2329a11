/** A clock that only moves when a test moves it. */
import type { Clock } from "../../core/base/clock.ts";

/** A {@link Clock} for tests. */
export class FakeClock implements Clock {
  #wall: number;
  #mono = 0;
  #timers = new Set<{ at: number; callback: () => void }>();

  readonly #settled: () => Promise<void>;

  /** `settled` resolves when what a timer has started has settled. */
  constructor(wall = 1_700_000_000_000, settled: () => Promise<void> = inTurns) {
    this.#wall = wall;
    this.#settled = settled;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#mono;
  }

  setTimer(callback: () => void, ms: number): () => void {
    const timer = { at: this.#mono + ms, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** The number of pending timers. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Makes the wall clock jump; no time passes. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  /** Lets time pass, runs the timers that become due, and waits for what they started to settle. */
  async pass(ms: number): Promise<void> {
    const end = this.#mono + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
      if (!next || next.at > end) break;
      this.#move(Math.max(this.#mono, next.at));
      this.#timers.delete(next);
      next.callback();
      await this.#settled();
    }
    this.#move(end);
    await this.#settled();
  }

  /**
   * Suspends the process: time passes, and timers that become due meanwhile fire late, in {@link
   * pass}.
   */
  stand(ms: number): void {
    this.#move(this.#mono + ms);
  }

  #move(mono: number): void {
    this.#wall += mono - this.#mono;
    this.#mono = mono;
  }
}

/** Resolves when promises that were about to settle have settled. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

const inTurns = settled;
