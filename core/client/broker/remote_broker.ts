/**
 * The broker of a daemon, over its socket: the same interface as in a process. Handlers run here;
 * topics, cursors, retries and dead letters are in the daemon. If that goes away, publishes wait for
 * it, subscriptions and streams resume where they were, and `onNotice` reports it.
 */
import { actorClaim } from "../consumer_facts.ts";
import { wantedEvent } from "../../event/redaction.ts";
import { schemaToJson } from "../../json/to_json.ts";
import { pausedWords } from "../../protocol/paused_words.ts";
import type { PublishOptions } from "../../broker/publish_options.ts";
import { type Publishing, TracedPublisher } from "../../broker/traced_publisher.ts";
import type { Clock } from "../../base/clock.ts";
import { refuseUnknown } from "../../base/options.ts";
import { AwakeTime } from "../../base/standstill.ts";
import { whenAborted } from "../../base/when_aborted.ts";
import type { DeadLetterQueue } from "../../dead_letter/queue.ts";
import { newToken } from "../../delivery/tokens.ts";
import type { Handler } from "../../delivery/handler.ts";
import { CLOSE, IDLE, refuseInHandler } from "../../delivery/waits_for_itself.ts";
import { handlerOf, rateOf, seqOf, settingsOf } from "../../delivery/handler_options.ts";
import {
  closedBroker,
  InvalidArgumentError,
  NotFoundError,
  RemoteError,
  UnsupportedError,
} from "../../base/errors.ts";
import type { Event } from "../../event/event.ts";
import { eventOfLine } from "../../event/event_lines.ts";
import type { Message } from "../../event/event_map.ts";
import type { EventStore } from "../../store/store.ts";
import { type EventStream, type StreamOptions, Streams } from "../../broker/event_stream.ts";
import {
  type Position,
  type SubscribeOptions,
  Subscription,
  type WaitOptions,
} from "../../delivery/subscription.ts";
import {
  assertSubscriptionName,
  assertTopicName,
  assertTopicPattern,
  checkTopicOptions,
  compilePattern,
  defaultTopicOptions,
  isTopicName,
  type TopicOptions,
} from "../../event/topic_options.ts";
import type { AddressedMessage } from "../../broker/publish_all.ts";
import type { BrokerStats } from "../../broker/stats.ts";
import { Topic } from "../../broker/topic_handle.ts";
import { checkSchemaOptions } from "../../broker/option_checks.ts";
import {
  Broker,
  type CreateTopicOptions,
  type PublishAllOptions,
  type PublishBatchOptions,
  type RegisterSchemaOptions,
} from "../../broker/broker.ts";
import { type Address, Client } from "../client.ts";
import { isGone } from "../consumer/port.ts";
import { delay, LONGEST_TRY_MS } from "../feed.ts";
import { UNNAMED } from "../../protocol/constants.ts";
import { REDACT_OPTIONS, type RedactOptions, type RedactReply } from "../../protocol/redaction.ts";
import type { Scheduling } from "../../protocol/scheduled.ts";
import type { TopicInfo } from "../../protocol/protocol.ts";
import { RemoteDeadLetterGroups } from "../dead_letter_groups.ts";
import { RemoteDeadLetters } from "./remote_dead_letters.ts";
import { RemotePublisher } from "./remote_publisher.ts";
import { RemoteRunner } from "./remote_runner.ts";
import { RemoteEventStore } from "./remote_store.ts";
import { RemoteStream } from "./remote_stream.ts";
import { decodeError, decodingErrors } from "../decode_error.ts";

/** The options of a remote broker, with all defaults applied. */
export interface RemoteBrokerOptions {
  socket: Address;
  patienceMs: number;
  handlerGraceMs: number;
  tracing: boolean;
  clock: Clock;
  onError(error: unknown, context: string): void;
  onNotice(text: string): void;
}

/** How long one request for a position waits, ms. */
const WAIT_MS = 30_000;
/** Time between two attempts to reach the daemon, ms. */
const AGAIN_MS = 100;

const decoder = new TextDecoder();

/**
 * A daemon's broker, as created by `connect`.
 *
 * ```ts
 * import { connect } from "@env/env-event-stream";
 *
 * await using broker = await connect();
 * await broker.publish("users", "user.created", { username: "first" });
 * ```
 */
