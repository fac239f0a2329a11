/**
 * The broker: topics, subscriptions, schemas and dead letters on top of one event store and one
 * state. It knows nothing of sockets or terminals; an application that uses the library has one,
 * and so does the daemon.
 *
 * A published event goes down once (schema, journal, store) and up once (deliveries, live tails).
 * `publish` resolves when it is stored, without waiting for handlers.
 */
import { schemaToJson } from "../json/to_json.ts";
import { EventWriter } from "./event_writer.ts";
import { ExpiryClock } from "./expiry_clock.ts";
import { relayOf } from "./outbox_relay.ts";
import { schedulingOf } from "./scheduled_list.ts";
import { schedulerOf } from "./scheduler_of.ts";
import { SharedCatalog } from "./shared_catalog.ts";
import { Startup } from "./startup.ts";
import type { SchemaGate } from "./schema_gate.ts";
import { type BrokerOptions, checkBrokerOptions, guarded, toConsole } from "./broker_options.ts";
import type { PublishOptions } from "./publish_options.ts";
import type { Clock } from "../base/clock.ts";
import { inTurns } from "../base/in_turns.ts";
import { CommitDispatcher } from "./commit_dispatcher.ts";
import { DeadLetterLimits } from "../dead_letter/limits.ts";
import { DeadLetters } from "../dead_letter/dead_letters.ts";
import { DeadLetterImporter } from "../dead_letter/importer.ts";
import { type DeadLetterQueue, StateDeadLetterQueue } from "../dead_letter/queue.ts";
import { attachCustomQueue, type CustomQueue } from "../dead_letter/custom_queue.ts";
import { CLOSE, IDLE, refuseInHandler } from "../delivery/waits_for_itself.ts";
import { handlerSettings, LocalSubscriptions } from "./local_subscriptions.ts";
import { SubscriptionManager } from "../delivery/manager.ts";
import { EphemeralLedger, StateLedger } from "./ledgers.ts";
import { closedBroker } from "../base/errors.ts";
import { type Event, toEvent } from "../event/event.ts";
import { type BrokerParts, clockOf, closeParts, sharedOf, startParts } from "./opening.ts";
import { catalogOf } from "./topics_and_schemas.ts";
import { type LocalPublishing, publisherOf } from "./traced_publisher.ts";
import { Retention } from "./retention.ts";
import { redactedEventsOf, Redactor } from "./redactor.ts";
import type { DeadLetterGroups } from "../protocol/dead_letter_groups.ts";
import type { RedactOptions, RedactReply } from "../protocol/redaction.ts";
import type { JsonSchemaRegistry } from "../schema/registry.ts";
import { byLibrary } from "../state/audited.ts";
import { GuardedState } from "../state/guarded_state.ts";
import { MemoryState } from "../state/memory.ts";
import type { Scheduling } from "../protocol/scheduled.ts";
import type { Scheduler } from "../state/scheduler.ts";
import type { AppendWaiter, Commit, PublishStream } from "../store/journal.ts";
import { newestOfKey } from "../store/by_key.ts";
import { Journals } from "../store/journals.ts";
import { MemoryEventStore } from "../store/memory.ts";
import type { StoreRequest } from "../store/pack.ts";
import type { AppendOutcome, CheckedUnder, EventStore, JournalStore } from "../store/store.ts";
import { ThreeMethodStore } from "../store/basic_store.ts";
import { type EventStream, type StreamOptions, Streams } from "./event_stream.ts";
import type { Handler, SubscribeOptions, Subscription } from "../delivery/subscription.ts";
import type { TailSource } from "../reading/tail.ts";
import { TailStream } from "./tail_stream.ts";
import { type TopicStores, topicStoresOf } from "../topic/stores.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import { type BrokerStats, freshStatsOf } from "./stats.ts";
import { TopicEnds } from "./topic_ends.ts";
import { TopicMeters } from "./topic_meters.ts";
import { Topic } from "./topic_handle.ts";
import { checkSchemaOptions } from "./option_checks.ts";
import {
  Broker,
  type CreateTopicOptions,
  type PayloadMap,
  type PublishAllOptions,
  type RegisterSchemaOptions,
} from "./broker.ts";
import type { TopicName } from "../event/event_map.ts";
import type { AddressedMessage } from "./publish_all.ts";

