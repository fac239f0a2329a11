/**
 * What a broker still waits for when it is young: stores that open, subscriptions that are loaded
 * or being made.
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
   * Holds back every append until `work` is done. Where it fails, each of them fails with its
   * error.
   */
  begin(work: Promise<unknown>): void {
    const opening = this.#opening = work.then(() => {});
    opening.then(() => this.#opening = undefined, () => {});
  }

  /** What an append has to wait for; undefined once all is open. */
  get opening(): Promise<void> | undefined {
    return this.#opening;
  }

  /**
   * What a publish has to wait for: a subscription that was asked for before it must get its event.
   */
  get pending(): Promise<unknown> | undefined {
    return this.#opening ?? this.#locals.starting;
  }
}
