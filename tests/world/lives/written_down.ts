/**
 * Up to when the daemon has certainly written down how far its topics went (docs/adr/0023): at its
 * start, and within a second while it runs undisturbed. Only the former survives a power cut.
 */
import type { Fact } from "./fact.ts";

/** So long after an event was stored it is written down, with time to spare, ms. */
const LATEST_MS = 2_000;

/** What is written down, by a clock that runs only while the daemon runs undisturbed. */
export class WrittenDown {
  /** How long it has run, ms. */
  now = 0;
  #at = 0;
  #isUp = true;
  #disturbances = 0;
  #startedAt = 0;
  #hadPowerCut = false;

  /** What was stored until then is written down. */
  get upTo(): number {
    return this.#hadPowerCut ? this.#startedAt : this.now - LATEST_MS;
  }

  /** Something happened. */
  take(fact: Fact): void {
    const isCalm = this.#disturbances === 0;
    if (this.#isUp && isCalm) this.now += fact.at - this.#at;
    this.#at = fact.at;
    switch (fact.is) {
      case "up":
        this.#isUp = true;
        if (!isCalm) return;
        this.#hadPowerCut = false;
        this.#startedAt = this.now;
        return;
      case "down":
        this.#isUp = false;
        this.#hadPowerCut ||= fact.how === "power cut";
        return;
      case "disturbed":
        this.#disturbances += fact.by ?? 0;
    }
  }
}
