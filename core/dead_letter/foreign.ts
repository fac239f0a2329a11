/** Retrying what lies in a dead-letter queue that the application wrote. */
import { planAdopt } from "../delivery/adopt.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import { ConflictError } from "../errors.ts";
import { type DeadLetterEntry, type DeadLetterQueue, recordOf } from "./queue.ts";

/** Delivers an entry again to the subscription that failed, then takes it out of the queue. */
export async function retryForeign(
  eventId: string,
  queue: DeadLetterQueue,
  subscriptions: SubscriptionManager,
): Promise<boolean> {
  const entries = (await queue.getEvents({})).filter(({ event }) => event.id === eventId);
  for (const entry of entries) {
    if (!subscriptions.has(entry.subscription)) {
      throw new ConflictError(`the subscription ${entry.subscription} is gone`, {
        code: "dead-letter/subscription-gone",
        details: { subscriptions: [entry.subscription] },
      });
    }
  }
  for (const entry of entries) await adopt(entry, subscriptions);
  return entries.length > 0 && await queue.removeEvent(eventId);
}

async function adopt(entry: DeadLetterEntry, subscriptions: SubscriptionManager): Promise<void> {
  const driver = subscriptions.require(entry.subscription);
  driver.look();
  const record = {
    ...recordOf(entry.event, entry.subscription),
    reason: entry.error,
    diedAt: entry.timestamp,
    attempts: [{
      attempt: Math.max(1, entry.attempts),
      startedAt: entry.timestamp,
      durationMs: 0,
      outcome: "dead" as const,
      error: entry.error,
    }],
  };
  await driver.plan(() => planAdopt(driver.queue, [record], driver.now()));
}
