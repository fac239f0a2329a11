/**
 * An action on many dead letters that may be refused midway by a full disk: it knows how far it got,
 * goes on from there when it is run again, and says exactly what was done and what was not.
 */
import { CannotStoreError, isDiskFull } from "../base/errors.ts";
import type { DeadLetterAction, DeadLetterActionReply } from "../protocol/protocol.ts";
import type { Redelivery } from "../delivery/redeliver.ts";
import type { EntryKey } from "./entries.ts";
import { deadLetterName } from "../state/dead_letter_name.ts";
import type { SmallTransactions } from "./small_transactions.ts";

/** What to do, with what. */
export interface ActionOptions {
  action: DeadLetterAction;
  /** In the order in which they are handled. */
  keys: readonly Redelivery[];
  transactions: SmallTransactions;
  /** One transaction. Returns those that were still there. */
  step: (some: readonly Redelivery[]) => Promise<readonly Redelivery[]>;
  /** What has happened to those that are done: `retried`. */
  done: string;
}

/** An action on dead letters that were found. */
export class ResumableAction {
  readonly #options: ActionOptions;
  /** How many it has been through, and those of them that were still there. */
  #done = 0;
  readonly #handled: Redelivery[] = [];

  constructor(options: ActionOptions) {
    this.#options = options;
  }

  /** Does what is left to do. Throws with what was done, if it is refused midway. */
  async run(): Promise<DeadLetterActionReply> {
    const { action, keys, transactions, step } = this.#options;
    const dryRun = action.dryRun ?? false;
    const left = keys.slice(this.#done);
    if (!dryRun && left.length > 0) {
      try {
        await transactions.run(left, async (some) => {
          for (const key of await step(some)) this.#handled.push(key);
          this.#done += some.length;
        });
      } catch (error) {
        throw this.#done > 0 && isDiskFull(error) ? this.#refusedMidway(error) : error;
      }
    }
    const done = dryRun ? keys : this.#handled;
    return { count: done.length, dryRun, bySubscription: countBySubscription(done) };
  }

  #refusedMidway(error: unknown): CannotStoreError {
    const { action, keys, done } = this.#options;
    const { code, details } = error as CannotStoreError;
    const left = keys.slice(this.#done);
    const names = new Set(left.flatMap((key) => [key.id, deadLetterName(key)]));
    const ids = action.ids?.filter((id) => names.has(id));
    return new CannotStoreError(
      `no room for all of it: ${this.#done} of ${keys.length} dead letters were ${done}, ` +
        "the others are as they were",
      {
        code,
        hint: ids
          ? "make room, then name those that are left"
          : "make room, then the same again: it goes on with the others",
        details: {
          ...details,
          done: this.#done,
          count: keys.length,
          bySubscription: countBySubscription(keys.slice(0, this.#done)),
          ...(ids ? { left: ids } : {}),
        },
        cause: error,
      },
    );
  }
}

/** The number of entries of each subscription. */
export function countBySubscription(keys: readonly EntryKey[]): Record<string, number> {
  // In a map first: a plain object has something under "constructor", which is a valid name.
  const counts = new Map<string, number>();
  for (const { subscription } of keys) {
    counts.set(subscription, (counts.get(subscription) ?? 0) + 1);
  }
  return Object.fromEntries(counts);
}
