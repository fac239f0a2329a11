/** An order: placed once, then confirmed or rejected once. Its events are the topic `orders`. */
import { AggregateRoot, type Event } from "@env/env-event-stream";
import type { Line } from "./events.ts";

/** The state of an order. */
export interface OrderState {
  status: "new" | "placed" | "confirmed" | "rejected";
  line?: Line;
  reason?: string;
}

/** One order. */
export class Order extends AggregateRoot<OrderState> {
  constructor(id: string) {
    super(id, { status: "new" });
  }

  place(line: Line): void {
    if (this.state.status !== "new") throw new Error(`${this.id} is placed already`);
    this.recordEvent("order.placed", line);
  }

  /**
   * Confirms that the goods are reserved. Idempotent, because the caller may have been interrupted.
   */
  confirm(line: Line): void {
    if (this.state.status === "placed") this.recordEvent("order.confirmed", line);
  }

  reject(reason: string): void {
    if (this.state.status === "placed") this.recordEvent("order.rejected", { reason });
  }

  protected applyEvent({ type, payload, ...event }: Event): void {
    switch (type) {
      case "order.placed":
        this.state = { status: "placed", line: payload };
        break;
      case "order.confirmed":
        this.state.status = "confirmed";
        break;
      case "order.rejected":
        this.state.status = "rejected";
        this.state.reason = payload.reason;
        break;
      default:
        this.refuseEvent({ type, payload, ...event });
    }
  }
}
