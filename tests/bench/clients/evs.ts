/**
 * P8, ours: leases a thousand at a time, acknowledges them while the next ones are read. `evs.ts
 * SOCKET NAME COUNT`
 */
import { Client } from "../../../core/client/client.ts";

const [socket = "", name = "", count = "0"] = Deno.args;
using client = new Client({ socket });
await client.putSubscription(name, { topic: "bench" });
let done = 0;
let settling: Promise<unknown> = Promise.resolve();
while (done < Number(count)) {
  const { deliveries } = await client.lease(name, { max: 1000, waitMs: 10_000, bind: true });
  for (const { event } of deliveries) {
    if ((event as { payload: { n?: unknown } }).payload.n === undefined) {
      throw new Error("no payload");
    }
  }
  done += deliveries.length;
  await settling;
  settling = client.ack(name, { leases: deliveries.map(({ lease }) => lease) });
}
await settling;
const { pending, leased } = await client.subscription(name);
if (pending + leased !== 0) throw new Error(`${pending} pending, ${leased} leased`);
