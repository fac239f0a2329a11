/**
 * P9: awaits one publish after another to handlers in this process, and counts what they handled.
 * `emit.ts ours|emittery COUNT SUBSCRIPTIONS`: prints the duration in seconds and the memory of the
 * process in MiB.
 */
import Emittery from "../../packages/emittery.ts";
import { EventBroker } from "../../../mod.ts";

const [contender = "", count = "0", subscriptions = "1"] = Deno.args;
const publishes = Number(count);
const handlers = Number(subscriptions);
let handled = 0;

async function ours(): Promise<(n: number) => Promise<unknown>> {
  const broker = new EventBroker();
  await broker.createTopic("bench", { persistent: false }).ready;
  for (let i = 0; i < handlers; i++) {
    await broker.subscribe<{ n: number }>("bench", (event) => {
      handled += event.payload.n > 0 ? 1 : 0;
    }).ready;
  }
  return (n) => broker.publish("bench", "n", { n });
}

function emittery(): (n: number) => Promise<unknown> {
  const emitter = new Emittery<{ n: { n: number } }>();
  for (let i = 0; i < handlers; i++) {
    emitter.on("n", (data) => {
      handled += data.n > 0 ? 1 : 0;
    });
  }
  return (n) => emitter.emit("n", { n });
}

const publish = contender === "ours" ? await ours() : emittery();
const warm = Math.min(publishes, Math.ceil(100_000 / handlers));
for (let n = 1; n <= warm; n++) await publish(n);
handled = 0;
const began = performance.now();
for (let n = 1; n <= publishes; n++) await publish(n);
const seconds = (performance.now() - began) / 1000;
if (handled !== publishes * handlers) throw new Error(`${handled} were handled`);
const mebibytes = Deno.memoryUsage().rss / 2 ** 20;
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify({ seconds, mebibytes })}\n`));
