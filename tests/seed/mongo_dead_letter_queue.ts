/** The MongoDB dead-letter queue of the seed document, as a user would copy it. */
import type {
  DeadLetterEntry,
  DeadLetterQuery,
  DeadLetterQueue,
  Event,
} from "https://deno.land/x/env_event_stream/mod.ts";
import { MongoClient, type MongoCollection } from "./mongo_collection.ts";

export class MongoDeadLetterQueue implements DeadLetterQueue {
  private collection: MongoCollection;

  constructor(connectionString: string) {
    const client = new MongoClient(connectionString);
    this.collection = client.database("events").collection("dead_letter_queue");
  }

  async addEvent(
    event: Event,
    error: Error,
    subscriptionName: string,
  ): Promise<void> {
    await this.collection.insertOne({
      eventId: event.id,
      event: event,
      error: error.message,
      stack: error.stack,
      subscription: subscriptionName,
      timestamp: Date.now(),
      attempts: 1,
    });
  }

  async getEvents(options: DeadLetterQuery = {}): Promise<DeadLetterEntry[]> {
    const query: Record<string, unknown> = {};

    if (options.topic) {
      query["event.topic"] = options.topic;
    }

    if (options.eventType) {
      query["event.type"] = options.eventType;
    }

    const entries = await this.collection
      .find(query)
      .sort({ timestamp: -1 })
      .limit(options.limit || 0)
      .toArray();

    return entries.map((entry) => ({
      event: entry.event,
      error: entry.error,
      subscription: entry.subscription,
      timestamp: entry.timestamp,
      attempts: entry.attempts,
    }));
  }

  async retryEvent(eventId: string): Promise<boolean> {
    const result = await this.collection.updateOne(
      { eventId: eventId },
      { $inc: { attempts: 1 } },
    );

    return result.modifiedCount > 0;
  }

  async removeEvent(eventId: string): Promise<boolean> {
    const result = await this.collection.deleteOne({ eventId: eventId });
    return result.deletedCount > 0;
  }
}
