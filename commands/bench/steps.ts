/** What `evs bench` measures: each step does its work on one topic and returns how long it took. */
import type { Clock } from "../../core/base/clock.ts";
import { EventRefusedError, type RefusalCode } from "../../core/base/errors.ts";
import type { Client } from "../../core/client/client.ts";
import { Consumer } from "../../core/client/consumer/consumer.ts";
import type { Address } from "../../core/client/client.ts";
import { countLines, openFeed } from "../../core/client/feed.ts";
import { openPort } from "../../core/client/open_consumer_port.ts";
import { Interrupted, sendLines } from "../publisher/pipeline.ts";

/** What the steps work on. */
export interface BenchPlace {
  client: Client;
  clock: Clock;
  topic: string;
  /** A payload as JSON. */
  payload: string;
  say: (text: string) => void;
  /** True once the user has interrupted it. */
  stopped: () => boolean;
}

/** How many events there were, and how long they took, ms. */
export interface Throughput {
  events: number;
  ms: number;
}

/** Lines are sent in chunks of about this size, bytes. */
const CHUNK_BYTES = 256 * 1024;

/** Publishes from a stream, as `evs publish --ndjson` does. */
export async function publishMany(place: BenchPlace, events: number): Promise<Throughput> {
  const { client, clock, topic, payload, stopped } = place;
  const line = `${payload}\n`;
  const most = Math.max(1, Math.floor(CHUNK_BYTES / line.length));
  const chunk = new TextEncoder().encode(line.repeat(most));
  let left = events;
  const connection = await client.connect();
  const began = clock.monotonic();
  const tally = await sendLines(connection, () => {
    if (stopped()) return Promise.reject(new Interrupted());
    const now = Math.min(left, most);
    left -= now;
    return Promise.resolve(now === 0 ? null : chunk.subarray(0, now * line.length));
  }, { topic, query: { type: "bench", onError: "stop" }, skip: 0, clock, onRefused: () => {} });
  if (tally.failure !== undefined) throw tally.failure;
  if (tally.stoppedAt !== undefined) {
    const { code, message } = tally.stoppedAt;
    throw new EventRefusedError(code as RefusalCode, message);
  }
  return { events: tally.count, ms: clock.monotonic() - began };
}

/** Publishes one event after another to a follower; when each was acknowledged, and when seen. */
export async function publishOnes(
  place: BenchPlace,
  events: number,
): Promise<{ published: number[]; seen: number[] }> {
  const { client, clock, topic, payload, say, stopped } = place;
  const abort = new AbortController();
  const opened = Promise.withResolvers<void>();
  let arrived = arrival();
  const { blocks } = openFeed(client, {
    query: { topic: [topic], from: "end", follow: "1" },
    clock,
    say,
    opened: opened.resolve,
    signal: abort.signal,
  });
  const following = (async () => {
    for await (const _block of blocks) arrived.resolve();
  })();
  following.catch((error) => {
    opened.reject(error);
    arrived.reject(error);
  });
  const [published, seen]: number[][] = [[], []];
  try {
    await opened.promise;
    while (published!.length < events && !stopped()) {
      arrived = arrival();
      const before = clock.monotonic();
      await client.publish(topic, payload, { query: { type: "bench" } });
      published!.push(clock.monotonic() - before);
      await arrived.promise;
      seen!.push(clock.monotonic() - before);
    }
  } finally {
    abort.abort();
    await following.catch(() => {}); // passed on above
  }
  return { published: published!, seen: seen! };
}

/** Resolves when an event is seen. It may fail before anybody waits for it. */
function arrival(): PromiseWithResolvers<void> {
  const made = Promise.withResolvers<void>();
  made.promise.catch(() => {});
  return made;
}

/** Reads all that is there, as `evs tail -n` and `evs replay` do. */
export async function readAll(
  { client, clock, topic, say, stopped }: BenchPlace,
): Promise<Throughput> {
  const { blocks } = openFeed(client, { query: { topic: [topic], from: "start" }, clock, say });
  let events = 0;
  const began = clock.monotonic();
  for await (const block of blocks) {
    events += countLines(block);
    if (stopped()) break;
  }
  return { events, ms: clock.monotonic() - began };
}

/** Consumes all that is there under a name; each event is acknowledged durably, by no handler. */
export async function consumeAll(
  { client, clock, topic, say }: BenchPlace,
  { name, address, onStart }: {
    name: string;
    address: Address;
    onStart: (consumer: Consumer) => void;
  },
): Promise<Throughput> {
  await client.putSubscription(name, { topic, from: "start" });
  const consumer = new Consumer({
    port: openPort({ socket: address, subscription: name, command: "evs bench", clock, say }),
    start: (deliveries) => ({
      kill() {},
      verdicts: Promise.resolve(deliveries.map(() => ({ kind: "ack" as const }))),
    }),
    say,
    concurrency: 4,
    batch: 500,
    marks: "ahead",
    untilEmpty: true,
    clock,
  });
  onStart(consumer);
  const began = clock.monotonic();
  const { done } = await consumer.run();
  return { events: done, ms: clock.monotonic() - began };
}

/** The value below which this share of the numbers is; 0 of none. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
