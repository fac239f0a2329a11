/**
 * The broker interface, wherever the broker runs: in this process ({@link EventBroker}) or behind a
 * daemon's socket (`connect`). Types from an event map are checked here, once; subclasses get plain
 * names and values.
 */
import { atElement } from "./element_error.ts";
import { checkBatch, refuseSignal } from "./option_checks.ts";
import type { PublishOptions } from "./publish_options.ts";
import type { Clock } from "../base/clock.ts";
import type { DeadLetterQueue } from "../dead_letter/queue.ts";
import type { DeadLetterGroups } from "../protocol/dead_letter_groups.ts";
import type { BatchHandler, Handler, HandlerContext } from "../delivery/handler.ts";
import type { Event } from "../event/event.ts";
import type {
  EventOf,
  FreeName,
  Matching,
  Message,
  MessageOf,
  PayloadOf,
  TopicName,
  TopicPattern,
  TypeName,
} from "../event/event_map.ts";
import type { RedactOptions, RedactReply } from "../protocol/redaction.ts";
import type {
  CancelScheduledReply,
  CancelScheduledRequest,
  ScheduledPage,
  ScheduledReply,
  Scheduling,
} from "../protocol/scheduled.ts";
import type { SchemaRegistry } from "../schema/registry.ts";
import type { CompatibilityLevel } from "../event/compatibility_level.ts";
import { noOutbox, type OutboxTransaction } from "../store/outbox.ts";
import type { EventStore, Expected } from "../store/store.ts";
import { checkStreamOptions, type EventStream, type StreamOptions } from "./event_stream.ts";
import type {
  BatchOptions,
  Position,
  SubscribeOptions,
  Subscription,
  WaitOptions,
} from "../delivery/subscription.ts";
import { assertPosition, batchParts } from "../delivery/handler_options.ts";
import { WAIT_OPTIONS } from "../delivery/option_names.ts";
import type { MaybePromise } from "../base/maybe_promise.ts";
import { assertArray, assertObject, assertText, namesOf, refuseUnknown } from "../base/options.ts";
import { assertName } from "../event/name.ts";
import { assertTopicName, assertTopicPattern, type TopicOptions } from "../event/topic_options.ts";
import type { AddressedMessage, AddressedMessageOf } from "./publish_all.ts";
import type { BrokerStats } from "./stats.ts";
import type { Topic } from "./topic_handle.ts";

/** Options of a topic, as `createTopic` takes them. */
export type CreateTopicOptions = Partial<TopicOptions> & {
  /** Checks this topic's payloads instead of the broker's registry. Only in this process. */
  schemaRegistry?: SchemaRegistry;
};

/** Options of `publishBatch`. */
export interface PublishBatchOptions {
  /**
   * Compared with the last seq of each key that the events have, and of the topic if some have
   * none. A seq can be expected of events with one key only.
   */
  expected?: Expected;
  /** Publishes nothing if it has aborted. */
  signal?: AbortSignal;
}

/** Options of `publishAll`. */
export interface PublishAllOptions {
  /** Publishes nothing if it has aborted. */
  signal?: AbortSignal;
}

/** Options of `registerSchema`. */
export interface RegisterSchemaOptions {
  /** Default: the next free one. */
  version?: string;
  /** Required of every new version of the type from now on. */
  compatibility?: CompatibilityLevel;
}

const TOPIC_OPTIONS = namesOf<CreateTopicOptions>({
  persistent: true,
  retentionPeriod: true,
  maxEvents: true,
  maxBytes: true,
  keep: true,
  drop: true,
  deadRetention: true,
  deadMax: true,
  schema: true,
  store: true,
  durability: true,
  schemaRegistry: true,
});
const PAGE_OPTIONS = namesOf<ScheduledPage>({ topic: true, limit: true, after: true });
const CANCEL_OPTIONS = namesOf<CancelScheduledRequest>({ ids: true, topic: true });
const ALL_OPTIONS = namesOf<PublishAllOptions>({ signal: true });