export type { BrokerOptions, CreateTopicOptions };

/**
 * The broker of this process. `E` maps topics and types to payloads.
 *
 * ```ts
 * await using broker = new EventBroker();
 * broker.subscribe("users", (event) => console.log(event.type, event.payload));
 * await broker.publish("users", "user.created", { username: "first" });
 * ```
 */
// deno-lint-ignore no-explicit-any -- without a map every topic, type and payload goes
export class EventBroker<E = any> extends Broker<E> {
  /** @internal */
  readonly topics: TopicCatalog;
  /** The schemas in the state. */
  readonly schemas: JsonSchemaRegistry;
  /** @internal */
  readonly ends: TopicEnds;
  /** Resolves when everything stored is loaded: before that, `admit` cannot check schemas. */
  readonly ready: Promise<void>;
  /** @internal */
  readonly journals: Journals = new Journals();
  /** @internal */
  readonly meters: TopicMeters;
  /** The store for reads. */
  readonly store: JournalStore;
  /** @internal */
  readonly subscriptions: SubscriptionManager;
  /** @internal */
  readonly deadLetters: DeadLetters;
  /** @internal */
  readonly retention: Retention;
  /** @internal */
  readonly deadLetterLimits: DeadLetterLimits;
  /** @internal */
  readonly redactor: Redactor;
  /** @internal */
  readonly deadLetterImports: DeadLetterImporter;
  /** @internal */
  readonly scheduled: Scheduler;
  /** @internal */
  readonly expiry: ExpiryClock;
  /** @internal Absent: the state is this broker's own. */
  readonly shared: SharedCatalog | undefined;
  readonly #eventStore: EventStore;
  readonly #queue: DeadLetterQueue;
  readonly #held: CustomQueue | undefined;
  readonly #state: GuardedState;
  /**
   * The schema checks; also registers and removes stored schemas.
   * @internal
   */
  readonly gate: SchemaGate;
  readonly #writer: EventWriter;
  readonly #publisher: LocalPublishing;
  readonly #stores: TopicStores;
  readonly #locals: LocalSubscriptions;
  readonly #dispatcher: CommitDispatcher;
  readonly #onError: (error: unknown, context: string) => void;
  /** @internal */
  protected readonly clock: Clock;
  readonly #parts: BrokerParts;
  #closed: Promise<void> | undefined;
  readonly #streams = new Streams();

