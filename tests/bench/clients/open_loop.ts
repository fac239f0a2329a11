/**
 * P12: durable publishes at a rate that does not wait for anybody. `open_loop.ts evs|redis|nats
 * ADDRESS RATE SECONDS`; a rate of 0 finds the maximum: each sender publishes when it has its
 * answer.
 *
 * Events are due in groups, a millisecond apart. A publish is measured from the moment at which it
 * was due, also when everybody was still busy with earlier ones (no coordinated omission; Gil Tene,
 * "How NOT to Measure Latency"). Prints the rate a second and percentiles in ms.
 */
import { Client } from "../../../core/client/client.ts";
import { payload } from "../input.ts";
import { jetstream, jetstreamManager, StorageType } from "../../packages/nats_jetstream.ts";
import { connect } from "../../packages/nats_transport.ts";
import { createClient } from "../../packages/redis.ts";
import { percentiles } from "./percentiles.ts";

/** As many connections, each with one publish at a time. NATS takes all of them on one. */
const SENDERS = 64;
/** Before the figures count, seconds. */
const WARM = 2;

/** Publishes one event; resolves when it is acknowledged. */
type Send = (body: string) => Promise<unknown>;

async function evs(socket: string): Promise<Send[]> {
  const clients = Array.from({ length: SENDERS }, () => new Client({ socket }));
  await clients[0]!.createTopic("bench", {});
  return clients.map((client) => (body) =>
    client.publish("bench", body, { query: { type: "line" } })
  );
}

async function redis(path: string): Promise<Send[]> {
  const clients = Array.from(
    { length: SENDERS },
    () => createClient({ socket: { path, tls: false } }),
  );
  await Promise.all(clients.map((client) => client.connect()));
  return clients.map((client) => (p) => client.xAdd("bench", "*", { p }));
}

async function nats(port: string): Promise<Send[]> {
  const connection = await connect({ servers: `127.0.0.1:${port}` });
  const manager = await jetstreamManager(connection);
  const [found] = await manager.streams.list().next();
  if (found === undefined) {
    await manager.streams.add({ name: "bench", subjects: ["bench"], storage: StorageType.File });
  }
  const stream = jetstream(connection);
  const encoder = new TextEncoder();
  const send: Send = (body) => stream.publish("bench", encoder.encode(body), { timeout: 60_000 });
  return Array.from({ length: SENDERS }, () => send);
}

/** Each sender publishes without a pause; returns how long each publish took, ms. */
async function closedLoop(senders: readonly Send[], seconds: number): Promise<number[]> {
  const took: number[] = [];
  let n = 0;
  const began = performance.now();
  await Promise.all(senders.map(async (send) => {
    for (;;) {
      const at = performance.now();
      if (at - began > seconds * 1000) return;
      await send(payload(n++));
      took.push(performance.now() - at);
    }
  }));
  return took;
}

/** Publishes are due at the rate, whoever is free; returns how long after that each was stored, ms. */
async function openLoop(
  senders: readonly Send[],
  { rate, seconds }: { rate: number; seconds: number },
): Promise<number[]> {
  const took: number[] = [];
  const due: number[] = [];
  const idle = [...senders];
  let failure: unknown;
  const next = () => {
    while (due.length > 0 && idle.length > 0) {
      const at = due.shift()!;
      const send = idle.pop()!;
      send(payload(took.length)).then(() => {
        took.push(performance.now() - at);
        idle.push(send);
        next();
      }, (error) => failure = error);
    }
  };
  const began = performance.now();
  const all = Math.round(rate * seconds);
  for (let given = 0; took.length < all;) {
    if (failure !== undefined) throw failure;
    const tick = Math.floor(performance.now() - began);
    while (given < all && given < (rate * tick) / 1000) {
      due.push(began + Math.ceil((given / rate) * 1000));
      given++;
    }
    next();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return took;
}

const [kind = "", address = "", given = "0", length = "5"] = Deno.args;
const rate = Number(given);
const seconds = Number(length);
const senders = await { evs, redis, nats }[kind]!(address);
await closedLoop(senders, WARM);
const began = performance.now();
const took = rate === 0
  ? await closedLoop(senders, seconds)
  : await openLoop(senders, { rate, seconds });
const reached = (1000 * took.length) / (performance.now() - began);
const printed = JSON.stringify({ rate: reached, ...percentiles(Float64Array.from(took)) });
Deno.stdout.writeSync(new TextEncoder().encode(`${printed}\n`));
Deno.exit();