/**
 * A broker. `E` maps topics and types to payloads; without it, anything is allowed.
 *
 * ```ts
 * import { connect, EventBroker } from "@env/env-event-stream";
 *
 * const broker: Broker = Deno.args.includes("--daemon") ? await connect() : new EventBroker();
 * ```
 */
// deno-lint-ignore no-explicit-any -- without a map every topic, type and payload goes
export abstract class Broker<E = any> implements AsyncDisposable {
  /**
   * Registers and stores a JSON Schema for a type; rejects with `InvalidSchemaError` or
   * `ConflictError`.
   */
  abstract registerSchema(
    type: string,
    schema: unknown,
    options?: RegisterSchemaOptions,
  ): Promise<{ type: string; version: string; created: boolean }>;
  /** The event store. */
  abstract getEventStore(): EventStore;
  /** The queue for events that a subscription gave up on. */
  abstract getDeadLetterQueue(): DeadLetterQueue;
  /**
   * Its dead letters by cause, with what was noted about each, and whether it was dismissed or
   * resolved. Those in a queue of the application's own are in no group.
   *
   * ```ts
   * import { EventBroker } from "@env/env-event-stream";
   *
   * await using broker = new EventBroker();
   * for (const { id, reason, count } of await broker.deadLetterGroups.list()) {
   *   console.log(id, reason, count);
   *   await broker.deadLetterGroups.note(id, "the mail server moves");
   * }
   * ```
   */
  abstract readonly deadLetterGroups: DeadLetterGroups;
  /** Redelivers a dead letter, whichever queue it is in; false if there is none with that id. */
  abstract retryDeadLetter(eventId: string): Promise<boolean>;
  /**
   * Replaces the payload, the metadata and the key of an event, named by its seq or id, wherever they
   * lie: for the password that somebody published. Seq, id and type stay; the metadata then says
   * when, by whom and why. Where the event was still to be delivered, it is done. Rejects with
   * `NotFoundError`, with `UnsupportedError` if the store cannot do it, and with `CannotStoreError`
   * if it could not be finished: then the same again goes on.
   *
   * ```ts ignore
   * await broker.redact("users", 42, { reason: "a password", by: "anna" });
   * ```
   */
  abstract redact(
    topic: string,
    event: number | string,
    options?: RedactOptions,
  ): Promise<RedactReply>;
  /**
   * Its topics, with their rates, and its subscriptions, with what waits in them and what became of
   * their events. Behind a daemon it waits while the daemon is away. Rejects with `ClosedError`.
   *
   * ```ts
   * import { EventBroker } from "@env/env-event-stream";
   *
   * await using broker = new EventBroker();
   * const { topics, subscriptions } = await broker.stats();
   * for (const { name, rates } of topics) console.log(name, `${rates.last1m} events/s`);
   * for (const { name, pending, leased } of subscriptions) console.log(name, pending, leased);
   * ```
   */
  abstract stats(): Promise<BrokerStats>;
  /**
   * Resolves when every handler of this process has finished its events, including retries. Paused
   * ones do not count.
   */
  abstract idle(): Promise<void>;
  /** Lets handlers finish, stores what is under way, and closes. */
  abstract close(): Promise<void>;

