/** P8, NATS: fills a stream, or reads it by a pull consumer with explicit acks. `nats.ts PORT fill FILE | NAME COUNT` */
import { AckPolicy, jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const [port = "", name = "", rest = ""] = Deno.args;
const connection = await connect({ servers: `127.0.0.1:${port}` });
if (name === "fill") await fill(rest);
else await consume(Number(rest));
await connection.drain();

async function fill(file: string): Promise<void> {
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: "bench", subjects: ["bench"], storage: StorageType.File });
  const stream = jetstream(connection);
  let waiting: Promise<unknown>[] = [];
  for (const line of (await Deno.readTextFile(file)).trimEnd().split("\n")) {
    waiting.push(stream.publish("bench", line));
    if (waiting.length < 1000) continue;
    await Promise.all(waiting);
    waiting = [];
  }
  await Promise.all(waiting);
}

async function consume(count: number): Promise<void> {
  const manager = await jetstreamManager(connection);
  await manager.consumers.add("bench", {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 10_000,
  });
  const consumer = await jetstream(connection).consumers.get("bench", name);
  let done = 0;
  for await (const message of await consumer.consume({ max_messages: 1000 })) {
    if (message.json<{ n?: unknown }>().n === undefined) throw new Error("no payload");
    message.ack();
    if (++done === count) break;
  }
  await connection.flush();
}
