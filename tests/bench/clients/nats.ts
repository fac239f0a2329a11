/**
 * NATS JetStream: publishes lines in async batches (P3), reads a stream to stdout (P4), or reads it
 * by a pull consumer with explicit acks (P8). `nats.ts PORT publish|batches FILE|- | PORT replay
 * COUNT | PORT NAME COUNT`
 */
import {
  AckPolicy,
  jetstream,
  jetstreamManager,
  StorageType,
} from "../../packages/nats_jetstream.ts";
import { connect } from "../../packages/nats_transport.ts";

/** Publishes whose acknowledgements are waited for together. */
const BATCH = 1000;
/** A server that syncs each message alone takes seconds for a thousand, ms. */
const timeout = 120_000;

const [port = "", name = "", rest = ""] = Deno.args;
const connection = await connect({ servers: `127.0.0.1:${port}` });
if (name === "publish") await publish(rest);
else if (name === "batches") await publishBatches(rest);
else if (name === "replay") await replay(Number(rest));
else await consume(Number(rest));
await connection.drain();

async function addStream(): Promise<void> {
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: "bench",
    subjects: ["bench"],
    storage: StorageType.File,
    ...(name === "batches" ? { allow_atomic: true } : {}),
  });
}

async function publish(file: string): Promise<void> {
  await addStream();
  const stream = jetstream(connection);
  const input = file === "-" ? Deno.stdin : await Deno.open(file);
  let waiting: Promise<unknown>[] = [];
  for await (const line of linesOf(input.readable)) {
    waiting.push(stream.publish("bench", line, { timeout }));
    if (waiting.length < BATCH) continue;
    await Promise.all(waiting);
    waiting = [];
  }
  await Promise.all(waiting);
}

/** Each batch is stored as a whole or not at all, one after the other. */
async function publishBatches(file: string): Promise<void> {
  await addStream();
  const stream = jetstream(connection);
  const input = file === "-" ? Deno.stdin : await Deno.open(file);
  const store = async (lines: Uint8Array[]) => {
    const last = lines.pop();
    const first = lines.shift();
    if (last === undefined) return;
    if (first === undefined) return void await stream.publish("bench", last, { timeout });
    const batch = await stream.startBatch("bench", first, { timeout });
    for (const line of lines) batch.add("bench", line);
    const { count } = await batch.commit("bench", last, { timeout });
    if (count !== lines.length + 2) throw new Error(`${count} were stored`);
  };
  let lines: Uint8Array[] = [];
  for await (const line of linesOf(input.readable)) {
    lines.push(line);
    if (lines.length < BATCH) continue;
    await store(lines);
    lines = [];
  }
  await store(lines);
}

async function* linesOf(input: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = new Uint8Array(0);
  for await (const chunk of input) {
    const bytes = new Uint8Array(left.length + chunk.length);
    bytes.set(left);
    bytes.set(chunk, left.length);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      yield bytes.subarray(start, end);
      start = end + 1;
    }
    left = bytes.slice(start);
  }
}

async function replay(count: number): Promise<void> {
  const consumer = await jetstream(connection).consumers.get("bench");
  const out = Deno.stdout.writable.getWriter();
  const LINE_FEED = Uint8Array.of(10);
  let lines: Uint8Array[] = [];
  let done = 0;
  for await (const message of await consumer.consume({ max_messages: 1000 })) {
    lines.push(message.data, LINE_FEED);
    if (++done % BATCH === 0 || done === count) {
      await out.write(new Uint8Array(await new Blob(lines as BlobPart[]).arrayBuffer()));
      lines = [];
    }
    if (done === count) break;
  }
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
