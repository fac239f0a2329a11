/**
 * The clients of a daemon during a soak: publishers, a tail, a consumer, and one that changes
 * schemas. Each continues across restarts like the real clients, checks what it receives as it
 * arrives, and keeps only numbers, so that its own memory stays flat, too.
 */
import { Client } from "../../core/client/client.ts";
import { isGone } from "../../core/client/consumer/port.ts";
import { openFeed } from "../../core/client/feed.ts";
import { systemClock } from "../../core/base/clock.ts";
import { EvsError } from "../../core/base/errors.ts";

/** What the actors share. */
export interface Stage {
  socket: string;
  signal: AbortSignal;
  ledger: Ledger;
}

/** What is known of the events, by numbers alone. */
export class Ledger {
  /** The last `n` that was acknowledged, by publisher. */
  readonly acknowledged: number[];
  /** The last `n` that the consumer and the tail have seen, by publisher. */
  readonly consumed: number[];
  readonly tailed: number[];
  /** The last seq that the tail has seen. */
  lastSeq = 0;
  /** Deliveries and lines that had been seen before. */
  repeats = 0;
  deadLettered = 0;
  schemaChanges = 0;
  refused = 0;
  /** Descriptions of what must never happen. */
  readonly losses: string[] = [];
  /** How long each publish took since the last look, ms. */
  waits: number[] = [];

  constructor(publishers: number) {
    this.acknowledged = Array(publishers).fill(0);
    this.consumed = Array(publishers).fill(0);
    this.tailed = Array(publishers).fill(0);
  }

  /** Notes that somebody saw event `n` of a publisher; the one before must have been seen. */
  see(seen: number[], { p, n }: { p: number; n: number }, who: string): void {
    if (n <= seen[p]!) this.repeats++;
    else if (n === seen[p]! + 1) seen[p] = n;
    else {
      this.losses.push(`${who} saw ${p}-${n} behind ${p}-${seen[p]}`);
      seen[p] = n;
    }
  }
}

const TOPIC = "soak.events";
const TYPE = "soak.tick";
/** Events of one publish, and the pause behind it, ms. */
const BATCH = 10;
const PAUSE = 15;
/** The consumer's handler permanently refuses one in this many events. */
const DEAD_EVERY = 997;
const KEPT_EVENTS = 50_000;
/** Keys of one publisher: a consumer is given one event of a key at a time. */
const KEYS = 16;
/**
 * No publisher is further ahead of the consumer than this, events: how fast a machine is decides
 * nothing.
 */
const MOST_AHEAD = KEPT_EVENTS / 16;
const FILLER = "x".repeat(120);

/** Makes the topic and the subscription. */
export async function prepare(socket: string): Promise<void> {
  using client = new Client({ socket });
  await client.createTopic(TOPIC, { maxEvents: KEPT_EVENTS });
  await client.registerSchema(TYPE, schemaOf(1), { version: "1.0" });
  await client.putSubscription("soak", { topic: TOPIC, from: "start" });
}

/** Publishes numbered events in arrays, each again until it is acknowledged. */
export async function publishOn(stage: Stage, p: number): Promise<void> {
  using client = new Client({ socket: stage.socket });
  for (let n = 1; !stage.signal.aborted; n += BATCH) {
    const events = Array.from({ length: BATCH }, (_, i) => ({
      id: `${p}-${n + i}`,
      type: TYPE,
      key: `${p}-${(n + i) % KEYS}`,
      payload: { p, n: n + i, filler: FILLER },
    }));
    const began = performance.now();
    // To the end even when the soak is over: what is sent once is sent until it is answered.
    await again(() => client.publish(TOPIC, JSON.stringify(events)));
    stage.ledger.waits.push(performance.now() - began);
    const { acknowledged, consumed } = stage.ledger;
    acknowledged[p] = n + BATCH - 1;
    do await pause(PAUSE); while (
      acknowledged[p] - consumed[p]! > MOST_AHEAD && !stage.signal.aborted
    );
  }
}

/** Follows the topic from its beginning. */
export async function tailOn(stage: Stage): Promise<void> {
  using client = new Client({ socket: stage.socket });
  const { ledger, signal } = stage;
  const feed = openFeed(client, {
    query: { topic: [TOPIC], follow: "1", from: "start" },
    clock: systemClock,
    say: () => {}, // that the daemon comes and goes is the point
    signal,
  });
  const decoder = new TextDecoder();
  try {
    for await (const block of feed.blocks) {
      for (const line of decoder.decode(block).trimEnd().split("\n")) {
        const { seq, payload } = JSON.parse(line);
        if (seq !== ledger.lastSeq + 1) {
          ledger.losses.push(`the tail saw seq ${seq} behind ${ledger.lastSeq}`);
        }
        ledger.lastSeq = seq;
        ledger.see(ledger.tailed, payload, "the tail");
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/**
 * Consumes: acknowledges, and dead-letters now and then. Continues after the end until everything
 * is consumed.
 */
export async function consumeOn(stage: Stage, done: () => boolean): Promise<void> {
  using client = new Client({ socket: stage.socket });
  const { ledger } = stage;
  while (!done()) {
    await again(async () => {
      const { deliveries } = await client.lease("soak", { max: 200, waitMs: 1000, bind: true });
      const good: string[] = [];
      const bad: string[] = [];
      for (const { lease, event } of deliveries) {
        const { payload } = event as { payload: { p: number; n: number } };
        ledger.see(ledger.consumed, payload, "the consumer");
        (payload.n % DEAD_EVERY === 0 ? bad : good).push(lease);
      }
      if (good.length > 0) await client.ack("soak", { leases: good });
      if (bad.length === 0) return;
      ledger.deadLettered += bad.length;
      await client.nack("soak", {
        deliveries: bad.map((lease) => ({ lease, error: "the soak says no", dead: true })),
      });
    });
  }
}

/**
 * Registers a new version, publishes what it refuses, takes the version before away, empties the
 * dead letters.
 */
export async function changeOn(stage: Stage, everyMs: number): Promise<void> {
  using client = new Client({ socket: stage.socket });
  for (let version = 2; !stage.signal.aborted; version++) {
    await pause(everyMs, stage.signal);
    await again(() =>
      client.registerSchema(TYPE, schemaOf(version), {
        version: `${version}.0`,
        compatibility: "none",
      })
    );
    stage.ledger.schemaChanges++;
    await again(async () => {
      try {
        await client.publish(TOPIC, JSON.stringify({ type: TYPE, payload: { p: "no number" } }));
        stage.ledger.losses.push("an event that its schema refuses was stored");
      } catch (error) {
        if (!(error instanceof EvsError) || error.code !== "event/schema-violation") throw error;
        stage.ledger.refused++;
      }
    });
    if (version > 3) {
      await again(() => removed(client.removeSchema(TYPE, `${version - 2}.0`)));
    }
    await again(() => client.removeDeadLetters({ subscription: "soak" }));
  }
}

/** A removal that is asked for again because its answer was lost finds nothing there. */
async function removed(removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!(error instanceof EvsError) || error.code !== "schema/not-found") throw error;
  }
}

function schemaOf(version: number): string {
  return JSON.stringify({
    type: "object",
    properties: { p: { type: "integer" }, n: { type: "integer" }, filler: { type: "string" } },
    required: ["p", "n"],
    description: `version ${version}`,
  });
}

/** Does it until the daemon is there to answer. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isGone(error)) throw error;
      await pause(20);
    }
  }
}

/** Waits; less when the signal is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done, { once: true });
  });
}
