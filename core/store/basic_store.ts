/**
 * Adapts a user's three-method store for the broker. Sequence numbers last as long as the process,
 * and the latest events are kept in memory for subscriptions, which are therefore live only.
 */
import { assertObject } from "../base/options.ts";
import { thrownText } from "../base/thrown.ts";
import { CannotStoreError, UnsupportedError } from "../base/errors.ts";
import { type Event, type StoredEvent, toEvent } from "../event/event.ts";
import { ForwardingStore } from "./forwarding_store.ts";
import { MemoryEventStore } from "./memory.ts";
import { eventsOf, type StoreRequest } from "./pack.ts";
import type { SyncEventReader } from "./reader.ts";
import type { AppendOutcome, EventQuery, EventStore, JournalStore } from "./store.ts";

/** Events per topic that are kept for slow subscriptions; older ones count as missed. */
const KEPT = 100_000;

/** A {@link JournalStore} on top of three methods. */
export class ThreeMethodStore extends ForwardingStore implements JournalStore {
  /** A user's store is none of our kinds. */
  readonly kind = undefined;
  readonly durable = true;
  readonly #store: EventStore;
  readonly #recent = new MemoryEventStore({ dedupWindow: 0 });

  constructor(store: EventStore) {
    super();
    this.#store = store;
  }

  async append(requests: readonly StoreRequest[]): Promise<AppendOutcome[]> {
    const outcomes: AppendOutcome[] = [];
    for (const request of requests) outcomes.push(await this.#appendOne(request));
    return outcomes;
  }

  async #appendOne(request: StoreRequest): Promise<AppendOutcome> {
    const events = eventsOf(request);
    if (request.expected !== undefined && request.expected !== "any") {
      throw new UnsupportedError("a store with three methods cannot check what is expected", {
        hint: "publish without `expected`, or use a store that assigns sequence numbers",
      });
    }
    let seq = this.#recent.head(request.topic).lastSeq;
    for (const event of events) {
      const stored: StoredEvent = { ...event, topic: request.topic, seq: ++seq };
      try {
        await this.#store.saveEvent(toEvent(stored));
      } catch (cause) {
        const why = thrownText(cause);
        throw new CannotStoreError(`the event store refused the event: ${why}`, { cause });
      }
      await this.#recent.append([{ topic: request.topic, events: [event] }]);
    }
    if (seq - this.#recent.head(request.topic).firstSeq >= KEPT) {
      await this.#recent.truncate(request.topic, seq - KEPT + 1);
    }
    const count = events.length;
    return {
      ok: true,
      count,
      firstSeq: count > 0 ? seq - count + 1 : 0,
      lastSeq: count > 0 ? seq : 0,
      duplicates: [],
    };
  }

  protected readerOf(): SyncEventReader {
    return this.#recent;
  }

  topics(): string[] {
    return this.#recent.topics();
  }

  truncate(topic: string, seq: number): Promise<number> {
    return this.#recent.truncate(topic, seq);
  }

  removeTopic(topic: string): Promise<void> {
    return this.#recent.removeTopic(topic);
  }

  override saveEvent(event: Event): Promise<void> {
    return this.#store.saveEvent(event);
  }

  async getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    const { reverse, limit, ...selection } = assertObject(options, "the query of getEvents");
    if (!reverse) return await this.#store.getEvents(topic, options);
    // A user's store returns the oldest first, and knows no other order.
    const events = (await this.#store.getEvents(topic, selection)).toReversed();
    return limit ? events.slice(0, limit) : events;
  }

  /** Retention by age also deletes from the user's store. */
  override async deleteEvents(topic: string, beforeTimestamp: number): Promise<number> {
    await this.#recent.deleteEvents(topic, beforeTimestamp);
    return await this.#store.deleteEvents(topic, beforeTimestamp);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
