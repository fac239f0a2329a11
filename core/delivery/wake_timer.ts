/**
 * The single timer of a subscription: for the next lease that expires and the next retry that is
 * due.
 *
 * A lease expires only after everything that arrived before its end has been read. After a
 * standstill of the process all leases are extended by its duration. If the timer fires a little
 * late, it waits a moment and checks once more.
 */
import type { Clock } from "../base/clock.ts";
import { standstillOf, type StandstillWatch } from "../base/standstill.ts";

/** If the timer fires later than this, it checks once more before a lease expires, ms. */
const LATE_MS = 20;
/** When it checks again, ms. */
const CONFIRM_MS = 50;

/** What the timer calls. */
export interface WakeListener {
  /** Something is due. `mayExpire`: leases whose time is over may expire now. */
  woken(mayExpire: boolean): void;
  /** The process stood still for this long, ms: leases must be extended by it. */
  stood(ms: number): void;
}

/** One timer for everything that is due next. */
export class WakeTimer {
  readonly #clock: Clock;
  readonly #watch: StandstillWatch;
  readonly #listener: WakeListener;
  #timer: { at: number; cancel(): void } | undefined;
  #hasLeases = false;
  #release: (() => void) | undefined;
  #confirmAt = -Infinity;

  constructor(clock: Clock, listener: WakeListener) {
    this.#clock = clock;
    this.#watch = standstillOf(clock);
    this.#listener = listener;
  }

  /** Sets it for whichever comes first; both are monotonic ms, Infinity is never. */
  arm({ dueMono, expiryMono }: { dueMono: number; expiryMono: number }): void {
    this.#hasLeases = expiryMono < Infinity;
    if (this.#hasLeases) this.#release ??= this.#hold();
    const at = Math.min(dueMono, Math.max(expiryMono, this.#watch.settledAt, this.#confirmAt));
    if (this.#timer?.at === at) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (at === Infinity) return;
    const cancel = this.#clock.setTimer(() => {
      this.#timer = undefined;
      this.#wake(at);
    }, Math.max(0, at - this.#clock.monotonic()));
    this.#timer = { at, cancel };
  }

  /** Stops calling the listener. */
  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#release?.();
    this.#release = undefined;
  }

  #wake(at: number): void {
    this.#watch.check();
    const now = this.#clock.monotonic();
    const isLate = now - at > LATE_MS && this.#confirmAt < at;
    this.#confirmAt = isLate ? now + CONFIRM_MS : -Infinity;
    this.#listener.woken(!isLate && now >= this.#watch.settledAt);
  }

  #hold(): () => void {
    return this.#watch.hold({
      stood: (ms) => this.#listener.stood(ms),
      beat: () => {
        if (this.#hasLeases) return;
        this.#release?.();
        this.#release = undefined;
      },
    });
  }
}
