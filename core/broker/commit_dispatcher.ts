/**
 * Dispatches a commit to the queues of subscriptions, to live tails, and, for topics that store
 * nothing, straight to the handlers of this process. If one of them throws, neither the others nor
 * the publisher are affected.
 */
import type { SubscriptionDriver } from "../delivery/driver.ts";
import type { LocalSubscriptions } from "./local_subscriptions.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import type { Event, NewEvent } from "../event/event.ts";
import type { Commit } from "../store/journal.ts";
import { eventsOf, type StoreRequest } from "../store/pack.ts";
import type { Appended, AppendOutcome } from "../store/store.ts";
import type { TopicMeters } from "./topic_meters.ts";

/** The receivers of commits. */
export interface CommitDispatcherContext {
  subscriptions: SubscriptionManager;
  locals: LocalSubscriptions;
  meters: TopicMeters;
  onError(error: unknown, context: string): void;
}

/** Passes commits to subscriptions, live tails and local handlers. */
export class CommitDispatcher {
  readonly #context: CommitDispatcherContext;
  readonly #tails = new Set<(commit: Commit) => void>();

  constructor(context: CommitDispatcherContext) {
    this.#context = context;
  }

  /** Calls `listener` for every commit. Returns a function that removes it. */
  add(listener: (commit: Commit) => void): () => void {
    this.#tails.add(listener);
    return () => this.#tails.delete(listener);
  }

  /** True if anyone except handlers of this process wants the events of a topic. */
  hasOthers(topic: string): boolean {
    return this.#tails.size > 0 || this.#context.locals.hasOthers(topic);
  }

  /**
   * Passes on that others have stored events, which whoever wants them reads: a commit without them.
   * It may be told late, and again; queues and tails go by where they are themselves.
   */
  tellAppended(appended: Appended): void {
    this.#context.meters.noteAppended(appended);
    this.#pass(appended);
  }

  /** Passes on what became durable, or the events of a topic that stores nothing. */
  tell(commit: Commit): void {
    this.#context.meters.note(commit);
    this.#pass(commit);
  }

  #pass(commit: Commit): void {
    const { subscriptions, locals, onError } = this.#context;
    // A throwing listener must not look like a failed store.
    try {
      // Handlers of this process get unstored events directly (LocalSubscriptions.hand), not
      // through their queue.
      const except = commit.ephemeral
        ? (driver: SubscriptionDriver) => locals.has(driver)
        : undefined;
      subscriptions.committed(commit, except);
    } catch (error) {
      onError(error, "delivery");
    }
    for (const tail of this.#tails) {
      try {
        tail(commit);
      } catch (error) {
        onError(error, "a live tail");
      }
    }
  }

  /**
   * Passes on an event that is not stored, by reference; `captured` converts it to bytes for
   * receivers that need them.
   */
  hand(event: Event, captured: () => NewEvent): void {
    const { topic } = event;
    if (this.hasOthers(topic)) {
      this.tell({ topic, firstSeq: 0, lastSeq: 0, events: [captured()], ephemeral: true });
    }
    this.#context.locals.hand(event);
  }

  /** Passes on an event that only handlers of this process want; see {@link hasOthers}. */
  handHere(event: Event): void {
    this.#context.locals.hand(event);
  }

  /** Passes on a request whose events are not stored. */
  handOn(request: StoreRequest): AppendOutcome {
    const { topic } = request;
    const events = eventsOf(request);
    const commit: Commit = { topic, firstSeq: 0, lastSeq: 0, events, ephemeral: true };
    this.tell(commit);
    this.#context.locals.handCommit(commit);
    return { ok: true, count: events.length, firstSeq: 0, lastSeq: 0, duplicates: [] };
  }
}
