/**
 * The inventory: puts goods aside for each order that is placed, and says so to the order. It may
 * be interrupted anywhere and begin again: each step does nothing the second time.
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

/** Reads the line of an order. Throws where it is not one. */
export type ReadLine = (payload: Line) => Line;

/**
 * Takes what the types promise, and nothing else: what is not a number will not become one by
 * trying again.
 */
export const strictLine: ReadLine = (line) => {
  if (Number.isSafeInteger(line.quantity) && line.quantity > 0) return line;
  throw new NonRetryableError(`${JSON.stringify(line.quantity)} is not a quantity`);
};

const WORDS = ["zero", "one", "two", "three", "four", "five"];

/** The fixed reader: takes the words of the old till as well. */
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

  /** Begins to work; goes on where it was when it ran before. */
  start(): Subscription {
    return this.#broker.subscribe("orders", (event) => this.#placed(event), {
      name: "inventory",
      eventTypes: ["order.placed"],
      maxRetries: 3,
      retryDelay: (attempt) => 10 * 2 ** attempt,
    });
  }

  /** Uses another reader from now on: what a new release would do. */
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
      // Anything else (a store that is away) is tried again.
      if (!(error instanceof OutOfStock)) throw error;
      await this.#orders.update(order, (placed) => placed.reject(error.message));
    }
  }
}
