/** `evs bench`: how fast the running daemon is, on its own disk, with its own settings. */
import { ConflictError } from "../../core/base/errors.ts";
import { compilePattern, isPattern } from "../../core/event/topic_options.ts";
import type { Client } from "../../core/client/client.ts";
import type { EvsContext } from "../cli/context.ts";
import { positive, verb } from "../cli/define.ts";
import { passSignals, signalCode } from "../terminal/signals.ts";

type BenchFlags = { events: number; singles: number; size: number };

/** One line of the result. */
interface BenchRow {
  step: string;
  events: number;
  perSecond?: number;
  p50Ms?: number;
  p99Ms?: number;
  note?: string;
}

export const route = verb<BenchFlags>({
  brief: "Measure how fast the daemon is",
  description:
    "Publishes, follows, reads and consumes events on a topic of its own in the running daemon, and removes the topic at the end, also after Ctrl-C. " +
    "fdatasync is the control: how fast the disk of the data dir syncs 4 KiB, which no durable publish can beat.\n" +
    "The events go through the daemon as others do: on a machine that does other work, it slows that work down. " +
    "If a subscription's pattern matches the topic, nothing is measured.",
  examples: [
    ["bench --events 2000 --singles 20", "A look; more events give steadier numbers."],
    [
      "bench --size 1000 --events 5000 --singles 20 | jq -c '[.step, .perSecond]'",
      "Large payloads.",
    ],
  ],
  parameters: {
    flags: {
      events: {
        kind: "parsed",
        parse: positive,
        brief: "Events to publish, read and consume",
        placeholder: "N",
        default: "100000",
      },
      singles: {
        kind: "parsed",
        parse: positive,
        brief: "Events to publish one after another",
        placeholder: "N",
        default: "500",
      },
      size: {
        kind: "parsed",
        parse: positive,
        brief: "Bytes of each payload",
        placeholder: "BYTES",
        default: "200",
      },
    },
    positional: { kind: "tuple", parameters: [] },
  },
  run: bench,
});

async function bench(this: EvsContext, flags: BenchFlags): Promise<void> {
  const client = await this.client();
  const { dataDir } = await client.status();
  const name = `evs-bench-${crypto.randomUUID().slice(0, 8)}`;
  await assertNobodyConsumes(client, name);
  let signal: Deno.Signal | undefined;
  let stopConsumer = (_signal: Deno.Signal) => {};
  const forget = passSignals((got) => {
    signal = got;
    stopConsumer(got);
  });
  try {
    await client.createTopic(name, {});
    try {
      const rows = await measure(this, {
        ...flags,
        name,
        dataDir,
        stopped: () => signal !== undefined,
        onConsumer: (stop) => stopConsumer = stop,
      });
      if (signal === undefined) await print(this, rows);
      else this.exitCode = signalCode(signal);
    } finally {
      await removeAll(client, name);
    }
  } finally {
    forget();
  }
}

/** A consumer of all topics must not get events that mean nothing. */
async function assertNobodyConsumes(client: Client, topic: string): Promise<void> {
  for (const { name, topic: pattern } of await client.subscriptions()) {
    if (!isPattern(pattern) || !compilePattern(pattern)(topic)) continue;
    throw new ConflictError(`the subscription ${name} of ${pattern} would get the events`, {
      code: "bench/consumed",
      hint: "evs with -- evs bench measures a daemon of its own",
      details: { subscription: name, pattern },
    });
  }
}

async function measure(
  context: EvsContext,
  { events, singles, size, name, dataDir, stopped, onConsumer }: BenchFlags & {
    name: string;
    dataDir: string;
    stopped: () => boolean;
    onConsumer: (stop: (signal: Deno.Signal) => void) => void;
  },
): Promise<BenchRow[]> {
  const { consumeAll, percentile, publishOnes, publishMany, readAll } = await import(
    "./steps.ts"
  );
  const { syncTimes } = await import("./disk.ts");
  const { clock } = context;
  const place = {
    client: await context.client(),
    clock,
    topic: name,
    payload: JSON.stringify("x".repeat(Math.max(0, size - 2))),
    say: (text: string) => context.say(text),
    stopped,
  };
  const latency = (step: string, times: readonly number[]): BenchRow => ({
    step,
    events: times.length,
    p50Ms: rounded(percentile(times, 0.5)),
    p99Ms: rounded(percentile(times, 0.99)),
  });
  const rate = (step: string, done: { events: number; ms: number }): BenchRow => ({
    step,
    events: done.events,
    perSecond: Math.round(done.events * 1000 / Math.max(0.001, done.ms)),
  });
  const syncs = await syncTimes(dataDir, { clock, stopped });
  const rows = [
    Array.isArray(syncs)
      ? latency("fdatasync", syncs)
      : { step: "fdatasync", events: 0, note: syncs.reason },
  ];
  const ones = await publishOnes(place, singles);
  rows.push(latency("publish one", ones.published), latency("publish to tail", ones.seen));
  rows.push(rate("publish", await publishMany(place, events)));
  rows.push(rate("read", await readAll(place)));
  if (stopped()) return rows;
  const consumed = await consumeAll(place, {
    name,
    address: context.address({ watch: false }),
    onStart: (consumer) => onConsumer((signal) => consumer.stop(signal)),
  });
  rows.push(rate("consume", consumed));
  return rows;
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

async function print(context: EvsContext, rows: readonly BenchRow[]): Promise<void> {
  await context.printRows(rows, ({ step, events, perSecond, p50Ms, p99Ms, note }) => ({
    step,
    events,
    "per second": perSecond,
    "p50 ms": p50Ms === undefined ? undefined : String(p50Ms),
    "p99 ms": p99Ms === undefined ? undefined : String(p99Ms),
    note: note ?? "",
  }));
}

/** The subscription may not have been made yet. */
async function removeAll(client: Client, name: string): Promise<void> {
  const made = (await client.subscriptions()).some((one) => one.name === name);
  if (made) await client.removeSubscription(name);
  await client.removeTopic(name);
}
