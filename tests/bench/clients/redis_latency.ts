/**
 * P6, Redis: XADD, one at a time, each when XREAD BLOCK has seen the one before. `redis_latency.ts
 * SOCKET COUNT`
 */
import { createClient } from "../../packages/redis.ts";
import { payload } from "../input.ts";
import { printPercentiles } from "./percentiles.ts";

const WARM = 200;

const [path = "", count = "0"] = Deno.args;
const publisher = createClient({ socket: { path, tls: false } });
const reader = createClient({ socket: { path, tls: false } });
await publisher.connect();
await reader.connect();
const times = new Float64Array(Number(count));
let last = "0";
for (let n = -WARM; n < times.length; n++) {
  const p = payload(n + WARM);
  const reading = reader.xRead({ key: "bench", id: last }, { BLOCK: 0 }) as Promise<
    { messages: { id: string }[] }[] | null
  >;
  // It waits on the server before anything is published.
  await publisher.ping();
  const began = performance.now();
  const published = publisher.xAdd("bench", "*", { p });
  const found = await reading;
  if (n >= 0) times[n] = performance.now() - began;
  last = await published;
  if (found?.[0]?.messages[0]?.id !== last) throw new Error("the reader has another event");
}
publisher.destroy();
reader.destroy();
printPercentiles(times);
