/**
 * The shop as a whole: takes orders in, and shows what became of them. It does not know where its
 * broker is.
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

  /** Resolves when orders can come. */
  async start(): Promise<void> {
    const started = [this.inventory.start(), this.sales.start(this.#broker)];
    await Promise.all(started.map(({ ready }) => ready));
  }

  /** Takes an order in. It is safe when this resolves; the inventory sees to it later. */
  async place(id: string, line: Line): Promise<void> {
    await this.#orders.update(id, (order) => order.place(line));
  }

  /** Where an order is; undefined where there is none. */
  async order(id: string): Promise<OrderState | undefined> {
    return (await this.#orders.getById(id))?.getState();
  }
}
