/**
 * P8, Redis: XREADGROUP a thousand at a time, XACK while the next ones are read. `redis.ts SOCKET
 * NAME COUNT`
 */
import { createClient } from "../../packages/redis.ts";

const [path = "", name = "", count = "0"] = Deno.args;
const client = createClient({ socket: { path, tls: false } });
await client.connect();
await client.xGroupCreate("bench", name, "0");
let done = 0;
let settling: Promise<unknown> = Promise.resolve();
const read = async () => {
  const found = await client.xReadGroup(name, "c", { key: "bench", id: ">" }, { COUNT: 1000 }) as {
    messages: { id: string; message: Record<string, string> }[];
  }[] | null;
  return found?.[0]?.messages ?? [];
};
while (done < Number(count)) {
  const messages = await read();
  for (const { message } of messages) {
    if (JSON.parse(message["p"] ?? "{}").n === undefined) throw new Error("no payload");
  }
  done += messages.length;
  await settling;
  settling = client.xAck("bench", name, messages.map(({ id }) => id));
}
await settling;
const { pending } = await client.xPending("bench", name);
if (pending !== 0) throw new Error(`${pending} pending`);
client.destroy();
