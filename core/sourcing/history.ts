/**
 * The events of one aggregate, where they are kept: read, and appended under the condition that nobody else did.
 *
 * On a store with sequence numbers the events have the aggregate's id as key, and the store itself compares what is
 * expected. A store with three methods knows neither: there the metadata says whose event it is and the how-manieth,
 * all of the topic is read, and an append is refused unless the application says that no other process writes. Within
 * the process appends to one aggregate then take turns. Behind a daemon it is as on a store with sequence numbers; what is
 * read travels over the socket.
 */
import { BrokenHistoryError, ConflictError, UnsupportedError } from "../base/errors.ts";
import { type Event, toEvent } from "../event/event.ts";
import type { Message } from "../event/event_map.ts";
import { readKey } from "../store/by_key.ts";
import type { EventStore, JournalStore } from "../store/store.ts";
import { ThreeMethodStore } from "../store/basic_store.ts";
import type { Broker } from "../broker/broker.ts";

/** What a repository needs of a broker: one of this process, or one behind a daemon. */
export type SourcingBroker = Pick<Broker, "publishBatch" | "getEventStore"> & {
  /** The store that is read by seq and by key; a daemon's is elsewhere. */
  readonly store?: JournalStore;
};

/** Metadata of an aggregate's events. */
const ID = "aggregateId";
const VERSION = "aggregateVersion";

/** Events that are read before others are served. */
const PAGE = 500;

/** What became of an append. */
export type HistoryOutcome =
  | { ok: true; lastSeq: number }
  | { ok: false; actualVersion: number };

/** What is appended, and to what. */
export interface HistoryAppend {
  events: readonly Event[];
  /** How many events there are if nobody else appended. */
  version: number;
  /** The seq of the last of them; 0 where there is none. */
  seq: number;
}

/** See the head of this file. */
export class History {
  readonly topic: string;
  readonly #broker: SourcingBroker;
  /** The store that has sequence numbers and is here. */
  readonly #journal: JournalStore | undefined;
  /** The store with three methods, if it is one. */
  readonly #plain: EventStore | undefined;
  readonly #singleProcess: boolean;

  constructor(
    broker: SourcingBroker,
    options: { topic: string; singleProcess: boolean },
  ) {
    this.topic = options.topic;
    this.#broker = broker;
    const isPlain = broker.store instanceof ThreeMethodStore;
    this.#plain = isPlain ? broker.getEventStore() : undefined;
    this.#journal = isPlain ? undefined : broker.store;
    this.#singleProcess = options.singleProcess;
  }

  /** True when the aggregate's event at this seq is this one. What retention took is believed. */
  async has(id: string, { seq, eventId }: { seq: number; eventId: string }): Promise<boolean> {
    if (this.#journal) {
      const { firstSeq } = this.#journal.head(this.topic);
      const { events } = this.#journal.readPage(this.topic, { from: seq, to: seq, limit: 1 });
      return seq < firstSeq || events[0]?.id === eventId;
    }
    const store = this.#plain ?? this.#broker.getEventStore();
    const hints = this.#plain ? {} : { key: id, fromSeq: seq, limit: 1 };
    return (await store.getEvents(this.topic, hints)).some((event) => event.id === eventId);
  }

  /** The aggregate's events behind a version, oldest first. Throws `BrokenHistoryError` where one is lacking. */
  async *read(id: string, after: { version: number; seq: number }): AsyncGenerator<Event> {
    let version = after.version;
    for await (const event of this.#events(id, after)) {
      const told = event.metadata[VERSION];
      version++;
      // An event that somebody published by hand tells no version: it counts as the next.
      if (typeof told === "number" && told !== version) throw broken(this.topic, event, version);
      yield event;
    }
  }

  #events(id: string, after: { version: number; seq: number }): AsyncGenerator<Event> {
    if (this.#plain) return this.#readPlain(this.#plain, { id, ...after });
    return this.#journal
      ? this.#readJournal(this.#journal, { id, ...after })
      : this.#readRemote({ id, ...after });
  }