// deno-lint-ignore no-explicit-any -- without a map every topic, type and payload goes
export class RemoteBroker<E = any> extends Broker<E> {
  /** @internal One typed method per endpoint of the daemon. */
  readonly client: Client;
  /** @internal */
  protected readonly clock: Clock;
  /** @internal */
  protected readonly scheduling: Scheduling;
  /** The groups of the daemon's dead letters. */
  readonly deadLetterGroups: Broker["deadLetterGroups"];
  readonly #options: RemoteBrokerOptions;
  readonly #publisher: RemotePublisher;
  readonly #publishing: Publishing;
  readonly #subscriptions = new Map<Subscription, RemoteRunner | undefined>();
  readonly #streams = new Streams();
  /** Topics, subscriptions and streams that are being created: publishes wait for them. */
  readonly #starting = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  /** @internal */
  constructor(options: RemoteBrokerOptions) {
    super();
    const { socket, patienceMs, clock } = this.#options = options;
    this.clock = clock;
    this.client = new Client({ socket, actor: actorClaim("library") });
    this.deadLetterGroups = new RemoteDeadLetterGroups(this.client);
    this.scheduling = {
      list: (page) => decodingErrors(this.client.scheduled(page)),
      cancel: (request) => decodingErrors(this.client.cancelScheduled(request)),
    };
    this.#publisher = new RemotePublisher({
      client: this.client,
      clock,
      patienceMs,
      waits: () => this.#starting.size > 0 ? Promise.allSettled(this.#starting) : undefined,
    });
    this.#publishing = options.tracing ? new TracedPublisher(this.#publisher) : this.#publisher;
  }

  /** @internal */
  protected makeTopic(name: string, options: CreateTopicOptions): Topic {
    this.#assertOpen();
    const { schemaRegistry, ...given } = options;
    if (schemaRegistry) {
      throw new UnsupportedError("a daemon has one registry for all its topics", {
        hint: "registerSchema() keeps a schema there",
      });
    }
    assertTopicName(name);
    checkTopicOptions(given);
    let known: TopicOptions = { ...defaultTopicOptions, ...given };
    const ready = this.#start(
      this.#again(() => this.client.createTopic(name, given)).then((info) => {
        known = optionsOf(info);
      }),
      `the topic ${name}`,
    );
    return this.#topic(name, { ready, options: () => known });
  }

  /** @internal */
  protected async findTopic(name: string): Promise<Topic | undefined> {
    this.#assertOpen();
    if (!isTopicName(name)) return undefined;
    await Promise.allSettled(this.#starting); // whoever started one gets the error
    try {
      const known = optionsOf(await this.client.topic(name));
      return this.#topic(name, { ready: Promise.resolve(), options: () => known });
    } catch (error) {
      if (error instanceof RemoteError && error.code === "topic/not-found") return undefined;
      throw decodeError(error);
    }
  }

  #topic(name: string, of: { ready: Promise<void>; options(): TopicOptions }): Topic {
    return new Topic(name, {
      ...of,
      publish: (type, payload, options) => this.publishEvent(name, { type, payload, options }),
      subscribe: (handler, options = {}) => this.subscribeHandler(name, handler, options),
    });
  }

  /** Registers a JSON Schema for a type with the daemon. */
  async registerSchema(
    type: string,
    schema: unknown,
    options: RegisterSchemaOptions = {},
  ): Promise<{ type: string; version: string; created: boolean }> {
    this.#assertOpen();
    const asked = checkSchemaOptions(type, options);
    const text = schemaToJson(schema);
    const info = await this.#again(() => this.client.registerSchema(type, text, asked));
    return { type, version: info.version, created: info.created ?? true };
  }

  /** The daemon's events, as far as the three methods of a store allow over the socket. */
  getEventStore(): EventStore {
    return new RemoteEventStore(this.client, (event) => {
      const { type, topic, payload, metadata, id, key, schemaVersion, timestamp } = event;
      const options = { metadata, id, key, schemaVersion, timestamp };
      return this.publishEvent(topic, { type, payload, options });
    });
  }

  /** The daemon's dead letters. */
  getDeadLetterQueue(): DeadLetterQueue {
    return new RemoteDeadLetters(this.client, () => this.clock.now());
  }

  /** Redelivers a dead letter; false if there is none with that id. */
  retryDeadLetter(eventId: string): Promise<boolean> {
    return this.getDeadLetterQueue().retryEvent(eventId);
  }

  /** Replaces what an event says, wherever the daemon has it. */
  async redact(
    topic: string,
    event: number | string,
    options: RedactOptions = {},
  ): Promise<RedactReply> {
    this.#assertOpen();
    refuseUnknown(options, { of: "redact", known: REDACT_OPTIONS });
    assertTopicName(topic);
    const wanted = wantedEvent(event);
    return await this.#again(() => this.client.redact(topic, wanted, options));
  }

  /** The daemon's topics and subscriptions. */
  async stats(): Promise<BrokerStats> {
    this.#assertOpen();
    return await this.#again(async () => {
      const [topics, subscriptions] = await Promise.all([
        this.client.topics(),
        this.client.subscriptions(),
      ]);
      return { topics, subscriptions };
    });
  }

  /** @internal */
  protected publishEvent(
    topic: string,
    what: { type: string; payload: unknown; options: PublishOptions | undefined },
  ): Promise<Event> {
    return this.#closed ? Promise.reject(closedBroker()) : this.#publishing.publish(topic, what);
  }

  /** @internal */
  protected publishEvents(
    topic: string,
    messages: readonly Message[],
    options: PublishBatchOptions,
  ): Promise<Event[]> {
    return this.#closed
      ? Promise.reject(closedBroker())
      : this.#publishing.publishBatch(topic, messages, options);
  }

  /** @internal */
  protected publishGroup(
    messages: readonly AddressedMessage[],
    options: PublishAllOptions,
  ): Promise<Event[]> {
    return this.#closed
      ? Promise.reject(closedBroker())
      : this.#publishing.publishAll(messages, options);
  }

  /** @internal */
  protected subscribeHandler(
    topic: string,
    handler: Handler,
    options: SubscribeOptions,
  ): Subscription {
    this.#assertOpen();
    assertTopicPattern(topic);
    const name = options.name ?? `${UNNAMED}${newToken()}`;
    assertSubscriptionName(name);
    const settings = settingsOf(options);
    const from = options.from ?? (options.name === undefined ? "end" : undefined);
    const made = this.#again(() =>
      this.client.putSubscription(name, {
        topic,
        settings,
        update: true,
        resume: true,
        from,
      })
    ).then((info) => {
      if (info.paused) this.#options.onNotice(pausedWords(info));
      return this.#runner(info, handler, options);
    });
    const started = this.#start(made, `the subscription ${name}`);
    const subscription: Subscription = new Subscription({
      name,
      topic,
      runner: started,
      clock: this.clock,
      onError: this.#options.onError,
      info: () => started.then(() => this.#again(() => this.client.subscription(name))),
      retries: (page) => started.then(() => this.#again(() => this.client.retries(name, page))),
      retryNow: (request) =>
        started.then(() => decodingErrors(this.client.retryNow(name, request))),
      whenProcessed: (position, wait) => this.#whenProcessed({ name, topic }, position, wait),
      ended: async () => {
        this.#subscriptions.delete(subscription);
        if (options.name === undefined) await this.#remove(name);
      },
    });
    this.#subscriptions.set(subscription, undefined);
    started.then(
      (runner) => {
        if (this.#subscriptions.has(subscription)) this.#subscriptions.set(subscription, runner);
      },
      () => this.#subscriptions.delete(subscription),
    );
    whenAborted(options.signal, () => {
      subscription.unsubscribe().catch((error) => this.#options.onError(error, "unsubscribe"));
    });
    return subscription;
  }

  #runner(
    info: ConstructorParameters<typeof RemoteRunner>[0],
    handler: Handler,
    options: SubscribeOptions,
  ): RemoteRunner {
    const { retryDelay, concurrency = 1, prefetch } = options;
    const { clock, handlerGraceMs, onError, onNotice, tracing } = this.#options;
    return new RemoteRunner(info, {
      client: this.client,
      handler: handlerOf(handler, options, { clock, tracing }),
      retryDelay: typeof retryDelay === "function" ? retryDelay : undefined,
      concurrency: Math.max(1, concurrency),
      rate: rateOf(options),
      prefetch: prefetch === undefined ? undefined : Math.max(0, prefetch),
      graceMs: handlerGraceMs,
      clock,
      onError: (error, context) => onError(decodeError(error), context),
      say: onNotice,
    });
  }

  /**
   * An unnamed subscription ends with its handler. If the daemon is away, it removes the
   * subscription itself once nobody uses it.
   */
  async #remove(name: string): Promise<void> {
    try {
      await this.client.removeSubscription(name);
    } catch (error) {
      const isOver = error instanceof RemoteError && error.code === "subscription/not-found";
      if (!isOver && !isGone(error)) throw decodeError(error);
    }
  }

  /** @internal */
  protected openStream(topic: string, options: StreamOptions): EventStream {
    this.#assertOpen();
    const { client, clock } = this;
    const source = new RemoteStream(topic, options, {
      client,
      clock,
      say: (text) => this.#options.onNotice(`${topic}: ${text}`),
    });
    const stream = this.#streams.add(source, options);
    const opened = stream.ready.catch(() => {}); // its reader gets the error
    this.#starting.add(opened);
    opened.then(() => this.#starting.delete(opened));
    return stream;
  }

  /** @internal */
  protected async findNewest(topic: string, key: string): Promise<Event | undefined> {
    this.#assertOpen();
    await Promise.allSettled(this.#starting); // whoever started one gets the error
    try {
      const line = await this.#again(() => this.client.newest(topic, key));
      return eventOfLine(decoder.decode(line));
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  /** @internal */
  protected subscriptionsOn(topic: string): Subscription[] {
    return [...this.#subscriptions.keys()].filter((one) => compilePattern(one.topic)(topic));
  }

  async #whenProcessed(
    { name, topic }: { name: string; topic: string },
    position: Position,
    { signal }: WaitOptions,
  ): Promise<void> {
    if (!compilePattern(topic)(position.topic)) {
      throw new InvalidArgumentError(
        `the subscription ${name} is on ${topic}, not on ${position.topic}`,
        { details: { subscription: name, topic: position.topic } },
      );
    }
    const request = { topic: position.topic, seq: seqOf(position), waitMs: WAIT_MS };
    for (;;) {
      signal?.throwIfAborted();
      const { processed } = await this.#again(
        () => this.client.processed(name, request, signal ? { signal } : {}),
        signal,
      );
      if (processed) return;
    }
  }

  /** Resolves when every handler of this process has finished its events, including retries. */
  async idle(): Promise<void> {
    refuseInHandler(this.#subscriptions.values(), IDLE);
    for (;;) {
      const before = this.#activity();
      await Promise.allSettled(this.#starting);
      await this.#publisher.idle();
      for (const runner of this.#runners()) await runner.idle();
      await this.#publisher.idle();
      if (this.#activity() === before && this.#starting.size === 0) return;
    }
  }

  #runners(): RemoteRunner[] {
    return [...this.#subscriptions.values()].filter((runner) => runner !== undefined);
  }

  /** A number that grows with everything that happens here. */
  #activity(): number {
    return this.#runners().reduce((sum, { started }) => sum + started, this.#publisher.count);
  }

  /** Lets handlers finish, and closes the connection. */
  close(): Promise<void> {
    try {
      refuseInHandler(this.#subscriptions.values(), CLOSE);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#streams.close();
    await this.#publisher.idle();
    const ending = [...this.#subscriptions.keys()].map((one) => one.unsubscribe());
    const failed = (await Promise.allSettled(ending)).find(({ status }) => status === "rejected");
    this.client.close();
    if (failed) this.#options.onError((failed as PromiseRejectedResult).reason, "closing");
  }

  /** Holds publishes back until `made` settles; a failure goes to its waiters and to `onError`. */
  #start<T>(made: Promise<T>, context: string): Promise<T> {
    const started = decodingErrors(made);
    this.#starting.add(started);
    started.then(
      () => this.#starting.delete(started),
      (error) => {
        this.#starting.delete(started);
        this.#options.onError(error, context);
      },
    );
    return started;
  }

  /** Repeats an idempotent request while the daemon is away, for up to `patienceMs`. */
  async #again<T>(request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { clock, patienceMs } = this.#options;
    // Since when it is away: the request itself may have waited longer than that.
    let away: AwakeTime | undefined;
    for (;;) {
      try {
        return await request();
      } catch (error) {
        const isFirst = away === undefined;
        away ??= new AwakeTime(clock);
        if (!isGone(error) || this.#closed || away.passed(LONGEST_TRY_MS) >= patienceMs) {
          throw decodeError(error);
        }
        // An idle connection may just have been closed: the first retry is immediate.
        if (!isFirst) await delay(clock, AGAIN_MS, signal);
      }
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw closedBroker();
  }
}

function optionsOf(info: TopicInfo): TopicOptions {
  const names = Object.keys(defaultTopicOptions) as (keyof TopicOptions)[];
  return Object.fromEntries(names.map((name) => [name, info[name]])) as unknown as TopicOptions;
}
