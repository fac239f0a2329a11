/** A topic as `createTopic` returns it. */
import { assertObject } from "../base/options.ts";
import type { PublishOptions } from "./publish_options.ts";
import type { Handler, HandlerContext } from "../delivery/handler.ts";
import type { Event } from "../event/event.ts";
import type { EventOf, FreeName, PayloadOf, TypeName } from "../event/event_map.ts";
import type { SubscribeOptions, Subscription } from "../delivery/subscription.ts";
import type { TopicOptions } from "../event/topic_options.ts";

/** What a {@link Topic} is made of. */
export interface TopicParts {
  publish(type: string, payload: unknown, options: PublishOptions | undefined): Promise<Event>;
  subscribe(handler: Handler, options: SubscribeOptions | undefined): Subscription;
  options(): TopicOptions;
  /** Resolves when the topic is durable. */
  ready: Promise<void>;
}

/**
 * A topic of a broker. `M` maps its types to payloads.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * const users = new EventBroker().createTopic("users");
 * await users.publish("user.created", { username: "first" });
 * ```
 */
// deno-lint-ignore no-explicit-any -- without a map every type and payload goes
export class Topic<M = any> {
  /** The topic's name. */
  readonly name: string;
  /** Resolves when the topic is durable; rejects if it could not be created. */
  readonly ready: Promise<void>;
  readonly #parts: TopicParts;

  /** @internal */
  constructor(name: string, parts: TopicParts) {
    this.name = name;
    this.ready = parts.ready;
    // Callers of `ready` get the error, and `onError` already did.
    this.ready.catch(() => {});
    this.#parts = parts;
  }

  /** The topic's options. Throws `NotFoundError` if it has been removed. */
  get options(): TopicOptions {
    return this.#parts.options();
  }

  /** Publishes an event to it; see {@link Broker.publish}. */
  publish<T>(type: FreeName<M>, payload: T, options?: PublishOptions): Promise<Event<T>>;
  /** The same, checked against the event map. */
  publish<Y extends TypeName<{ t: M }, "t">>(
    type: Y,
    payload: PayloadOf<{ t: M }, "t", Y>,
    options?: PublishOptions,
  ): Promise<Event<PayloadOf<{ t: M }, "t", Y>, Y>>;
  publish(type: string, payload: unknown, options?: PublishOptions): Promise<Event> {
    return this.#parts.publish(type, payload, options);
  }

  /** Subscribes to it; see {@link Broker.subscribe}. */
  // deno-lint-ignore no-explicit-any -- the promised interface: an untyped handler reads its payload without a cast
  subscribe<T = any>(
    handler: FreeName<M> extends never ? never : Handler<T>,
    options?: SubscribeOptions,
  ): Subscription;
  /** The same, checked against the event map. */
  subscribe(
    handler: (event: EventOf<{ t: M }, "t">, context: HandlerContext) => unknown,
    options?: SubscribeOptions,
  ): Subscription;
  subscribe(
    // deno-lint-ignore no-explicit-any -- checked by the signatures above
    handler: (event: any, context: HandlerContext) => unknown,
    options?: SubscribeOptions,
  ): Subscription {
    if (options !== undefined) assertObject(options, "the options of subscribe");
    return this.#parts.subscribe(handler, options);
  }
}
