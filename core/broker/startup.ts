/**
 * What a new broker still waits for: stores that are opening, subscriptions that are being loaded
 * or created.
 */
import type { LocalSubscriptions } from "./local_subscriptions.ts";

/** Tells publishers whether they have to wait, and for what. */
export class Startup {
  readonly #locals: LocalSubscriptions;
  #opening: Promise<void> | undefined;

  constructor(locals: LocalSubscriptions) {
    this.#locals = locals;
  }

  /**
   * Holds back every append until `work` is done. If it fails, each of them fails with its error.
   */
  begin(work: Promise<unknown>): void {
    const opening = this.#opening = work.then(() => {});
    opening.then(() => this.#opening = undefined, () => {});
  }

  /** What an append has to wait for; undefined once everything is open. */
  get opening(): Promise<void> | undefined {
    return this.#opening;
  }

  /** What a publish has to wait for: a subscription requested before it must get its event. */
  get pending(): Promise<unknown> | undefined {
    return this.#opening ?? this.#locals.starting;
  }
}
