/**
 * Counts wrong tokens. After some of them in a minute the answer to every further one is 429. The
 * right one is taken at any time: otherwise any program on this machine could lock its owner out,
 * and nobody guesses 256 bits.
 */
import type { Clock } from "../../core/base/clock.ts";

/** This many are answered one by one in a minute. */
export const WRONG_TOKENS = 10;
const MINUTE_MS = 60_000;

/** Counts them. */
export class WrongTokens {
  readonly #clock: Clock;
  readonly #say: (text: string) => void;
  #since = -Infinity;
  #count = 0;

  constructor({ clock, say }: { clock: Clock; say: (text: string) => void }) {
    this.#clock = clock;
    this.#say = say;
  }

  /** Counts one. Undefined, or how long to wait before the next, seconds. */
  count(): number | undefined {
    const now = this.#clock.monotonic();
    if (now - this.#since >= MINUTE_MS) {
      this.#since = now;
      this.#count = 0;
    }
    this.#count++;
    if (this.#count <= WRONG_TOKENS) return undefined;
    if (this.#count === WRONG_TOKENS + 1) {
      this.#say(`more than ${WRONG_TOKENS} wrong tokens in a minute: somebody tries to get in`);
    }
    return Math.ceil((this.#since + MINUTE_MS - now) / 1000);
  }
}
