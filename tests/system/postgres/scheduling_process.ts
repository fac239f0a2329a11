/**
 * A node of scheduled events in a process of its own: it accepts one after the other until it is
 * killed, and publishes what is due. Each is told as a line once it was acknowledged.
 */
import { openNode } from "./scheduling_nodes.ts";
import { say } from "./say.ts";

const [url, name] = Deno.args;
// What is published twice is there twice.
const { broker } = await openNode(url!, { dedupWindow: 1 });

async function write(writer: number): Promise<void> {
  for (let n = 0;; n++) {
    const id = `${name}-${writer}-${n}`;
    const delayMs = 1 + Math.floor(Math.random() * 300);
    await broker.publish("t", "later", { id }, { id, schedule: { delayMs } });
    say(id);
  }
}

await Promise.all([0, 1, 2].map(write));
