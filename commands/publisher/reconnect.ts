/** Requests that reconnect when the daemon goes away: it is waited for, and asked again. */
import type { Clock } from "../../core/base/clock.ts";
import { type EvsError, NoDaemonError, NotAnsweringError } from "../../core/base/errors.ts";
import { AwakeTime } from "../../core/base/standstill.ts";
import { delay, LONGEST_TRY_MS } from "../../core/client/feed.ts";
import { isAway } from "./recovery.ts";

/** Between two attempts to reach a daemon that is away, ms. */
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [20, 500];

/** The options of a {@link ReconnectingClient}. */
export interface ReconnectingOptions {
  clock: Clock;
  say(words: string): void;
  /** So long a daemon is waited for that goes away, ms. */
  limitMs: number;
}

/** Asks a daemon, and waits for it once it was there. */
export class ReconnectingClient {
  readonly #options: ReconnectingOptions;
  /** A daemon was there: from then on it is waited for. */
  #reached = false;

  constructor(options: ReconnectingOptions) {
    this.#options = options;
  }

  /**
   * Asks; when the daemon goes away, waits for it and asks again. `broken`: the error if it stays
   * away.
   */
  async ask<T>(ask: () => Promise<T>, broken: (error: EvsError) => EvsError): Promise<T> {
    const { clock, limitMs, say } = this.#options;
    let away: AwakeTime | undefined;
    for (let pause = FIRST_PAUSE_MS;; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        const answer = await ask();
        this.#reached = true;
        if (away) say("the daemon is back; the import goes on");
        return answer;
      } catch (error) {
        this.#reached ||= !(error instanceof NoDaemonError || error instanceof NotAnsweringError);
        if (!isAway(error) || !this.#reached) throw error;
        // One that stands still is told of at once, as by every command.
        const isSilent = error instanceof NotAnsweringError;
        if (away ? away.passed(LONGEST_TRY_MS) >= limitMs : isSilent) throw broken(error);
        if (!away) say("the daemon went away; waiting for it to come back");
        away ??= new AwakeTime(clock);
      }
      await delay(clock, pause);
    }
  }
}
