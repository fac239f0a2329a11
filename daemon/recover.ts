/**
 * Recovers from a state database that is gone or lost its last commits: topics that have events are
 * recreated, with default options. What only the state contained (subscriptions, retries, dead
 * letters, schemas) is lost.
 */
import type { EventBroker } from "../core/broker/event_broker.ts";

/**
 * Recreates topics that have events but are not in the state. Returns a message for people;
 * undefined if nothing was missing.
 */
export async function recoverTopics(broker: EventBroker): Promise<string | undefined> {
  const { store, topics } = broker;
  const isNew = topics.list().length === 0 && broker.subscriptions.all().length === 0;
  const missing: string[] = [];
  for (const name of store.topics()) {
    const made = topics.recreate(name);
    if (!made) continue;
    await made;
    missing.push(name);
  }
  if (missing.length === 0) return undefined;
  const made = missing.length === 1
    ? `the topic ${missing[0]} was made again from its events, with default options`
    : `${missing.length} topics were made again from their events, with default options`;
  return isNew
    ? `the state database was gone: ${made}; subscriptions, retries, dead letters and schemas are lost`
    : `the state did not know every topic: ${made}`;
}
