/**
 * When events expire: the clock for that, and how many did.
 *
 * An event expires a time to live after it was accepted, whatever the wall clock does meanwhile. So
 * it expires by a clock of its own, the wall clock without its steps (core/store/age_clock.ts),
 * whose difference is part of the state. Nothing is read or stored while no event expires. Nor is it
 * where nodes share the state: their clock is the database's, and what one of them takes for a step
 * of it is no other's.
 */
import type { Clock } from "../base/clock.ts";
import type { NewEvent } from "../event/event.ts";
import type { State, StateChange, StateSnapshot } from "../state/state.ts";
import { AgeClock } from "../store/age_clock.ts";

/** The time is stored at most this often, ms: a start needs to know how far it had come. */
const SAVE_EVERY_MS = 60_000;

/** What expiry needs. */
export interface ExpiryClockContext {
  clock: Clock;
  state: State;
  /** Nodes share the state and its events. */
  isShared: boolean;
  onError(error: unknown, context: string): void;
}

/** Tells when events expire. */
export class ExpiryClock {
  /** How many deliveries did not take place since the start, because the event had expired. */
  expired = 0;
  readonly #context: ExpiryClockContext;
  readonly #clock: AgeClock;
  #skew: number;
  /** The time that was stored last; undefined if no event was ever to expire. */
  #saved: number | undefined;

  constructor(context: ExpiryClockContext, snapshot: Pick<StateSnapshot, "expiryClock">) {
    this.#context = context;
    // Of a time when one process had the state for itself, if nodes share it.
    const expiryClock = context.isShared ? undefined : snapshot.expiryClock;
    this.#saved = expiryClock?.newest;
    this.#skew = expiryClock?.skew ?? 0;
    this.#clock = new AgeClock(context.clock, {
      skew: this.#skew,
      newest: expiryClock?.newest ?? 0,
      save: (skew) => {
        this.#skew = skew;
        return true;
      },
    });
  }

  /** The time that events expire by, Unix ms. */
  now(): number {
    const skew = this.#skew;
    const now = Math.round(this.#clock.now());
    const isLate = this.#saved === undefined || now - this.#saved >= SAVE_EVERY_MS;
    if (!this.#context.isShared && (isLate || skew !== this.#skew)) this.#save(now);
    return now;
  }

  /** An event that is published now, or was this long ago, ms: its time to live began then. */
  stamp(event: NewEvent, age = 0): NewEvent {
    if (event.ttlMs === undefined) return event;
    const { ttlMs, ...rest } = event;
    return { ...rest, expiresAt: this.now() + ttlMs - age };
  }

  /** The change that stores how the clock stands, for the end; none if no event is to expire. */
  changes(): StateChange[] {
    if (this.#saved === undefined || this.#context.isShared) return [];
    const newest = Math.round(this.#clock.now());
    return [{ op: "expiry.clock", record: { skew: this.#skew, newest } }];
  }

  /** Not synced: if it is lost, time in which the daemon was down may count less. */
  #save(newest: number): void {
    const { state, onError } = this.#context;
    this.#saved = newest;
    const record = { skew: this.#skew, newest };
    state.commit([{ op: "expiry.clock", record }], { sync: false })
      .catch((error) => onError(error, "the clock that events expire by"));
  }
}