  async *#readJournal(
    store: JournalStore,
    after: { id: string; seq: number },
  ): AsyncGenerator<Event> {
    const { lastSeq: to } = store.head(this.topic);
    for (let from = after.seq + 1; from <= to;) {
      const page = readKey(store, this.topic, { key: after.id, from, to, limit: PAGE });
      for (const stored of page.events) yield toEvent(stored);
      from = page.next;
      if (from <= to) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  async *#readRemote({ id, seq }: { id: string; seq: number }): AsyncGenerator<Event> {
    const store = this.#broker.getEventStore();
    // The daemon's store takes both as hints, so that less travels.
    for (const event of await store.getEvents(this.topic, { key: id, fromSeq: seq + 1 })) {
      if (event.key === id && event.seq! > seq) yield event;
    }
  }

  async *#readPlain(
    store: EventStore,
    { id, version }: { id: string; version: number },
  ): AsyncGenerator<Event> {
    const versionOf = (event: Event) => Number(event.metadata?.[VERSION]);
    const events = await store.getEvents(this.topic);
    yield* events
      .filter((event) => event.metadata?.[ID] === id && versionOf(event) > version)
      // Such a store orders by time, and several events of one command have the same.
      .sort((a, b) => versionOf(a) - versionOf(b));
  }

  /** Appends all of the events or none. */
  append(id: string, what: HistoryAppend): Promise<HistoryOutcome> {
    if (!this.#plain) return this.#append(id, what);
    if (!this.#singleProcess) {
      return Promise.reject(
        new UnsupportedError("a store with three methods cannot tell whether somebody else saved", {
          hint:
            "use a store that assigns sequence numbers, or say `singleProcess: true` where no other process writes",
          details: { topic: this.topic },
        }),
      );
    }
    return inTurn(this.#plain, `${this.topic}\n${id}`, async () => {
      const actualVersion = await this.count(id, { version: 0, seq: 0 });
      if (actualVersion !== what.version) return { ok: false, actualVersion };
      return await this.#append(id, what);
    });
  }

  async #append(id: string, { events, version, seq }: HistoryAppend): Promise<HistoryOutcome> {
    const messages = events.map((event, i): Message => ({
      type: event.type,
      payload: event.payload,
      id: event.id,
      key: id,
      timestamp: event.timestamp,
      ...(event.schemaVersion === "" ? {} : { schemaVersion: event.schemaVersion }),
      metadata: { ...event.metadata, [ID]: id, [VERSION]: version + i + 1 },
    }));
    try {
      const stored = await this.#broker.publishBatch(
        this.topic,
        messages,
        this.#plain ? {} : { expected: seq === 0 ? "none" : seq },
      );
      return { ok: true, lastSeq: stored.at(-1)!.seq! };
    } catch (error) {
      if (!(error instanceof ConflictError) || error.code !== "event/conflict") throw error;
      return { ok: false, actualVersion: await this.count(id, { version, seq }) };
    }
  }

  /** How many events there are, counted on from a known version. */
  async count(id: string, after: { version: number; seq: number }): Promise<number> {
    let { version } = after;
    for await (const _ of this.read(id, after)) version++;
    return version;
  }
}

const turns = new WeakMap<EventStore, Map<string, Promise<unknown>>>();

/** Calls `work` when those before it on the same aggregate of the same store have ended. */
async function inTurn<T>(store: EventStore, name: string, work: () => Promise<T>): Promise<T> {
  const ofStore = turns.get(store) ?? new Map<string, Promise<unknown>>();
  turns.set(store, ofStore);
  const result = (ofStore.get(name) ?? Promise.resolve()).then(work);
  const turn = result.catch(() => {}); // told to whoever called
  ofStore.set(name, turn);
  await turn;
  if (ofStore.get(name) === turn) ofStore.delete(name);
  return result;
}

function broken(topic: string, event: Event, version: number): BrokenHistoryError {
  const told = event.metadata[VERSION] as number;
  const id = String(event.key ?? event.metadata[ID]);
  return new BrokenHistoryError(
    told > version
      ? `${id}: event ${version} is lacking in ${topic}, the next one is ${told}`
      : `${id}: ${topic} has event ${told} twice: two processes wrote at a time`,
    {
      hint: told > version
        ? "retention took it, or it was deleted: keep the topic of aggregates without limits, or bring back a backup"
        : "use a store that assigns sequence numbers where several processes write",
      details: { aggregate: id, topic, expectedVersion: version, actualVersion: told },
    },
  );
}
