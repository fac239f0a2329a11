/** What happens in the shop: topics, types and payloads, for the compiler. */

/** Some of a product. */
export interface Line {
  product: string;
  quantity: number;
}

/** The map of events that the broker is typed with. */
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
