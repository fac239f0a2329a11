/**
 * Helpers for testing event-driven code.
 *
 * ```ts
 * import { TestBroker } from "@env/env-event-stream/testing";
 *
 * const broker = new TestBroker();
 * await broker.publish("orders", "order.created", { orderId: "test-123" });
 * await broker.waitForProcessing();
 * broker.getPublishedEvents("orders").length; // 1
 * ```
 *
 * @module
 */
import { type BrokerOptions, EventBroker } from "./core/broker/event_broker.ts";
import type { PublishOptions } from "./core/broker/publish_options.ts";
import type { Event } from "./core/event/event.ts";
import type { Message } from "./core/event/event_map.ts";
import type { Handler, SubscribeOptions, Subscription } from "./core/delivery/subscription.ts";
import type { PublishAllOptions, PublishBatchOptions } from "./core/broker/broker.ts";
import type { AddressedMessage } from "./core/broker/publish_all.ts";

export {
  type DeadLetterQueueSuite,
  type QueueCapabilities,
  testDeadLetterQueue,
} from "./testing/dead_letter_queue.ts";
export {
  type EventStoreSuite,
  type StoreCapabilities,
  testEventStore,
} from "./testing/event_store.ts";
export type { TestFunction, UnderTest } from "./testing/suite.ts";
export {
  type AggregateSource,
  type Settled,
  spec,
  type SpecError,
  type SpecEvent,
  type SpecGiven,
  type SpecOptions,
  type SpecWhen,
} from "./core/sourcing/spec.ts";

/**
 * An in-memory broker that records what was published and retries failed events immediately.
 *
 * ```ts
 * await using broker = new TestBroker();
 * await broker.publish("users", "user.created", { username: "first" });
 * console.log(broker.getPublishedEvents("users").length);
 * ```
 */
// deno-lint-ignore no-explicit-any -- without a map every topic, type and payload goes
export class TestBroker<E = any> extends EventBroker<E> {
  readonly #published: Event[] = [];

  /** Creates an in-memory broker. Retries do not wait unless a subscription says otherwise. */
  constructor(options: BrokerOptions = {}) {
    super(options);
  }

  /** @internal */
  protected override async publishEvent(
    topic: string,
    what: { type: string; payload: unknown; options: PublishOptions | undefined },
  ): Promise<Event> {
    const event = await super.publishEvent(topic, what);
    this.#published.push(event);
    return event;
  }

  /** @internal */
  protected override async publishEvents(
    topic: string,
    messages: readonly Message[],
    options: PublishBatchOptions,
  ): Promise<Event[]> {
    const events = await super.publishEvents(topic, messages, options);
    this.#published.push(...events);
    return events;
  }

  /** @internal */
  protected override async publishGroup(
    messages: readonly AddressedMessage[],
    options: PublishAllOptions,
  ): Promise<Event[]> {
    const events = await super.publishGroup(messages, options);
    this.#published.push(...events);
    return events;
  }

  /** @internal */
  protected override subscribeHandler(
    topic: string,
    handler: Handler,
    options: SubscribeOptions,
  ): Subscription {
    return super.subscribeHandler(topic, handler, { retryDelay: 0, ...options });
  }

  /**
   * Resolves when the handlers have nothing left to do, including retries and whatever they
   * published themselves.
   */
  waitForProcessing(): Promise<void> {
    return this.idle();
  }

  /** The published events in order, of one topic or of all. */
  // deno-lint-ignore no-explicit-any -- payloads of any type
  getPublishedEvents<T = any>(topic?: string): Event<T>[] {
    return this.#published.filter((event) => topic === undefined || event.topic === topic);
  }

  /** Forgets the events published so far. */
  clearPublishedEvents(): void {
    this.#published.length = 0;
  }
}
