/**
 * What `publish` does: from a value to an append. The payload is captured at once, and the schema
 * is checked as soon as possible. Publishes of one process keep the order of their calls while they
 * wait for a schema.
 */
import { assertEventSize } from "../event/event_size.ts";
import {
  type PublishOptions,
  refuseInOutbox,
  refuseSchedule,
  type SplitOptions,
  splitOptions,
} from "./publish_options.ts";
import { plainWeight, toJson } from "../json/to_json.ts";
import { withCause } from "../event/causation.ts";
import type { Event, NewEvent } from "../event/event.ts";
import type { Message } from "../event/event_map.ts";
import { IdSource } from "../event/id.ts";
import { assertName } from "../event/name.ts";
import { assertTopicName } from "../event/topic_options.ts";
import type { Clock } from "../base/clock.ts";
import { UnsupportedError } from "../base/errors.ts";
import type { Scheduler } from "../state/scheduler.ts";
import type { OutboxTransaction } from "../store/outbox.ts";
import type { Expected } from "../store/store.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { CommitDispatcher } from "./commit_dispatcher.ts";
import type { EventWriter } from "./event_writer.ts";
import { assertStored, refuseExpected } from "./expectation.ts";
import type { ExpiryClock } from "./expiry_clock.ts";
import { HeldPublishes, type PublishedTypes } from "./held_publishes.ts";
import { atElement } from "./element_error.ts";
import {
  type AddressedEvent,
  type AddressedMessage,
  assertPublishable,
  checkExpectations,
  planGroup,
  storedPlaces,
} from "./publish_all.ts";
import type { OutboxRelay } from "./outbox_relay.ts";
import type { SchemaGate } from "./schema_gate.ts";
import type { Startup } from "./startup.ts";

/** What a publisher needs. */
export interface PublisherContext {
  clock: Pick<Clock, "now">;
  topics: TopicCatalog;
  gate: SchemaGate;
  writer: EventWriter;
  dispatcher: CommitDispatcher;
  startup: Startup;
  scheduled: Scheduler;
  outbox: OutboxRelay;
  expiry: ExpiryClock;
  /** The size limit of an event, bytes. */
  maxEventBytes: number;
}

/** An event whose bytes were captured when `publish` was called. */
interface Captured {
  event: Event;
  split: SplitOptions;
  captured: NewEvent;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Captures values and appends them as events. */
export class Publisher {
  readonly #context: PublisherContext;
  readonly #ids = new IdSource();
  /** The last type that was checked and is valid. */
  #lastType: string | undefined;
  readonly #held: HeldPublishes;

  constructor(context: PublisherContext) {
    this.#context = context;
    this.#held = new HeldPublishes(context);
  }

