/** Actions that run one after the other, when somebody says that it is time. */
import type { MaybePromise } from "./maybe_promise.ts";

/** Runs what was added, in order. */
export class TaskQueue {
  readonly #waiting: (() => Promise<void>)[] = [];
  #running: Promise<void> | undefined;

  /** How many wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** True while one runs or waits. */
  get busy(): boolean {
    return this.#running !== undefined || this.#waiting.length > 0;
  }

  /** Adds an action; resolves or rejects as it does. */
  add(action: () => MaybePromise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(async () => {
        try {
          resolve(await action());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Runs all, also those that are added meanwhile. Never rejects. */
  async run(): Promise<void> {
    while (this.busy) {
      await (this.#running ??= this.#runNext());
    }
  }

  async #runNext(): Promise<void> {
    await this.#waiting.shift()!();
    this.#running = undefined;
  }
}
