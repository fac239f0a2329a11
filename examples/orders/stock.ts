/** The stock of one product. Its events are the topic `stock`. */
import { AggregateRoot, type Event } from "@env/env-event-stream";

/** What is in stock, and what is reserved for which order. */
export interface StockState {
  free: number;
  /** Maps an order to its quantity. */
  reserved: Record<string, number>;
}

/** The order asks for more than is in stock. */
export class OutOfStock extends Error {
  override name = "OutOfStock";
}

/** The stock of one product. */
export class Stock extends AggregateRoot<StockState> {
  constructor(product: string) {
    super(product, { free: 0, reserved: {} });
  }

  receive(count: number): void {
    this.recordEvent("stock.received", { count });
  }

  /**
   * Reserves a quantity for an order, once, however often it is called. Throws {@link OutOfStock}.
   */
  reserve(order: string, count: number): void {
    if (this.state.reserved[order] !== undefined) return;
    if (count > this.state.free) {
      throw new OutOfStock(`${count} asked for, ${this.state.free} left`);
    }
    this.recordEvent("stock.reserved", { order, count });
  }

  protected applyEvent(event: Event): void {
    switch (event.type) {
      case "stock.received":
        this.state.free += event.payload.count;
        break;
      case "stock.reserved":
        this.state.free -= event.payload.count;
        this.state.reserved[event.payload.order] = event.payload.count;
        break;
      default:
        this.refuseEvent(event);
    }
  }
}
