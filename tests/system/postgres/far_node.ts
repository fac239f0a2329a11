/**
 * A node behind a network, for tests. It handles the events of the topic "t" as `consuming_node.ts`
 * does; it leases those of "u" one by one and answers none, so that one sees until when it delivers;
 * and it publishes to "p" whatever it reads from stdin, at whose end it closes. It tells of each as a
 * line.
 */
import {
  codeOf,
  failAsAsked,
  HANDLING,
  now,
  openTelling,
  sayHandled,
  type Work,
} from "./telling_node.ts";
import { say } from "./say.ts";

const [url, ca, host, ttlMs] = Deno.args;
const options = { url: url!, ca: Deno.readTextFileSync(ca!) };
const { state, eventStore, broker } = await openTelling(options, {
  host: host!,
  ttlMs: Number(ttlMs),
});

broker.subscribe<Work>("t", async (event, { attempt }) => {
  sayHandled(event, attempt);
  // So that some are under way whenever the network goes, and are done too late.
  await new Promise((resolve) => setTimeout(resolve, 20));
  failAsAsked(event, attempt);
}, HANDLING);

let isOver = false;

async function leaseOneByOne(): Promise<void> {
  while (!isOver) {
    const request = { max: 1, leaseMs: 3_600_000, waitMs: 10_000 };
    // Not after it: a process that gets no turn tells late what it has decided in time.
    const at = now();
    const { deliveries } = await broker.subscriptions.lease("slow", request, { consumer: host! });
    for (const { entry } of deliveries) say(`leased ${entry.seq} ${at}`);
    await new Promise((resolve) => setTimeout(resolve, Number(ttlMs) / 50));
  }
}

async function publish(id: string): Promise<void> {
  try {
    const { seq } = await broker.publish("p", "x", {}, { id });
    say(`acked ${id} ${seq}`);
  } catch (error) {
    say(`refused ${id} ${codeOf(error)}`);
  }
}

await broker.ready;
say(`node ${state.node}`);
leaseOneByOne().catch((error) => say(`error ${codeOf(error)} leasing: ${error}`));
let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const ids = (rest + text).split("\n");
  rest = ids.pop()!;
  for (const id of ids) void publish(id);
}
isOver = true;
await broker.close();
await eventStore.close();
say("closed");
