/**
 * One journal per store and durability of a broker: a topic that waits for syncs delays none that
 * does not, and a slow store delays none in another.
 */
import {
  AppendTimes,
  type AppendWaiter,
  type Commit,
  Journal,
  type PublishStream,
} from "./journal.ts";
import type { Durability } from "../event/durability.ts";
import type { StoreRequest } from "./pack.ts";
import type { AppendOutcome, Condition, JournalStore, Recheck } from "./store.ts";

/** Where a topic's events are appended. */
export interface AppendTarget {
  store: JournalStore;
  /** Absent: the store's own. */
  durability?: Durability;
}

/** The journals of a broker, one per store and durability. */
export class Journals {
  readonly #journals = new Map<JournalStore, Map<Durability | undefined, Journal>>();
  readonly #listeners = new Set<(commit: Commit) => void>();
  readonly #failure = Promise.withResolvers<unknown>();
  #failed: unknown;
  /** How long appends take, in all of them together. */
  readonly times: AppendTimes = new AppendTimes();
  /** Set before the first append, where several nodes share the state. */
  recheck: Recheck | undefined;

  /** The error after which a journal stores nothing more; undefined if there was none. */
  get failed(): unknown {
    return this.#failed;
  }

  /** Resolves with that error when it happens. */
  get failure(): Promise<unknown> {
    return this.#failure.promise;
  }

  /** Events that became durable. */
  get events(): number {
    return this.#all().reduce((sum, journal) => sum + journal.events, 0);
  }

  /** Appends that became durable. */
  get batches(): number {
    return this.#all().reduce((sum, journal) => sum + journal.batches, 0);
  }

  /** See {@link Journal.submit}. */
  submit(
    target: AppendTarget,
    request: StoreRequest,
    stream?: PublishStream,
  ): Promise<AppendOutcome> {
    return this.#journalOf(target).submit(request, stream);
  }

  /** See {@link Journal.submitFor}. */
  submitFor(waiter: AppendWaiter, target: AppendTarget, request: StoreRequest): void {
    this.#journalOf(target).submitFor(waiter, request);
  }

  /** See {@link Journal.submitGroup}. */
  submitGroup(
    target: AppendTarget,
    requests: readonly StoreRequest[],
    conditions: readonly Condition[],
  ): Promise<AppendOutcome[]> {
    return this.#journalOf(target).submitGroup(requests, conditions);
  }

  /** Calls `listener` for everything that became durable, before its publisher is answered. */
  onCommit(listener: (commit: Commit) => void): void {
    this.#listeners.add(listener);
  }

  /** See {@link Journal.settled}. */
  async settled(topic: string): Promise<void> {
    await Promise.all(this.#all().map((journal) => journal.settled(topic)));
  }

  /** Resolves when nothing is in flight. */
  async idle(): Promise<void> {
    await Promise.all(this.#all().map((journal) => journal.idle()));
  }

  #all(): Journal[] {
    return [...this.#journals.values()].flatMap((journals) => [...journals.values()]);
  }

  #journalOf({ store, durability }: AppendTarget): Journal {
    let journals = this.#journals.get(store);
    if (!journals) this.#journals.set(store, journals = new Map());
    const there = journals.get(durability);
    if (there) return there;
    const journal = new Journal(store, { durability, times: this.times, recheck: this.recheck });
    journals.set(durability, journal);
    journal.onCommit((commit) => {
      for (const listener of this.#listeners) listener(commit);
    });
    void journal.failure.then((error) => {
      this.#failed ??= error;
      this.#failure.resolve(error);
    });
    return journal;
  }
}
