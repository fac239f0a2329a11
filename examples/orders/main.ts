/**
 * A day in the shop. Without a flag everything is in this process, in memory; with `--daemon` the
 * events, the retries and the dead letters are with the daemon that `evs daemon start` starts. The
 * program is the same, and so is what it prints.
 *
 * ```sh
 * deno run -A examples/orders/main.ts
 * evs daemon start && deno run -A examples/orders/main.ts --daemon
 * ```
 */
import { type Broker, connect, EventBroker } from "@env/env-event-stream";
import type { Line, Shop } from "./events.ts";
import { tolerantLine } from "./inventory.ts";
import { OrderService } from "./shop.ts";

/** Opens the broker for this run. */
function open(daemon: boolean): Promise<Broker<Shop>> {
  return daemon ? connect<Shop>() : Promise.resolve(new EventBroker<Shop>());
}

/** Runs the day on a broker; `print` receives each line of output. */
export async function day(
  broker: Broker<Shop>,
  print: (line: string) => void,
): Promise<void> {
  // Another run against the same daemon is another day, with other orders.
  const today = crypto.randomUUID();
  const [book, pen] = [`book-${today}`, `pen-${today}`];
  const id = (name: string) => `${name}-${today}`;
  const shop = new OrderService(broker);
  await shop.start();
  await shop.inventory.stock.update(book, (stock) => stock.receive(5));
  await shop.inventory.stock.update(pen, (stock) => stock.receive(1));

  const orders: Record<string, Line> = {
    first: { product: book, quantity: 2 },
    second: { product: pen, quantity: 1 },
    third: { product: pen, quantity: 1 },
  };
  for (const [name, line] of Object.entries(orders)) await shop.place(id(name), line);
  // The old till writes numbers as words, and was never compiled against our types.
  const fromTheTill = { product: book, quantity: "two" } as unknown as Line;
  const poison = await broker.publish("orders", "order.placed", fromTheTill, {
    key: id("till"),
  });

  await broker.idle();
  const show = async (name: string) => {
    const state = await shop.order(id(name));
    print(`order ${name}: ${state?.status}${state?.reason ? ` (${state.reason})` : ""}`);
  };
  for (const name of [...Object.keys(orders), "till"]) await show(name);
  print(`sold: ${shop.sales.of(book)} books, ${shop.sales.of(pen)} pens`);
  const dead = await broker.getDeadLetterQueue().getEvents({ topic: "orders" });
  for (const { event, error, subscription, attempts } of dead) {
    if (event.id === poison.id) print(`dead letter of ${subscription}: ${error} (${attempts} try)`);
  }

  print("the reader is fixed, and the dead letter sent again");
  shop.inventory.replaceReader(tolerantLine);
  await broker.retryDeadLetter(poison.id);
  await broker.idle();
  await show("till");
  print(`sold: ${shop.sales.of(book)} books, ${shop.sales.of(pen)} pens`);
}

if (import.meta.main) {
  const unknown = Deno.args.find((argument) => argument !== "--daemon");
  if (unknown !== undefined) {
    // deno-lint-ignore no-console -- a program for a terminal
    console.error(`main.ts takes --daemon, not ${unknown}`);
    Deno.exit(2);
  }
  await using broker = await open(Deno.args.includes("--daemon"));
  // deno-lint-ignore no-console -- a program for a terminal
  await day(broker, (line) => console.log(line));
}
