/** A topic as `createTopic` returns it. */
import type { EventBroker } from "./broker.ts";
import type { PublishOptions } from "./capture.ts";
import type { Event } from "./event.ts";
import type { Handler, SubscribeOptions, Subscription } from "./subscription.ts";
import type { TopicOptions } from "./topic.ts";

/** A topic of a broker. */
export class Topic {
  readonly name: string;
  readonly #broker: EventBroker;

  constructor(name: string, broker: EventBroker) {
    this.name = name;
    this.#broker = broker;
  }

  /** The topic's options. */
  get options(): TopicOptions {
    return this.#broker.topics.require(this.name).options;
  }

  /** Publishes an event to it; see {@link EventBroker.publish}. */
  publish<T>(type: string, payload: T, options?: PublishOptions): Promise<Event<T>> {
    return this.#broker.publish(this.name, type, payload, options);
  }

  /** Subscribes to it; see {@link EventBroker.subscribe}. */
  // deno-lint-ignore no-explicit-any -- the promised interface
  subscribe<T = any>(handler: Handler<T>, options?: SubscribeOptions): Subscription {
    return this.#broker.subscribe(this.name, handler, options);
  }
}
