/**
 * The circuit breaker of a subscription. When too many of the latest attempts have failed,
 * something is broken that no retry will fix. The subscription is then paused, instead of turning
 * every event into a dead letter.
 */
import { InvalidArgumentError } from "../base/errors.ts";
import { LONGEST_BREAKER_WINDOW } from "./limits.ts";

/**
 * When to pause: at this share of failures (above 0, up to 1) among this many of the latest
 * attempts.
 */
export interface BreakerSpec {
  /** The share of failures, above 0 and up to 1. */
  failing: number;
  /** How many of the latest attempts count. */
  window: number;
}

/**
 * Watches the attempts of one subscription. The counts live in memory only: a restart starts over.
 */
export class Breaker {
  #failed: boolean[] = [];
  #failures = 0;
  #announced = false;
  /** Why it tripped; undefined if it has not. */
  tripped: string | undefined;

  /** Records an attempt. */
  note(failed: boolean, spec: BreakerSpec | null): void {
    if (spec === null || this.tripped !== undefined) return;
    this.#failed.push(failed);
    if (failed) this.#failures++;
    while (this.#failed.length > spec.window) if (this.#failed.shift()) this.#failures--;
    if (this.#failed.length < spec.window) return;
    if (this.#failures < spec.failing * spec.window) return;
    this.tripped = `${this.#failures} of the last ${spec.window} attempts failed`;
  }

  /** Returns a function that takes back what is recorded until it is called. */
  mark(): () => void {
    const [failed, failures] = [[...this.#failed], this.#failures];
    const [announced, tripped] = [this.#announced, this.tripped];
    return () => {
      this.#failed = failed;
      this.#failures = failures;
      this.#announced = announced;
      this.tripped = tripped;
    };
  }

  /** Why it tripped; returned only once. */
  announce(): string | undefined {
    if (this.#announced) return undefined;
    this.#announced = this.tripped !== undefined;
    return this.tripped;
  }

  /** Starts over, once somebody has dealt with the problem. */
  reset(): void {
    this.#failed = [];
    this.#failures = 0;
    this.#announced = false;
    this.tripped = undefined;
  }
}

/** Parses `50%/20` (half of the last 20 attempts) or `off`. Throws `InvalidArgumentError`. */
export function parseBreaker(text: string): BreakerSpec | null {
  if (text === "off") return null;
  const parts = /^(\d{1,3}(?:\.\d+)?)%\/(\d{1,5})$/.exec(text);
  if (!parts) {
    throw new InvalidArgumentError(`a breaker is PERCENT%/ATTEMPTS or off, not ${text}`, {
      hint: "80%/50 pauses when 80 % of the last 50 attempts failed",
    });
  }
  return checkBreaker({ failing: Number(parts[1]) / 100, window: Number(parts[2]) });
}

/** Formats it as text. */
export function formatBreaker(spec: BreakerSpec | null): string {
  return spec === null ? "off" : `${Number((spec.failing * 100).toFixed(4))}%/${spec.window}`;
}

/** Validates outside input. Throws `InvalidArgumentError` naming the field. */
export function checkBreaker(given: BreakerSpec | null): BreakerSpec | null {
  if (given === null) return null;
  const { failing, window } = given;
  if (!(typeof failing === "number" && failing > 0 && failing <= 1)) {
    throw refuse("breaker.failing", "is a share above 0 and up to 1 (above 0 % and up to 100 %)");
  }
  if (!(Number.isSafeInteger(window) && window >= 1 && window <= LONGEST_BREAKER_WINDOW)) {
    throw refuse("breaker.window", `is a number of attempts from 1 to ${LONGEST_BREAKER_WINDOW}`);
  }
  return { failing, window };
}

function refuse(field: string, what: string): InvalidArgumentError {
  return new InvalidArgumentError(`${field} ${what}`, { details: { field } });
}
