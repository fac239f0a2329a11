/** Rates as people write them, `10/s`, and a token bucket that keeps to one. */
import type { Clock } from "./clock.ts";
import { InvalidArgumentError } from "./errors.ts";

/** This many per this many ms. */
export interface Rate {
  count: number;
  perMs: number;
}

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000 };

/** Parses `10/s`, `100/m` or `5/h`. Throws `InvalidArgumentError`. */
export function parseRate(text: string, field = "rate"): Rate {
  const found = /^([1-9]\d{0,8})\/([smh])$/.exec(text);
  if (found !== null) return { count: Number(found[1]), perMs: UNITS[found[2] as "s" | "m" | "h"] };
  throw new InvalidArgumentError(
    `a rate is a whole number per s, m or h, such as 10/s or 100/m, not ${
      JSON.stringify(String(text).slice(0, 60))
    }`,
    { details: { field } },
  );
}

/**
 * How to keep to a rate with many at a time: chunks of `size`, one every `everyMs`; about ten chunks
 * a second if the rate allows.
 */
export function paceInChunks(rate: Rate): { size: number; everyMs: number } {
  const size = Math.min(1_000, Math.max(1, Math.round(rate.count * 100 / rate.perMs)));
  return { size, everyMs: size * rate.perMs / rate.count };
}

/** The rate as it is written. */
export function rateText({ count, perMs }: Rate): string {
  return `${count}/${perMs === UNITS.s ? "s" : perMs === UNITS.m ? "m" : "h"}`;
}

/**
 * What the bucket holds: one token, or those of this time if they are more. A timer is no more
 * exact than that, so a fast rate could not be reached with one.
 */
const BURST_MS = 20;

/** The bucket of a rate: `nextAt` is when its next token is there, monotonic ms. */
export interface Bucket {
  nextAt: number;
  everyMs: number;
}

/** The number of tokens in the bucket. */
function tokensAt({ nextAt, everyMs }: Bucket, now: number): number {
  const most = Math.max(1, Math.floor(BURST_MS / everyMs));
  return now < nextAt ? 0 : Math.min(most, Math.floor((now - nextAt) / everyMs) + 1);
}

/** The bucket after `count` were taken; more than it held is a debt that is waited for. */
export function take(bucket: Bucket, { count, now }: { count: number; now: number }): Bucket {
  const { nextAt, everyMs } = bucket;
  const most = Math.max(1, Math.floor(BURST_MS / everyMs));
  return { everyMs, nextAt: Math.max(nextAt, now - (most - 1) * everyMs) + count * everyMs };
}

/** Keeps to a rate: ask for {@link tokens} before a start, and {@link take} them with it. */
export class RateLimit {
  readonly #clock: Clock;
  #bucket: Bucket;
  #cancel: (() => void) | undefined;

  constructor({ count, perMs }: Rate, clock: Clock) {
    this.#clock = clock;
    this.#bucket = { nextAt: -Infinity, everyMs: perMs / count };
  }

  /** How many may start now. */
  get tokens(): number {
    return tokensAt(this.#bucket, this.#clock.monotonic());
  }

  /** How long until one may start, whole ms; 0 if it may now. */
  get waitMs(): number {
    return Math.max(0, Math.ceil(this.#bucket.nextAt - this.#clock.monotonic()));
  }

  /** So many have started. */
  take(count: number): void {
    this.#bucket = take(this.#bucket, { count, now: this.#clock.monotonic() });
  }

  /** Calls `callback` when one may start, unless that is awaited already or {@link stop} comes. */
  whenFree(callback: () => void): void {
    this.#cancel ??= this.#clock.setTimer(() => {
      this.#cancel = undefined;
      callback();
    }, this.waitMs);
  }

  /** Forgets what {@link whenFree} was told. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
