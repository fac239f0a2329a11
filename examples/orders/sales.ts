/**
 * What was sold, by product: a view that is rebuilt from the events each time the program starts.
 */
import type { Broker, Subscription } from "@env/env-event-stream";
import type { Shop } from "./events.ts";

/** Counts sales. */
export class Sales {
  readonly #sold = new Map<string, number>();
  /** The last event included, so that one that is delivered twice counts once. */
  #seq = 0;

  /** Reads all past events, and follows new ones. */
  start(broker: Broker<Shop>): Subscription {
    return broker.subscribe("orders", ({ seq = 0, payload }) => {
      if (seq <= this.#seq) return;
      this.#seq = seq;
      const { product, quantity } = payload;
      this.#sold.set(product, (this.#sold.get(product) ?? 0) + quantity);
    }, { eventTypes: ["order.confirmed"], from: "start" });
  }

  /** How many of a product were sold. */
  of(product: string): number {
    return this.#sold.get(product) ?? 0;
  }
}