  /** @internal */
  protected abstract readonly clock: Clock;
  /** @internal */
  protected abstract readonly scheduling: Scheduling;
  /** @internal */
  protected abstract makeTopic(name: string, options: CreateTopicOptions): Topic;
  /** @internal */
  protected abstract findTopic(name: string): MaybePromise<Topic | undefined>;
  /** Publishes one event of any kind. */
  protected abstract publishEvent(
    topic: string,
    what: { type: string; payload: unknown; options: PublishOptions | undefined },
  ): Promise<Event>;
  /** @internal */
  protected publishInto(
    _tx: OutboxTransaction,
    _topic: string,
    _what: { type: string; payload: unknown; options: PublishOptions | undefined },
  ): Promise<Event> {
    return Promise.reject(noOutbox());
  }
  /** @internal */
  protected abstract publishEvents(
    topic: string,
    messages: readonly Message[],
    options: PublishBatchOptions,
  ): Promise<Event[]>;
  /** @internal */
  protected abstract publishGroup(
    messages: readonly AddressedMessage[],
    options: PublishAllOptions,
  ): Promise<Event[]>;
  /** @internal */
  protected abstract subscribeHandler(
    topic: string,
    handler: Handler,
    options: SubscribeOptions,
  ): Subscription;
  /** @internal */
  protected abstract openStream(topic: string, options: StreamOptions): EventStream;
  /** @internal */
  protected abstract findNewest(topic: string, key: string): Promise<Event | undefined>;
  /** The subscriptions of this process on a topic. */
  protected abstract subscriptionsOn(topic: string): Subscription[];

  /**
   * Creates a topic, or returns the existing one. If that has other options, fails with
   * `ConflictError`: at once in this process, through `ready` behind a daemon.
   */
  createTopic(name: FreeName<E>, options?: CreateTopicOptions): Topic;
  /** The same, checked against the event map. */
  createTopic<T extends TopicName<E>>(
    name: T,
    options?: CreateTopicOptions,
  ): Topic<PayloadMap<E, T>>;
  createTopic(name: string, options: CreateTopicOptions = {}): Topic {
    refuseUnknown(options, { of: "createTopic", known: TOPIC_OPTIONS });
    assertTopicName(name);
    return this.makeTopic(name, options);
  }

  /** The topic of that name, if it exists. */
  getTopic(name: FreeName<E>): MaybePromise<Topic | undefined>;
  /** The same, checked against the event map. */
  getTopic<T extends TopicName<E>>(name: T): MaybePromise<Topic<PayloadMap<E, T>> | undefined>;
  getTopic(name: string): MaybePromise<Topic | undefined> {
    assertText(name, "the name of a topic");
    return this.findTopic(name);
  }

  /**
   * Publishes an event; resolves with it once it is stored, without waiting for handlers. With
   * `schedule` it resolves once that is stored, with an event that has no seq yet. Rejects
   * with `EventRefusedError`, `ConflictError` (`expected`), `CannotStoreError`, `ClosedError`.
   */
  publish<T>(
    topic: FreeName<E>,
    type: string,
    payload: T,
    options?: PublishOptions,
  ): Promise<Event<T>>;
  /** The same, checked against the event map. */
  publish<T extends TopicName<E>, Y extends TypeName<E, T>>(
    topic: T,
    type: Y,
    payload: PayloadOf<E, T, Y>,
    options?: PublishOptions,
  ): Promise<Event<PayloadOf<E, T, Y>, Y, T>>;
  publish(
    topic: string,
    type: string,
    payload: unknown,
    options?: PublishOptions,
  ): Promise<Event> {
    return this.publishEvent(topic, { type, payload, options });
  }

  /**
   * Publishes an event in a transaction of the application, in the PostgreSQL database that the
   * broker keeps its events in: it is published once the transaction has committed, and never if it
   * has not. Resolves when it is written, with an event that has no seq yet; wait for it before the
   * commit. Schemas are checked now. Takes no `expected`, `schedule` or `ttlMs`. Rejects with
   * `EventRefusedError`, and with `UnsupportedError` if the broker has another event store.
   *
   * ```ts ignore
   * await sql.begin(async (tx) => {
   *   await tx`INSERT INTO orders (id) VALUES (${7})`;
   *   await broker.publishIn(tx, "orders", "order.placed", { id: 7 });
   * });
   * ```
   */
  publishIn<T>(
    tx: OutboxTransaction,
    topic: FreeName<E>,
    type: string,
    payload: T,
    options?: PublishOptions,
  ): Promise<Event<T>>;
  /** The same, checked against the event map. */
  publishIn<T extends TopicName<E>, Y extends TypeName<E, T>>(
    tx: OutboxTransaction,
    topic: T,
    type: Y,
    payload: PayloadOf<E, T, Y>,
    options?: PublishOptions,
  ): Promise<Event<PayloadOf<E, T, Y>, Y, T>>;
  publishIn(
    tx: OutboxTransaction,
    topic: string,
    type: string,
    payload: unknown,
    options?: PublishOptions,
  ): Promise<Event> {
    return this.publishInto(tx, topic, { type, payload, options });
  }