  /** Publishes one value. */
  publish<T>(
    topic: string,
    what: { type: string; payload: T; options: PublishOptions | undefined },
  ): Promise<Event<T>> {
    try {
      const event = what.options === undefined ? this.#quick(topic, what) : undefined;
      return event ? Promise.resolve(event) : this.#publish(topic, what);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The fast path for an event that is not stored, has no options, and goes to handlers of this
   * process only.
   */
  #quick<T>(topic: string, { type, payload }: { type: string; payload: T }): Event<T> | undefined {
    const { clock, gate, dispatcher, startup } = this.#context;
    if (this.#held.isHolding || startup.opening || dispatcher.hasOthers(topic)) return undefined;
    if (type !== this.#lastType) this.#lastType = assertName(type, "the type");
    const schemaVersion = gate.quickVersion(topic, type);
    if (schemaVersion === undefined) return undefined;
    const timestamp = clock.now();
    const event: Event<T> = {
      id: this.#ids.next(timestamp),
      type,
      topic,
      timestamp,
      schemaVersion,
      payload: this.#asDelivered(payload, type),
      metadata: withCause({}),
    };
    dispatcher.handHere(event);
    return event;
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async #publish<T>(
    topic: string,
    what: { type: string; payload: T; options: PublishOptions | undefined },
  ): Promise<Event<T>> {
    const split = splitOptions(what.options);
    split.signal?.throwIfAborted();
    const event = this.#event(topic, what, split);
    const types = [event.type];
    const isOpen = this.#held.isOpen(topic, types);
    // A schema checks the bytes that are stored, so it needs a captured payload.
    if (isOpen && split.schedule === undefined && this.#isHandedOn(topic, event.type)) {
      return this.#hand(event, split);
    }
    // Capture now: later changes to the payload by the caller must not be published.
    const captured = this.#capture(event, split);
    const store = () => this.#store(event, captured, split);
    return isOpen ? store() : this.#held.add([{ topic, types }], store);
  }

  #capture(event: Event, split: SplitOptions): NewEvent {
    const captured = capture(event, split);
    assertEventSize({ ...captured, id: split.id }, this.#context.maxEventBytes);
    return captured;
  }

  /**
   * Unstored payloads pass by reference, except where JSON would change them: a `Date` is a string
   * on every topic. The size is computed only if it may exceed the limit.
   */
  #asDelivered<T>(payload: T, type: string): T {
    const { maxEventBytes } = this.#context;
    const weight = plainWeight(payload);
    if (weight >= 0 && weight < maxEventBytes / 2) return payload;
    const text = toJson(payload, "the payload");
    assertEventSize({ type, metadata: "{}", payload: encoder.encode(text) }, maxEventBytes);
    return weight >= 0 ? payload : JSON.parse(text);
  }

  /** Checks the size of an unstored event with options, including metadata and names. */
  #assertSize({ type, key, metadata, payload }: Event, { id }: SplitOptions): void {
    const { maxEventBytes } = this.#context;
    const text = JSON.stringify(metadata);
    if (plainWeight(payload) + 3 * text.length < maxEventBytes / 2) return;
    const bytes = encoder.encode(JSON.stringify(payload));
    assertEventSize({ type, key, id, metadata: text, payload: bytes }, maxEventBytes);
  }

  /** True for an event that is neither stored nor checked. */
  #isHandedOn(topic: string, type: string): boolean {
    const { topics, gate } = this.#context;
    return topics.get(topic)?.options.persistent === false && !gate.checks(topic, type);
  }

