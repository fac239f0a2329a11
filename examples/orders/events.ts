/** The events of the shop: topics, types and payloads, for the compiler. */

/** A quantity of a product. */
export interface Line {
  product: string;
  quantity: number;
}

/** The event map for the broker. */
export interface Shop {
  orders: {
    "order.placed": Line;
    "order.confirmed": Line;
    "order.rejected": { reason: string };
  };
  stock: {
    "stock.received": { count: number };
    "stock.reserved": { order: string; count: number };
  };
}
