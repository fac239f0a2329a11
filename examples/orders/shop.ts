/**
 * The shop as a whole: accepts orders and shows their state. It does not know where its broker
 * lives.
 */
import { type Broker, EventSourcedRepository } from "@env/env-event-stream";
import type { Line, Shop } from "./events.ts";
import { Inventory } from "./inventory.ts";
import { Order, type OrderState } from "./order.ts";
import { Sales } from "./sales.ts";

/** The application. */
export class OrderService {
  readonly inventory: Inventory;
  readonly sales = new Sales();
  readonly #orders: EventSourcedRepository<Order>;
  readonly #broker: Broker<Shop>;

  constructor(broker: Broker<Shop>) {
    this.#broker = broker;
    this.inventory = new Inventory(broker);
    this.#orders = new EventSourcedRepository<Order>((id) => new Order(id), {
      broker,
      topic: "orders",
    });
  }

  /** Resolves when orders are accepted. */
  async start(): Promise<void> {
    const started = [this.inventory.start(), this.sales.start(this.#broker)];
    await Promise.all(started.map(({ ready }) => ready));
  }

  /** Accepts an order. It is safely stored when this resolves; the inventory processes it later. */
  async place(id: string, line: Line): Promise<void> {
    await this.#orders.update(id, (order) => order.place(line));
  }

  /** The state of an order; undefined if it does not exist. */
  async order(id: string): Promise<OrderState | undefined> {
    return (await this.#orders.getById(id))?.getState();
  }
}
