/** Decides whether a pause of the subscription ends a consumer, and tells of those it waits for. */
import { pausedWords } from "../../protocol/paused_words.ts";
import type { ConsumerOptions } from "./options.ts";
import type { Leased } from "./port.ts";

/** What a consumer knows of pauses. */
export class PauseWatch {
  readonly #options: Pick<ConsumerOptions, "throughPause" | "waitsFor" | "say">;
  /** Paused, but by somebody whose pauses it waits through. */
  #waits = false;

  constructor(options: Pick<ConsumerOptions, "throughPause" | "waitsFor" | "say">) {
    this.#options = options;
  }

  /** True if leases are requested through a pause. */
  get waits(): boolean {
    return this.#waits || this.#options.throughPause === true;
  }

  /** True if a pause ends it. Reports the start and end of a pause that it waits through. */
  ends(leased: Leased): boolean {
    const { paused, pausedBy = "person" } = leased;
    const { throughPause = false, waitsFor = [], say } = this.#options;
    if (throughPause) return false;
    if (paused && !waitsFor.includes(pausedBy)) return true;
    if (paused && !this.#waits) {
      say(pausedWords(leased));
    } else if (!paused && this.#waits) {
      say("the subscription was resumed; going on");
    }
    this.#waits = paused;
    return false;
  }
}
