/** Retries entries of a dead-letter queue that the application provides. */
import { defined } from "../base/defined.ts";
import { isPromise } from "../base/maybe_promise.ts";
import { planRedelivery } from "../delivery/redeliver.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import { ConflictError } from "../base/errors.ts";
import type { JournalStore } from "../store/store.ts";
import { type DeadLetterEntry, type DeadLetterQueue, recordOf } from "./queue.ts";

/** Redelivers an entry to the subscription that failed, then removes it from the queue. */
export async function retryInCustomQueue(
  eventId: string,
  { queue, subscriptions, store }: {
    queue: DeadLetterQueue;
    subscriptions: SubscriptionManager;
    store: JournalStore;
  },
): Promise<boolean> {
  const entries = (await queue.getEvents({})).filter(({ event }) => event.id === eventId);
  for (const entry of entries) assertThere(entry.subscription, subscriptions);
  for (const entry of entries) await redeliver(entry, { subscriptions, store });
  return entries.length > 0 && await queue.removeEvent(eventId);
}

/** Throws `ConflictError` if the subscription no longer exists. */
export function assertThere(name: string, subscriptions: SubscriptionManager): void {
  if (subscriptions.has(name)) return;
  throw new ConflictError(`the subscription ${name} is gone; nothing was redelivered`, {
    code: "dead-letter/subscription-gone",
    hint: "make the subscription again, under its name",
    details: { subscriptions: [name] },
  });
}

/** Redelivers an entry as a retry of its subscription. */
export async function redeliver(
  entry: DeadLetterEntry,
  { subscriptions, store, isWanted = () => true }: {
    subscriptions: SubscriptionManager;
    store: JournalStore;
    isWanted?: () => boolean;
  },
): Promise<void> {
  const driver = subscriptions.require(entry.subscription);
  const { topic, id, seq = 0 } = entry.event;
  if (store.refresh) await store.refresh([topic]);
  driver.look();
  // The queue may have outlived the store: then the seq belongs to another event, which must not
  // count as handled.
  const page = seq > 0 ? store.readPage(topic, { from: seq, to: seq, limit: 1 }) : undefined;
  const isKnown = (isPromise(page) ? await page : page)?.events[0]?.id === id;
  const record = {
    ...recordOf(entry.event, entry.subscription),
    seq: isKnown ? seq : 0,
    reason: entry.error,
    diedAt: entry.timestamp,
    attempts: [{
      attempt: Math.max(1, entry.attempts),
      ...defined({ unanswered: entry.unanswered }),
      startedAt: entry.timestamp,
      durationMs: 0,
      outcome: "dead" as const,
      error: entry.error,
    }],
  };
  try {
    await driver.plan(() => planRedelivery(driver.queue, isWanted() ? [record] : [], driver.now()));
  } catch (error) {
    // Read again the events that the plan had dropped.
    driver.reread();
    throw error;
  }
}
