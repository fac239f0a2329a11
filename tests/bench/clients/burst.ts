/**
 * P9: publishes without waiting, to a durable SQLite store in this process, and waits for all of
 * them. `burst.ts true|false COUNT FOLDER`, true with a schema: prints the duration in seconds, the appends that were
 * made, and the memory of the process in MiB when all were called.
 */
import { EventBroker, SqliteEventStore } from "../../../mod.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import { payload } from "../input.ts";

const [checked = "", count = "0", folder = ""] = Deno.args;
const publishes = Number(count);
const payloads = Array.from({ length: publishes }, (_, n) => JSON.parse(payload(n + 1)));
await Deno.mkdir(folder);
await using broker = new EventBroker({
  eventStore: new SqliteEventStore(`${folder}/events.db`),
  state: new SqliteState(`${folder}/state.db`),
});
if (checked === "true") {
  await broker.registerSchema("line", {
    type: "object",
    required: Object.keys(payloads[0]),
    properties: Object.fromEntries(
      Object.entries(payloads[0]).map(([name, value]) => [name, { type: typeof value }]),
    ),
  });
}
await broker.publish("bench", "line", payloads[0]);
const before = broker.journals.batches;
const began = performance.now();
const burst = payloads.map((one) => broker.publish("bench", "line", one));
const mebibytes = Deno.memoryUsage().rss / 2 ** 20;
await Promise.all(burst);
const seconds = (performance.now() - began) / 1000;
const appends = broker.journals.batches - before;
Deno.stdout.writeSync(
  new TextEncoder().encode(`${JSON.stringify({ seconds, appends, mebibytes })}\n`),
);
