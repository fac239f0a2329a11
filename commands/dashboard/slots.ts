/** How many requests are carried out at a time, and how many of them may be streams. */
import { refusal } from "./guard.ts";

/** The most requests at a time. */
export const MAX_REQUESTS = 64;
/** The most of them that are streams, which last as long as somebody listens. */
export const MAX_STREAMS = 32;

/** Counts them. */
export class Slots {
  #requests = 0;
  #streams = 0;

  /** Calls `use`, or throws if there are too many. */
  async during(isStream: boolean, use: () => Promise<void>): Promise<void> {
    if (this.#requests >= MAX_REQUESTS || (isStream && this.#streams >= MAX_STREAMS)) {
      throw refusal(
        { code: "dashboard/busy", status: 503 },
        `the dashboard carries out ${MAX_REQUESTS} requests at a time, ${MAX_STREAMS} streams among them`,
        { hint: "close some of its tabs" },
      );
    }
    this.#requests++;
    if (isStream) this.#streams++;
    try {
      await use();
    } finally {
      this.#requests--;
      if (isStream) this.#streams--;
    }
  }
}