  /**
   * Publishes several events to one topic, all or none; resolves with them once they are stored.
   */
  publishBatch<T extends TopicName<E>>(
    topic: T,
    messages: readonly MessageOf<E, T>[],
    options: PublishBatchOptions = {},
  ): Promise<EventOf<E, T>[]> {
    try {
      checkBatch(messages as readonly Message[], options);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.publishEvents(topic, messages as readonly Message[], options) as Promise<
      EventOf<E, T>[]
    >;
  }

  /** A page of the events that were scheduled and are not published yet, soonest first. */
  async scheduledEvents(page: ScheduledPage = {}): Promise<ScheduledReply> {
    refuseUnknown(page, { of: "scheduledEvents", known: PAGE_OPTIONS });
    return await this.scheduling.list(page);
  }

  /**
   * Cancels scheduled events; durable when it resolves. Rejects with `NotFoundError`, and cancels
   * none, if one of them is not waiting.
   */
  async cancelScheduled(request: CancelScheduledRequest): Promise<CancelScheduledReply> {
    refuseUnknown(request, { of: "cancelScheduled", known: CANCEL_OPTIONS });
    assertArray(request.ids, "ids").forEach((id) => assertText(id, "the id of an event"));
    return await this.scheduling.cancel(request);
  }

  /**
   * Publishes events to several topics, all or none, across a crash too; resolves with them once
   * they are stored. Each may have expectations of its own: if one fails, `ConflictError` names the
   * event (`details.element`, from 1). Rejects with `UnsupportedError` (`store/not-atomic`) if the
   * topics are in different stores.
   *
   * ```ts
   * import { EventBroker } from "@env/env-event-stream";
   *
   * await using broker = new EventBroker();
   * await broker.publishAll([
   *   { topic: "orders", type: "order.paid", payload: { id: 7 }, key: "7" },
   *   { topic: "invoices", type: "invoice.sent", payload: {}, key: "7", expected: "none" },
   * ]);
   * ```
   */
  publishAll(
    messages: readonly AddressedMessageOf<E>[],
    options: PublishAllOptions = {},
  ): Promise<Event[]> {
    const all = messages as readonly AddressedMessage[];
    try {
      refuseUnknown(options, { of: "publishAll", known: ALL_OPTIONS });
      assertArray(all, "the events of publishAll");
      all.forEach((message, i) => atElement(i + 1, () => refuseSignal(message)));
    } catch (error) {
      return Promise.reject(error);
    }
    return this.publishGroup(all, options);
  }

  /**
   * Runs `handler` for the events of a topic or pattern. With a name the subscription is durable
   * and starts with the first event; without one it starts now. If the handler throws, the event is
   * retried, and in the end becomes a dead letter.
   */
  // deno-lint-ignore no-explicit-any -- the promised interface: an untyped handler reads its payload without a cast
  subscribe<T = any>(
    topic: FreeName<E>,
    handler: Handler<T>,
    options?: SubscribeOptions,
  ): Subscription;
  /** The same, checked against the event map. */
  subscribe<
    P extends TopicPattern<E>,
    Y extends TypeName<E, Matching<E, P>> = TypeName<E, Matching<E, P>>,
  >(
    topic: P,
    handler: (event: EventOf<E, Matching<E, P>, Y>, context: HandlerContext) => unknown,
    options?: SubscribeOptions & { eventTypes?: Y[] },
  ): Subscription;
  subscribe(
    topic: string,
    // deno-lint-ignore no-explicit-any -- checked by the signatures above
    handler: (event: any, context: HandlerContext) => unknown,
    options: SubscribeOptions = {},
  ): Subscription {
    assertTopicPattern(topic);
    return this.subscribeHandler(topic, handler, assertObject(options, "the options of subscribe"));
  }

  /**
   * The same for several events at a time: `handler` gets what has arrived, at most `size` events,
   * after at most `maxWaitMs`. It may return an array with one outcome per event (`undefined`:
   * done).
   */
  // deno-lint-ignore no-explicit-any -- the promised interface: an untyped handler reads its payload without a cast
  subscribeBatch<T = any>(
    topic: FreeName<E>,
    handler: BatchHandler<T>,
    options?: SubscribeOptions & BatchOptions,
  ): Subscription;
  /** The same, checked against the event map. */
  subscribeBatch<
    P extends TopicPattern<E>,
    Y extends TypeName<E, Matching<E, P>> = TypeName<E, Matching<E, P>>,
  >(
    topic: P,
    handler: (events: EventOf<E, Matching<E, P>, Y>[], context: HandlerContext) => unknown,
    options?: SubscribeOptions & BatchOptions & { eventTypes?: Y[] },
  ): Subscription;
  subscribeBatch(
    topic: string,
    // deno-lint-ignore no-explicit-any -- checked by the signatures above
    handler: (events: any[], context: HandlerContext) => unknown,
    options: SubscribeOptions & BatchOptions = {},
  ): Subscription {
    assertTopicPattern(topic);
    const parts = batchParts(handler, options, this.clock);
    return this.subscribeHandler(topic, parts.handler, parts.options);
  }

  /**
   * The events of a topic or pattern as they arrive, for `for await`; without retries and dead
   * letters. It starts now unless `from` says otherwise, and ends with its `signal`, the loop, or
   * the broker.
   */
  // deno-lint-ignore no-explicit-any -- without a map a payload is read without a cast
  stream<T = any>(topic: FreeName<E>, options?: StreamOptions): EventStream<Event<T>>;
  /** The same, checked against the event map. */
  stream<
    P extends TopicPattern<E>,
    Y extends TypeName<E, Matching<E, P>> = TypeName<E, Matching<E, P>>,
  >(
    topic: P,
    options?: StreamOptions & { eventTypes?: Y[] },
  ): EventStream<EventOf<E, Matching<E, P>, Y>>;
  stream(topic: string, options: StreamOptions = {}): EventStream {
    assertTopicPattern(topic);
    return this.openStream(topic, checkStreamOptions(options));
  }

  /** The newest stored event of a key; undefined if there is none. */
  // deno-lint-ignore no-explicit-any -- without a map a payload is read without a cast
  getNewest<T = any>(topic: FreeName<E>, key: string): Promise<Event<T> | undefined>;
  /** The same, checked against the event map. */
  getNewest<T extends TopicName<E>>(topic: T, key: string): Promise<EventOf<E, T> | undefined>;
  async getNewest(topic: string, key: string): Promise<Event | undefined> {
    assertTopicName(topic);
    assertName(key, "the key");
    return await this.findNewest(topic, key);
  }

  /**
   * Resolves when every subscription of this process has handled (or given up on) all events of a
   * topic up to this one: an event returned by `publish`, or its topic and seq.
   */
  async whenProcessed(position: Position, options: WaitOptions = {}): Promise<void> {
    refuseUnknown(options, { of: "whenProcessed", known: WAIT_OPTIONS });
    const on = this.subscriptionsOn(assertPosition(position).topic);
    await Promise.all(on.map((subscription) => subscription.whenProcessed(position, options)));
  }

  /** Closes the broker. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The types of one topic, with their payloads. */
// deno-lint-ignore no-explicit-any -- without a map every type and payload goes
export type PayloadMap<E, T> = T extends keyof E ? E[T] : any;
