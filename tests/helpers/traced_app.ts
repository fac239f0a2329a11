/**
 * An application with a broker, which knows nothing of OpenTelemetry itself. It ends with its
 * standard input.
 */
import { EventBroker } from "../../mod.ts";

await using broker = new EventBroker();
broker.subscribe("orders", async () => {
  await Promise.resolve();
  await broker.publish("payments", "payment.made", {});
}, { name: "billing" });
await broker.publish("orders", "order.placed", {});
await broker.idle();
for await (const _ of Deno.stdin.readable);
