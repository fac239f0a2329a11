/**
 * Connects an application's own dead-letter queue to a broker, and tells it about subscriptions.
 */
import type { SubscriptionManager } from "../delivery/manager.ts";
import type { JournalStore } from "../store/store.ts";
import { assertThere, redeliver, retryInCustomQueue } from "./custom_queue_retry.ts";
import type { DeadLetterQueue } from "./queue.ts";

/** What the broker provides. */
export interface CustomQueueContext {
  /** A function, because the manager is created after the queue is attached. */
  subscriptions(): SubscriptionManager;
  store: JournalStore;
  onError(error: unknown, context: string): void;
}

/** A queue that is attached to the broker. */
export interface CustomQueue {
  /** Called for each named subscription that is created or loaded. */
  subscribed(subscription: string): void;
  /** Redelivers an event; false if there is none with that id. */
  retry(eventId: string): Promise<boolean>;
}

/** Attaches the broker to the queue. */
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
      // Not at once: the subscription is still being created.
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
