/** P10: publishes one event into each of many topics. `evs_topics.ts SOCKET COUNT` */
import { Client } from "../../../core/client/client.ts";
import { payload } from "../input.ts";

const AT_ONCE = 64;

const [socket = "", count = "0"] = Deno.args;
using client = new Client({ socket });
let next = 1;
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  while (next <= Number(count)) {
    const n = next++;
    await client.publish(`many.${n}`, payload(n), { query: { type: "line" } });
  }
}));
