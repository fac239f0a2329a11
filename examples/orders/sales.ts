/** What was sold, by product: a view that is built from the events each time the program starts. */
import type { Broker, Subscription } from "@env/env-event-stream";
import type { Shop } from "./events.ts";

/** Counts what was sold. */
export class Sales {
  readonly #sold = new Map<string, number>();
  /** The last event that is in it: one that comes twice counts once. */
  #seq = 0;

  /** Reads all there was, and follows. */
  start(broker: Broker<Shop>): Subscription {
    return broker.subscribe("orders", ({ seq = 0, payload }) => {
      if (seq <= this.#seq) return;
      this.#seq = seq;
      const { product, quantity } = payload;
      this.#sold.set(product, (this.#sold.get(product) ?? 0) + quantity);
    }, { eventTypes: ["order.confirmed"], from: "start" });
  }

  /** How many were sold. */
  of(product: string): number {
    return this.#sold.get(product) ?? 0;
  }
}
