/**
 * The stored events of one aggregate: reads them, and appends more unless somebody else has done so
 * meanwhile.
 *
 * On a store with sequence numbers, the events have the aggregate's id as their key, and the store
 * itself checks the expectation. A store with three methods has neither. There the metadata records
 * which aggregate an event belongs to and which version it produced, and the whole topic is read.
 * Appending is refused unless the application guarantees that no other process writes; appends to
 * one aggregate then take turns within the process. Behind a daemon it works as on a store with
 * sequence numbers, and the events that are read travel over the socket.
 */
import { BrokenHistoryError, ConflictError, UnsupportedError } from "../base/errors.ts";
import { isPromise } from "../base/maybe_promise.ts";
import { type Event, type StoredEvent, toEvent } from "../event/event.ts";
import type { Message } from "../event/event_map.ts";
import { redactedKey, redactionOf } from "../event/redaction.ts";
import type { RemoteEventQuery } from "../client/broker/remote_store.ts";
import { readKey } from "../store/by_key.ts";
import type { EventStore, JournalStore } from "../store/store.ts";
import { ThreeMethodStore } from "../store/basic_store.ts";
import type { Broker } from "../broker/broker.ts";

/** What a repository needs from a broker, in this process or behind a daemon. */
export type SourcingBroker = Pick<Broker, "publishBatch" | "getEventStore"> & {
  /** The store to read by seq and by key; absent behind a daemon. */
  readonly store?: JournalStore;
  /** Knows which topics have redacted events; absent: any may have some. */
  readonly redactor?: { mayHave(topic: string): boolean };
};

/** Metadata of an aggregate's events. */
const ID = "aggregateId";
const VERSION = "aggregateVersion";

/** How many events to read before yielding to other work. */
const PAGE = 500;

/** The outcome of an append. */
export type HistoryOutcome =
  | { ok: true; lastSeq: number }
  | { ok: false; actualVersion: number };

/** What to append, and to which history. */
export interface HistoryAppend {
  events: readonly Event[];
  /** The expected number of stored events, if nobody else has appended. */
  version: number;
  /** The seq of the last one; 0 if there is none. */
  seq: number;
}

/** Reads and appends the events of one aggregate. */
export class History {
  readonly topic: string;
  readonly #broker: SourcingBroker;
  /** The local store with sequence numbers. */
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

  /**
   * True if this is the aggregate's event at this seq. An event that retention deleted is assumed
   * to match.
   */
  async has(id: string, { seq, eventId }: { seq: number; eventId: string }): Promise<boolean> {
    if (this.#journal) {
      const page = this.#journal.readPage(this.topic, { from: seq, to: seq, limit: 1 });
      const { events } = isPromise(page) ? await page : page;
      // After the read: one that was deleted before it is assumed to match, too.
      const { firstSeq } = this.#journal.head(this.topic);
      return seq < firstSeq || events[0]?.id === eventId;
    }
    const store = this.#plain ?? this.#broker.getEventStore();
    const hints = this.#plain ? {} : { keys: await this.#keysOf(id), fromSeq: seq, limit: 1 };
    return (await store.getEvents(this.topic, hints)).some((event) => event.id === eventId);
  }

  /** True if one of the aggregate's events up to this seq was redacted. */
  async hasRedacted(id: string, to: number): Promise<boolean> {
    if (this.#plain || !this.#mayHaveRedacted()) return false;
    const [, key] = await this.#keysOf(id);
    if (this.#journal) {
      const events = await keyEvents(this.#journal, this.topic, { key, from: 1, to });
      return events.length > 0;
    }
    const found = await this.#query({ keys: [key], limit: 1 });
    return found.some(({ seq }) => seq! <= to);
  }

  /** Where it is false, none has to be looked for: without an index of keys that takes long. */
  #mayHaveRedacted(): boolean {
    return this.#broker.redactor?.mayHave(this.topic) ?? true;
  }

  /** The key of the aggregate's events, and that of those that were redacted. */
  async #keysOf(id: string): Promise<[key: string, redacted: string]> {
    return [id, await redactedKey(this.topic, id)];
  }

