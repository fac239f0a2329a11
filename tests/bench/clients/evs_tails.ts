/**
 * P10: publishes to live tails, in requests of a hundred events, until each tail has them all.
 * Prints the seconds. `evs_tails.ts SOCKET TAILS EVENTS [BATCH] [TYPE]`: requests of so many
 * events, and tails that ask for a type, which is `line` for all events.
 */
import { Client } from "../../../core/client/client.ts";
import { countLines } from "../../../core/client/feed.ts";
import { payload } from "../input.ts";

const [socket = "", tails = "0", count = "0", most = "100", type] = Deno.args;
const events = Number(count);
const batch = Number(most);
const followed = { topic: ["bench"], follow: "1", ...(type === undefined ? {} : { type: [type] }) };
const body = Array.from({ length: batch }, (_, n) => payload(n)).join("\n");
using client = new Client({ socket });
await client.createTopic("bench", {});
const followers: Awaited<ReturnType<Client["read"]>>[] = [];
// As many as the socket's queue holds at once, and then some more.
while (followers.length < Number(tails)) {
  const more = Math.min(100, Number(tails) - followers.length);
  const opened = Array.from({ length: more }, () => client.read(followed));
  followers.push(...await Promise.all(opened));
}
const began = performance.now();
const seen = followers.map(async (follower) => {
  let lines = 0;
  for await (const piece of follower.body()) {
    lines += countLines(piece);
    if (lines === events) return;
  }
  throw new Error("a tail ended");
});
for (let n = 0; n < events; n += batch) {
  await (await client.fetch({
    method: "POST",
    path: "/v1/topics/bench/events",
    query: { type: "line" },
    contentType: "application/x-ndjson",
    body,
  })).bytes();
}
await Promise.all(seen);
const seconds = (performance.now() - began) / 1000;
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify({ seconds })}\n`));
