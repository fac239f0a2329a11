/**
 * A queue of the application's own in the hands of a broker: introduced to it, and told which
 * subscriptions are there.
 */
import type { SubscriptionManager } from "../delivery/manager.ts";
import type { JournalStore } from "../store/store.ts";
import { assertThere, redeliver, retryInCustomQueue } from "./custom_queue_retry.ts";
import type { DeadLetterQueue } from "./queue.ts";

/** What the broker gives. */
export interface CustomQueueContext {
  /** Asked later: the manager is made after the queue is introduced. */
  subscriptions(): SubscriptionManager;
  store: JournalStore;
  onError(error: unknown, context: string): void;
}

/** A queue that the broker was introduced to. */
export interface CustomQueue {
  /** Called with each named subscription that is made or found. */
  subscribed(subscription: string): void;
  /** Delivers an event again; false when there is none of that id. */
  retry(eventId: string): Promise<boolean>;
}

/** Introduces the broker to the queue. */
export function attachCustomQueue(
  queue: DeadLetterQueue,
  context: CustomQueueContext,
): CustomQueue {
  const { subscriptions, store, onError } = context;
  queue.attach?.({
    assertThere: (name) => assertThere(name, subscriptions()),
    redeliver: (entry, isWanted) =>
      redeliver(entry, { subscriptions: subscriptions(), store, isWanted }),
  });
  return {
    subscribed(name) {
      if (!queue.subscribed) return;
      // Not at once: the subscription is only being made.
      Promise.resolve()
        .then(() => subscriptions().ready)
        .then(() => queue.subscribed!(name))
        .catch((error) => onError(error, `the dead letters of ${name}`));
    },
    retry: (eventId) =>
      queue.attach
        ? queue.retryEvent(eventId)
        : retryInCustomQueue(eventId, { queue, subscriptions: subscriptions(), store }),
  };
}