  /** Creates a broker, in memory by default. */
  constructor(options: BrokerOptions = {}) {
    super();
    const clock = this.clock = clockOf(checkBrokerOptions(options));
    const onError = this.#onError = guarded(options.onError ?? toConsole);
    this.#eventStore = options.eventStore ?? new MemoryEventStore({ clock });
    this.#stores = topicStoresOf(
      { ...options, eventStore: this.#eventStore },
      (name) => this.topics.get(name)?.options.store,
    );
    const store = this.store = this.#stores.store;
    const state = this.#state = new GuardedState(options.state ?? new MemoryState(), store);
    const snapshot = state.load();
    const sharedState = sharedOf(state, store);
    const shared = this.shared = sharedState &&
      new SharedCatalog({ shared: sharedState, state, onError });
    const settled = (topic: string) => this.#writer.settled(topic);
    const { topics, gate } = catalogOf(options, {
      state,
      store,
      clock,
      shared,
      places: this.#stores,
      settled,
      snapshot,
    });
    this.topics = topics;
    this.gate = gate;
    this.schemas = gate.schemas;
    const { dedupWindow, deadLetterQueue: foreign } = options;
    this.#held = foreign &&
      attachCustomQueue(foreign, { subscriptions: () => this.subscriptions, store, onError });
    const isShared = shared !== undefined;
    const expiry = this.expiry = new ExpiryClock({ clock, state, isShared, onError }, snapshot);
    const context = {
      shared,
      clock,
      random: options.random ?? Math.random,
      store,
      topics,
      meters: this.meters = new TopicMeters({ clock, store, topics, onError }),
      expiry,
      onError,
      redacted: redactedEventsOf(snapshot, options),
      state,
    };
    this.ends = new TopicEnds({ store, state, known: options.knownEnds, onError }, snapshot);
    this.subscriptions = new SubscriptionManager({
      ...context,
      coordinator: sharedState?.coordinator({ clock, onError }),
      floors: new Map(this.ends.lost.map(({ topic, lastSeq }) => [topic, lastSeq])),
      compileFilter: async (text) => (await import("../filter/filter.ts")).compileFilter(text),
      progressed: (topic) => this.retention.progressed(topic),
      ledger: (name) => this.#ledgerOf(name, foreign),
    }, snapshot);
    this.deadLetters = new DeadLetters(state, this.subscriptions, { ...context, snapshot });
    const withQueue = { ...context, subscriptions: this.subscriptions, queue: foreign };
    this.deadLetterLimits = new DeadLetterLimits({ ...withQueue, snapshot });
    this.deadLetterImports = new DeadLetterImporter({ ...withQueue, imports: snapshot.imports });
    this.#queue = foreign ?? new StateDeadLetterQueue(state, this.deadLetters, clock);
    const ledger = () => new EphemeralLedger(state, foreign);
    this.#locals = new LocalSubscriptions({
      ...context,
      manager: this.subscriptions,
      ...handlerSettings(options),
      liveOnly: store instanceof ThreeMethodStore,
      ledger,
    });
    this.#dispatcher = new CommitDispatcher({ ...withQueue, locals: this.#locals });
    this.retention = new Retention({ ...withQueue, deadLetters: this.deadLetterLimits });
    const publishing = {
      ...context,
      stores: this.#stores,
      journals: this.journals,
      gate,
      dispatcher: this.#dispatcher,
      startup: new Startup(this.#locals),
    };
    const oneAtATime = store instanceof ThreeMethodStore;
    const schemas = shared && gate;
    const writer = this.#writer = new EventWriter({ ...publishing, oneAtATime, schemas });
    const scheduled = schedulerOf({ ...context, dedupWindow, writer, gate }, snapshot);
    this.scheduled = scheduled;
    this.redactor = new Redactor({ ...withQueue, scheduled });
    const outbox = relayOf({ ...context, retention: this.retention });
    this.#publisher = publisherOf(options, { ...publishing, writer, scheduled, outbox });
    this.#parts = {
      ...publishing,
      writer,
      ends: this.ends,
      subscriptions: this.subscriptions,
      locals: this.#locals,
      streams: this.#streams,
      retention: this.retention,
      scheduled,
      outbox,
      deadLetters: this.deadLetters,
      queue: this.#queue,
      redactor: this.redactor,
    };
    this.ready = startParts(this.#parts, { ...publishing, snapshot });
  }

  #ledgerOf(name: string, foreign: DeadLetterQueue | undefined): StateLedger {
    this.#held?.subscribed(name);
    return new StateLedger(name, this.#state, foreign);
  }

  /** True if acknowledged events of a topic survive a power cut. */
  isDurable(topic: string): boolean {
    return this.#stores.isDurable(topic, this.topics.get(topic)?.options);
  }

  /** The error of {@link failure}; undefined if there was none. */
  get failed(): unknown {
    return this.journals.failed ?? this.#state.failed;
  }

  /**
   * Resolves with the first error after which the store or the state is no longer trusted: stop and
   * restart.
   */
  get failure(): Promise<unknown> {
    return Promise.race([this.journals.failure, this.#state.failure]);
  }

  /** @internal The source of live tails. */
  get feed(): TailSource {
    return { store: this.store, onCommit: (listener) => this.onCommit(listener) };
  }

  /** @internal */
  protected get scheduling(): Scheduling {
    return schedulingOf(this.scheduled, this.clock);
  }

  /** @internal */
  protected makeTopic(name: string, options: CreateTopicOptions): Topic {
    const { schemaRegistry, ...rest } = options;
    if (!this.topics.get(name)) {
      const made = this.topics.define(name, rest, byLibrary(this.clock));
      made.catch((error) => this.#onError(error, `the topic ${name}`));
    } else this.topics.assertAgrees(name, rest);
    if (schemaRegistry) this.gate.use(name, schemaRegistry);
    return this.#topic(name);
  }

  /** @internal */
  protected findTopic(name: string): Topic | undefined {
    return this.topics.get(name) ? this.#topic(name) : undefined;
  }

  /** The topic of that name, if it exists. */
  override getTopic<T extends TopicName<E>>(name: T): Topic<PayloadMap<E, T>> | undefined;
  override getTopic(name: string): Topic | undefined {
    return this.findTopic(name);
  }

  #topic(name: string): Topic {
    return new Topic(name, {
      publish: (type, payload, options) => this.publishEvent(name, { type, payload, options }),
      subscribe: (handler, options = {}) => this.subscribeHandler(name, handler, options),
      options: () => this.topics.require(name).options,
      ready: Promise.resolve(this.topics.pending(name)).then(() => {}),
    });
  }

  /** Registers a JSON Schema for a type, and stores it in the state. */
  async registerSchema(
    type: string,
    schema: unknown,
    options: RegisterSchemaOptions = {},
  ): Promise<{ type: string; version: string; created: boolean }> {
    const asked = { ...checkSchemaOptions(type, options), type, schema: schemaToJson(schema) };
    const [plan] = await this.gate.register([asked], byLibrary(this.clock));
    return { type, version: plan!.record.version, created: plan!.created };
  }

  /** @internal */
  protected subscribeHandler(
    topic: string,
    handler: Handler,
    options: SubscribeOptions,
  ): Subscription {
    this.#assertOpen();
    return this.#locals.subscribe(topic, handler, options);
  }

  /** @internal */
  protected subscriptionsOn(topic: string): Subscription[] {
    return this.#locals.on(topic);
  }

  /** @internal */
  protected openStream(topic: string, options: StreamOptions): EventStream {
    this.#assertOpen();
    const context = { feed: this.feed, topics: this.topics, now: () => this.clock.now() };
    return this.#streams.add(new TailStream(topic, options, context), options);
  }

  /** @internal */
  protected async findNewest(topic: string, key: string): Promise<Event | undefined> {
    this.#assertOpen();
    if (this.store instanceof ThreeMethodStore) {
      return (await this.#eventStore.getEvents(topic)).findLast((event) => event.key === key);
    }
    const keys = await this.redactor.keysOf(topic, key);
    const found = await inTurns(newestOfKey(this.store, topic, keys), () => this.#assertOpen());
    return found && toEvent(found);
  }

  /** What goes through the broker, and what waits in it; from memory. */
  stats(): Promise<BrokerStats> {
    return this.#closed ? Promise.reject(closedBroker()) : freshStatsOf(this);
  }

  /** @internal */
  protected publishEvent(
    topic: string,
    what: { type: string; payload: unknown; options: PublishOptions | undefined },
  ): Promise<Event> {
    return this.#closed ? Promise.reject(closedBroker()) : this.#publisher.publish(topic, what);
  }

  /** @internal */
  protected override publishInto(
    ...event: Parameters<LocalPublishing["publishIn"]>
  ): Promise<Event> {
    return this.#closed ? Promise.reject(closedBroker()) : this.#publisher.publishIn(...event);
  }

  /** @internal */
  protected publishEvents(...batch: Parameters<LocalPublishing["publishBatch"]>): Promise<Event[]> {
    return this.#closed ? Promise.reject(closedBroker()) : this.#publisher.publishBatch(...batch);
  }

  /** Replaces what an event says, wherever the broker has it. */
  redact(topic: string, event: number | string, options?: RedactOptions): Promise<RedactReply> {
    return this.#closed
      ? Promise.reject(closedBroker())
      : this.redactor.redact(topic, event, options, byLibrary(this.clock));
  }

  /** @internal */
  protected publishGroup(
    messages: readonly AddressedMessage[],
    options: PublishAllOptions,
  ): Promise<Event[]> {
    return this.#publisher.publishAll(messages, options);
  }

  /**
   * Checks a parsed payload: returns the version to record, or throws `EventRefusedError` with
   * `details.faults`. `text`: the payload as JSON text, if available, so that numbers keep their
   * notation.
   */
  admit(
    topic: string,
    candidate: { type: string; version: string | undefined; payload: unknown; text?: string },
  ): string {
    return this.gate.admit(topic, candidate);
  }

  /**
   * Stores events, or only passes them on if the topic is not persistent; creates the topic if
   * allowed. Requests of one stream are stored in the order of their calls.
   * @internal
   */
  append(request: StoreRequest, stream?: PublishStream): Promise<AppendOutcome> {
    return this.#writer.append(request, stream);
  }

  /** @internal See {@link EventWriter.appendFor}. */
  appendFor(waiter: AppendWaiter, request: StoreRequest): void {
    this.#writer.appendFor(waiter, request);
  }

  /** @internal See {@link EventWriter.under}. */
  checkedUnder = (topic: string): CheckedUnder | undefined => this.#writer.under(topic);

  /** @internal See {@link EventWriter.appendGroup}. */
  appendGroup(...group: Parameters<EventWriter["appendGroup"]>): Promise<AppendOutcome[]> {
    return this.#writer.appendGroup(...group);
  }

  /**
   * Calls `listener` for everything that became durable, and for the events of topics that store
   * nothing. Returns a function that removes it.
   */
  onCommit(listener: (commit: Commit) => void): () => void {
    return this.#dispatcher.add(listener);
  }

  /** The store that the broker was created with. */
  getEventStore(): EventStore {
    return this.#eventStore;
  }

  /** The queue that the broker was created with, or a view of the dead letters in its state. */
  getDeadLetterQueue(): DeadLetterQueue {
    return this.#queue;
  }

  /** The groups of the dead letters in its state. */
  get deadLetterGroups(): DeadLetterGroups {
    return this.deadLetters.groups;
  }

  /** Redelivers a dead letter, whichever queue it is in; false if there is none with that id. */
  retryDeadLetter(eventId: string): Promise<boolean> {
    return this.#held?.retry(eventId) ?? this.#queue.retryEvent(eventId);
  }

  /** Runs one pass of retention over topics and dead letters; returns which events were removed. */
  async retain(): Promise<{ topic: string; removed: number }[]> {
    const removed = await this.retention.all();
    await this.deadLetterLimits.pass();
    return removed;
  }

  /**
   * Resolves when every handler of this process has finished its events, including retries. Paused
   * ones do not count.
   */
  async idle(): Promise<void> {
    refuseInHandler(this.#locals.runners, IDLE);
    do {
      await this.journals.idle();
      await this.#locals.idle();
    } while (this.#locals.busy);
  }

  /** Lets handlers finish, stores what is under way, and closes the store and the state. */
  close(): Promise<void> {
    return Promise.try(() => {
      refuseInHandler(this.#locals.runners, CLOSE);
      return this.#closed ??= closeParts(this.#parts);
    });
  }

  #assertOpen(): void {
    if (this.#closed) throw closedBroker();
  }
}
