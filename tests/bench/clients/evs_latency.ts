/**
 * P6, ours: publishes one event at a time, each when the tail has seen the one before.
 * `evs_latency.ts SOCKET COUNT`
 */
import { Client } from "../../../core/client/client.ts";
import { payload } from "../input.ts";
import { printPercentiles } from "./percentiles.ts";

/** Before the figures count, events: code gets compiled. */
const WARM = 200;

const [socket = "", count = "0"] = Deno.args;
using client = new Client({ socket });
await client.createTopic("bench", {});
const tail = await client.read({ topic: ["bench"], follow: "1" });
const lines = tail.lines();
const times = new Float64Array(Number(count));
for (let n = -WARM; n < times.length; n++) {
  const body = payload(n + WARM);
  const began = performance.now();
  const published = client.publish("bench", body, { query: { type: "line" } });
  const { value: line } = await lines.next();
  if (n >= 0) times[n] = performance.now() - began;
  const { firstSeq } = await published;
  if (line === undefined || JSON.parse(new TextDecoder().decode(line)).seq !== firstSeq) {
    throw new Error("the tail has another event");
  }
}
printPercentiles(times);
