/**
 * The inventory reserves goods for each order and reports the result to the order. It may be
 * interrupted anywhere and start again: every step is idempotent.
 */
import {
  type Broker,
  type Event,
  EventSourcedRepository,
  NonRetryableError,
  type Subscription,
} from "@env/env-event-stream";
import type { Line, Shop } from "./events.ts";
import { Order } from "./order.ts";
import { OutOfStock, Stock } from "./stock.ts";

/** Reads the line of an order. Throws if it is invalid. */
export type ReadLine = (payload: Line) => Line;

/**
 * Accepts only what the types promise: something that is not a number will not become one on a
 * retry.
 */
export const strictLine: ReadLine = (line) => {
  if (Number.isSafeInteger(line.quantity) && line.quantity > 0) return line;
  throw new NonRetryableError(`${JSON.stringify(line.quantity)} is not a quantity`);
};

const WORDS = ["zero", "one", "two", "three", "four", "five"];

/** The fixed reader, which also accepts the number words of the old till. */
export const tolerantLine: ReadLine = (line) =>
  strictLine({ ...line, quantity: Math.max(Number(line.quantity) || 0, wordAsNumber(line)) });

function wordAsNumber({ quantity }: Line): number {
  return WORDS.indexOf(String(quantity));
}

/** Reserves stock for every order. */
export class Inventory {
  readonly stock: EventSourcedRepository<Stock>;
  readonly #orders: EventSourcedRepository<Order>;
  readonly #broker: Broker<Shop>;
  #readLine: ReadLine = strictLine;

  constructor(broker: Broker<Shop>) {
    this.#broker = broker;
    this.stock = new EventSourcedRepository<Stock>((id) => new Stock(id), {
      broker,
      topic: "stock",
    });
    this.#orders = new EventSourcedRepository<Order>((id) => new Order(id), {
      broker,
      topic: "orders",
    });
  }

  /** Starts the inventory; continues where it stopped the last time. */
  start(): Subscription {
    return this.#broker.subscribe("orders", (event) => this.#placed(event), {
      name: "inventory",
      eventTypes: ["order.placed"],
      maxRetries: 3,
      retryDelay: (attempt) => 10 * 2 ** attempt,
    });
  }

  /** Replaces the reader, as a new release would. */
  replaceReader(readLine: ReadLine): void {
    this.#readLine = readLine;
  }

  async #placed({ key, payload }: Event<Line>): Promise<void> {
    const order = key!;
    const line = this.#readLine(payload);
    try {
      await this.stock.update(line.product, (stock) => stock.reserve(order, line.quantity));
      await this.#orders.update(order, (placed) => placed.confirm(line));
    } catch (error) {
      // Any other error (a store that is unavailable) is retried.
      if (!(error instanceof OutOfStock)) throw error;
      await this.#orders.update(order, (placed) => placed.reject(error.message));
    }
  }
}