  #event<T>(
    topic: string,
    { type, payload }: { type: string; payload: T },
    split: SplitOptions,
  ): Event<T> {
    const { clock, expiry } = this.#context;
    const { ttlMs, schedule } = split;
    const about = { split, ids: this.#ids, now: clock.now() };
    const event = makeEvent({ topic, type, payload }, about);
    // That of an event that is published later begins then.
    if (ttlMs !== undefined && schedule === undefined) event.expiresAt = expiry.now() + ttlMs;
    return event;
  }

  /** Writes one value as an event in a transaction of the application. */
  async publishIn(
    tx: OutboxTransaction,
    topic: string,
    what: { type: string; payload: unknown; options: PublishOptions | undefined },
  ): Promise<Event> {
    this.#context.outbox.require();
    const split = splitOptions(what.options);
    split.signal?.throwIfAborted();
    refuseInOutbox(split);
    const event = this.#event(assertTopicName(topic), what, split);
    const captured = this.#capture(event, split);
    const types = [event.type];
    const write = () => this.#write(tx, { event, captured, split });
    return await (this.#held.isOpen(topic, types)
      ? write()
      : this.#held.add([{ topic, types }], write));
  }

  async #write(tx: OutboxTransaction, one: Captured): Promise<Event> {
    const { topics, outbox } = this.#context;
    const { event, captured } = one;
    one.split.signal?.throwIfAborted();
    this.#admit(one);
    const { options } = await topics.ensure(event.topic);
    if (!options.persistent) throw storesNothing(event.topic);
    await outbox.require().put(tx, event.topic, captured);
    outbox.expect();
    return stored(event, captured, { seq: 0 });
  }

  /** Publishes several values, all or none. */
  async publishBatch(
    topic: string,
    messages: readonly Message[],
    options: { expected?: Expected; signal?: AbortSignal },
  ): Promise<Event[]> {
    options.signal?.throwIfAborted();
    const all = messages.map((message) => {
      const split = splitOptions(optionsOf(message));
      refuseSchedule(split);
      const event = this.#event(topic, message, split);
      return { event, split, captured: this.#capture(event, split) };
    });
    if (all.length === 0) return [];
    const types = [...new Set(all.map(({ event }) => event.type))];
    const store = () => this.#storeAll(topic, { all, ...options });
    return await (this.#held.isOpen(topic, types)
      ? store()
      : this.#held.add([{ topic, types }], store));
  }

  /** Publishes values to several topics, all or none. */
  async publishAll(
    messages: readonly AddressedMessage[],
    { signal }: { signal?: AbortSignal },
  ): Promise<Event[]> {
    signal?.throwIfAborted();
    assertPublishable(messages.length);
    const all = messages.map((message, i) =>
      atElement(i + 1, () => {
        const { topic, expected, ...rest } = message;
        const split = splitOptions(optionsOf(rest));
        refuseSchedule(split);
        const event = this.#event(assertTopicName(topic), message, split);
        const captured = this.#capture(event, split);
        return { event, split, captured, expected: checkExpectations(expected, split.key) };
      })
    );
    if (all.length === 0) return [];
    const types = typesByTopic(all.map(({ event }) => event));
    const store = () => this.#storeGroup(all, signal);
    return await (types.every(({ topic, types }) => this.#held.isOpen(topic, types))
      ? store()
      : this.#held.add(types, store));
  }

  async #storeGroup(
    all: readonly (Captured & Pick<AddressedEvent, "expected">)[],
    signal: AbortSignal | undefined,
  ): Promise<Event[]> {
    signal?.throwIfAborted();
    const plan = planGroup(all.map((one, i) => {
      atElement(i + 1, () => this.#admit(one));
      return { topic: one.event.topic, event: one.captured, expected: one.expected };
    }));
    const outcomes = await this.#context.writer.appendGroup(plan.requests, plan.conditions);
    const places = storedPlaces(plan, outcomes);
    return all.map(({ event, captured }, i) => stored(event, captured, places[i]!));
  }

  async #storeAll(
    topic: string,
    { all, expected, signal }: {
      all: readonly Captured[];
      expected?: Expected;
      signal?: AbortSignal;
    },
  ): Promise<Event[]> {
    signal?.throwIfAborted();
    for (const one of all) this.#admit(one);
    const events = all.map(({ captured }) => captured);
    const outcome = await this.#context.writer.append({ topic, events, expected });
    const done = assertStored(topic, outcome);
    const repeats = new Map(done.duplicates.map(({ index, seq }) => [index, seq]));
    let next = done.firstSeq;
    return all.map(({ event, captured }, index) =>
      stored(event, captured, {
        seq: repeats.get(index) ?? (next === 0 ? 0 : next++),
        keySeq: done.keySeqs?.[index],
      })
    );
  }

  async #store<T>(event: Event<T>, captured: NewEvent, split: SplitOptions): Promise<Event<T>> {
    const { topic } = event;
    split.signal?.throwIfAborted();
    this.#admit({ event, captured, split });
    const { expected, schedule } = split;
    if (schedule !== undefined) {
      const stamped = split.timestamp !== undefined;
      const { scheduled } = this.#context;
      const accepted = await scheduled.accept(topic, captured, { schedule, stamped });
      return scheduledEvent(stored(event, captured, accepted), { ...accepted, stamped });
    }
    const outcome = await this.#context.writer.append({ topic, events: [captured], expected });
    const { duplicates, firstSeq, keySeqs } = assertStored(topic, outcome);
    const seq = duplicates[0]?.seq ?? firstSeq;
    return stored(event, captured, { seq, keySeq: keySeqs?.[0] });
  }

  #admit(one: Captured): void {
    const { event: { topic, type }, captured, split } = one;
    const { gate } = this.#context;
    const version = split.schemaVersion;
    const text = gate.checks(topic, type) ? decoder.decode(captured.payload) : undefined;
    const payload = text === undefined ? undefined : JSON.parse(text);
    captured.schemaVersion = gate.admit(topic, { type, version, payload, text });
  }

  #hand<T>(event: Event<T>, split: SplitOptions): Event<T> {
    refuseExpected(split.expected);
    event.payload = this.#asDelivered(event.payload, event.type);
    if (plainWeight(event.metadata) < 0) {
      event.metadata = JSON.parse(toJson(event.metadata, "the metadata"));
    }
    this.#assertSize(event, split);
    const { topic, type, payload } = event;
    const { gate, dispatcher } = this.#context;
    event.schemaVersion = gate.admit(topic, { type, version: split.schemaVersion, payload });
    dispatcher.hand(event, () => capture(event, split));
    return event;
  }
}

function storesNothing(topic: string): UnsupportedError {
  return new UnsupportedError(
    `the topic ${topic} stores nothing, and takes no event of the outbox`,
    {
      code: "store/no-outbox",
      hint: "publish to it, or make it persistent",
      details: { topic },
    },
  );
}

function typesByTopic(events: readonly Event[]): PublishedTypes[] {
  const types = new Map<string, Set<string>>();
  for (const { topic, type } of events) {
    types.set(topic, (types.get(topic) ?? new Set()).add(type));
  }
  return Array.from(types, ([topic, types]) => ({ topic, types: [...types] }));
}

/** The event that a value becomes. Its seq comes with the append. */
export function makeEvent<T>(
  { topic, type, payload }: { topic: string; type: string; payload: T },
  { split, ids, now }: { split: SplitOptions; ids: IdSource; now: number },
): Event<T> {
  assertName(type, "the type");
  const event: Event<T> = {
    id: split.id ?? ids.next(now),
    type,
    topic,
    timestamp: split.timestamp ?? now,
    schemaVersion: split.schemaVersion ?? "",
    payload,
    metadata: withCause(split.metadata),
  };
  if (split.key !== undefined) event.key = split.key;
  return event;
}

/** The event as bytes. */
export function capture(event: Event, split: SplitOptions): NewEvent {
  return {
    id: event.id,
    idGiven: split.id !== undefined,
    type: event.type,
    timestamp: event.timestamp,
    schemaVersion: event.schemaVersion,
    key: event.key,
    expiresAt: event.expiresAt,
    ttlMs: split.schedule === undefined ? undefined : split.ttlMs,
    metadata: toJson(event.metadata, "the metadata"),
    payload: encoder.encode(toJson(event.payload, "the payload")),
  };
}

/** The event as stored; without a seq and a keySeq if none was assigned. */
function stored<T>(
  event: Event<T>,
  { schemaVersion }: NewEvent,
  { seq, keySeq }: { seq: number; keySeq?: number | undefined },
): Event<T> {
  const placed = keySeq ? { ...event, keySeq } : event;
  return seq === 0 ? { ...placed, schemaVersion } : { seq, ...placed, schemaVersion };
}

/** The event as published later: its timestamp is the time of publishing, unless it was given. */
export function scheduledEvent<T>(
  event: Event<T>,
  { dueAt, expiresAt, stamped }: {
    dueAt?: number | undefined;
    expiresAt?: number | undefined;
    stamped: boolean;
  },
): Event<T> {
  // Its time had passed, so it was published at once.
  if (expiresAt !== undefined) return { ...event, expiresAt };
  return dueAt === undefined || stamped ? event : { ...event, timestamp: Math.round(dueAt) };
}

/** A message as options of `publish`. */
export function optionsOf(message: Message): PublishOptions {
  const { type: _type, payload: _payload, ...options } = message;
  return options;
}
