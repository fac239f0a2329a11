/**
 * P8, ours: the same as evs.ts by the port that `evs consume` and `connect()` use, which parses of an
 * event only what is asked for: here its payload. `evs_port.ts SOCKET NAME COUNT`
 */
import { systemClock } from "../../../core/base/clock.ts";
import { Client } from "../../../core/client/client.ts";
import { openPort } from "../../../core/client/open_consumer_port.ts";

const [socket = "", name = "", count = "0"] = Deno.args;
using client = new Client({ socket });
await client.putSubscription(name, { topic: "bench" });
const say = (text: string) => {
  throw new Error(text);
};
const port = openPort({ socket, subscription: name, command: "bench", clock: systemClock, say });
const decoder = new TextDecoder();
let done = 0;
let settling: Promise<unknown> = Promise.resolve();
while (done < Number(count)) {
  const { deliveries } = await port.lease({ max: 1000, waitMs: 10_000, bind: true });
  for (const { payload } of deliveries) {
    if (JSON.parse(decoder.decode(payload)).n === undefined) throw new Error("no payload");
  }
  done += deliveries.length;
  await settling;
  settling = port.ack(deliveries.map(({ lease }) => lease));
}
await settling;
port.close();
const { pending, leased } = await client.subscription(name);
if (pending + leased !== 0) throw new Error(`${pending} pending, ${leased} leased`);