  /** Asks the daemon. */
  #query(query: RemoteEventQuery): Promise<Event[]> {
    return this.#broker.getEventStore().getEvents(this.topic, query);
  }

  /**
   * The aggregate's events after a version, oldest first. Throws `BrokenHistoryError` if one is
   * missing.
   */
  async *read(id: string, after: { version: number; seq: number }): AsyncGenerator<Event> {
    let version = after.version;
    for await (const event of this.#events(id, after)) {
      const told = event.metadata[VERSION];
      version++;
      // An event published by hand has no version; it counts as the next one.
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
    if (store.refresh) await store.refresh([this.topic]);
    const { lastSeq: to } = store.head(this.topic);
    const redacted: StoredEvent[] = [];
    if (this.#mayHaveRedacted()) {
      const key = await redactedKey(this.topic, after.id);
      redacted.push(...await keyEvents(store, this.topic, { key, from: after.seq + 1, to }));
    }
    for (let from = after.seq + 1; from <= to;) {
      const read = readKey(store, this.topic, { key: after.id, from, to, limit: PAGE });
      const page = isPromise(read) ? await read : read;
      for (const stored of page.events) {
        while (redacted[0] && redacted[0].seq < stored.seq) yield toEvent(redacted.shift()!);
        yield toEvent(stored);
      }
      from = page.next;
      if (from <= to) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    for (const stored of redacted) yield toEvent(stored);
  }

  async *#readRemote({ id, seq }: { id: string; seq: number }): AsyncGenerator<Event> {
    const keys = await this.#keysOf(id);
    // The daemon's store uses both as hints, so that less is sent.
    for (const event of await this.#query({ keys, fromSeq: seq + 1 })) {
      if (keys.includes(event.key!) && event.seq! > seq) yield event;
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
      // Such a store orders by time, and the events of one command share a timestamp.
      .sort((a, b) => versionOf(a) - versionOf(b));
  }

  /** Appends all of the events or none. */
  append(id: string, what: HistoryAppend): Promise<HistoryOutcome> {
    if (!this.#plain) return this.#append(id, what);
    if (!this.#singleProcess) {
      return Promise.reject(
        new UnsupportedError(
          "a store with three methods cannot detect whether somebody else saved",
          {
            hint:
              "use a store that assigns sequence numbers, or set `singleProcess: true` if no other process writes",
            details: { topic: this.topic },
          },
        ),
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
    const publish = (lastSeq: number) => {
      const expected = { expected: lastSeq === 0 ? "none" as const : lastSeq };
      return this.#broker.publishBatch(this.topic, messages, this.#plain ? {} : expected);
    };
    try {
      return { ok: true, lastSeq: (await publish(seq)).at(-1)!.seq! };
    } catch (error) {
      if (!isConflict(error)) throw error;
      const actual = Number(error.details?.["actual"]);
      // The key of a redacted event is another one: the store goes by the event before it.
      if (actual < seq && await this.#isRedacted(seq)) {
        const before = publish(actual).then((stored) => stored.at(-1)!.seq!, (again) => {
          if (!isConflict(again)) throw again;
        });
        const lastSeq = await before;
        if (lastSeq !== undefined) return { ok: true, lastSeq };
      }
      return { ok: false, actualVersion: await this.count(id, { version, seq }) };
    }
  }

  async #isRedacted(seq: number): Promise<boolean> {
    const [event] = this.#journal
      ? (await this.#journal.readPage(this.topic, { from: seq, to: seq, limit: 1 })).events
        .map(toEvent)
      : await this.#query({ fromSeq: seq, limit: 1 });
    return event?.seq === seq && redactionOf(event) !== undefined;
  }

  /** The number of events, counting on from a known version. */
  async count(id: string, after: { version: number; seq: number }): Promise<number> {
    let { version } = after;
    for await (const _ of this.read(id, after)) version++;
    return version;
  }
}

function isConflict(error: unknown): error is ConflictError {
  return error instanceof ConflictError && error.code === "event/conflict";
}

/** All events of a key that few events have. */
async function keyEvents(
  store: JournalStore,
  topic: string,
  { key, from, to }: { key: string; from: number; to: number },
): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (let at = from; at <= to;) {
    const page = await readKey(store, topic, { key, from: at, to, limit: PAGE });
    events.push(...page.events);
    at = page.next;
  }
  return events;
}

const turns = new WeakMap<EventStore, Map<string, Promise<unknown>>>();

/** Calls `work` once earlier work on the same aggregate of the same store has finished. */
async function inTurn<T>(store: EventStore, name: string, work: () => Promise<T>): Promise<T> {
  const ofStore = turns.get(store) ?? new Map<string, Promise<unknown>>();
  turns.set(store, ofStore);
  const result = (ofStore.get(name) ?? Promise.resolve()).then(work);
  const turn = result.catch(() => {}); // the caller gets the error
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
      ? `${id}: event ${version} is missing from ${topic}, the next one is ${told}`
      : `${id}: ${topic} has event ${told} twice: two processes wrote at the same time`,
    {
      hint: told > version
        ? "retention or somebody deleted it: keep the topic of aggregates without limits, or bring back a backup"
        : "use a store that assigns sequence numbers where several processes write",
      details: { aggregate: id, topic, expectedVersion: version, actualVersion: told },
    },
  );
}
