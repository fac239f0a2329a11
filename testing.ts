/**
 * What tests of event-driven code need.
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
import { type BrokerOptions, EventBroker } from "./core/broker.ts";
import type { PublishOptions } from "./core/capture.ts";
import type { Event } from "./core/event.ts";
import type { Handler, SubscribeOptions, Subscription } from "./core/subscription.ts";

export {
  type AggregateSource,
  spec,
  type SpecError,
  type SpecEvent,
  type SpecGiven,
  type SpecOptions,
  type SpecWhen,
} from "./core/sourcing/spec.ts";

/** A broker in memory that remembers what was published, and tries failed events again at once. */
export class TestBroker extends EventBroker {
  readonly #published: Event[] = [];

  constructor(options: BrokerOptions = {}) {
    super(options);
  }

  override async publish<T>(
    topic: string,
    type: string,
    payload: T,
    options?: PublishOptions,
  ): Promise<Event<T>> {
    const event = await super.publish(topic, type, payload, options);
    this.#published.push(event);
    return event;
  }

  // deno-lint-ignore no-explicit-any -- the promised interface: an untyped handler reads its payload without a cast
  override subscribe<T = any>(
    topic: string,
    handler: Handler<T>,
    options: SubscribeOptions = {},
  ): Subscription {
    return super.subscribe(topic, handler, { retryDelay: 0, ...options });
  }

  /** Resolves when every handler has done all there is, and all that this made it publish, retries too. */
  waitForProcessing(): Promise<void> {
    return this.idle();
  }

  /** What was published, in order; of one topic, or of all. */
  // deno-lint-ignore no-explicit-any -- payloads of any type
  getPublishedEvents<T = any>(topic?: string): Event<T>[] {
    return this.#published.filter((event) => topic === undefined || event.topic === topic);
  }

  /** Forgets what was published so far. */
  clearPublishedEvents(): void {
    this.#published.length = 0;
  }
}
