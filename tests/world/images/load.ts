/**
 * A load on a real daemon, and what it knows for sure: publishers of lines with ids and keys, ids
 * that come again, events for later, a topic with a limit, a consumer that acknowledges, fails and
 * gives up, and somebody who makes topics and subscriptions.
 */
import { Client } from "../../../core/client/client.ts";
import type { TestDaemon } from "../../helpers/daemon.ts";
import { randomFrom } from "../../helpers/flip.ts";

/** The topics that keep everything; the subscription is on the first. */
export const KEEPS = ["load.a", "load.b"];
/** The topic that keeps its last events. */
export const LIMITED = "load.short";
export const SUBSCRIPTION = "load";

/** What was asked, and what was confirmed. */
export class Ledger {
  /** Ids that were sent, by topic. */
  readonly sent = new Map<string, Set<string>>();
  /** Where acknowledged events are, by topic. */
  readonly stored = new Map<string, Map<string, number>>();
  /** Ids of events for later that were accepted. */
  readonly scheduled = new Set<string>();
  /** Seqs whose acknowledgement was sent, and confirmed. */
  readonly acking = new Set<number>();
  readonly acked = new Set<number>();
  /** Seqs that were given up, and confirmed to be dead letters. */
  readonly giving = new Set<number>();
  readonly dead = new Set<number>();
  /** Names of topics and subscriptions that were made. */
  readonly made = new Set<string>();

  /** As it is now: it goes on. */
  copy(): Ledger {
    return structuredCopy(this);
  }
}

function structuredCopy(ledger: Ledger): Ledger {
  return Object.assign(new Ledger(), structuredClone({ ...ledger }));
}

/** Runs until it is ended. */
export class Load {
  readonly ledger = new Ledger();
  readonly #daemon: TestDaemon;
  readonly #random: (below: number) => number;
  /** Also published to: topics that were there before. */
  readonly #topics: readonly string[];
  readonly #done: Promise<unknown>;
  #over = false;
  /** Pending while nothing new is begun. */
  #going = Promise.withResolvers<void>();
  #changed = Promise.withResolvers<void>();
  #confirmed = 0;

  constructor(daemon: TestDaemon, { seed, more = [] }: { seed: number; more?: readonly string[] }) {
    this.#daemon = daemon;
    this.#random = randomFrom(seed);
    this.#topics = [...KEEPS, ...more, LIMITED];
    this.#going.resolve();
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    using client = new Client({ socket: this.#daemon.socket });
    await client.createTopic(LIMITED, { maxEvents: 20 });
    // An image may be taken before each of them has an event.
    for (const topic of KEEPS) await client.createTopic(topic, {});
    const settings = {
      maxRetries: 1,
      backoff: { kind: "fixed", base: 20, max: 20, jitter: false },
    };
    await client.call({
      method: "PUT",
      path: `/v1/subscriptions/${SUBSCRIPTION}`,
      body: JSON.stringify({ topic: KEEPS[0], settings }),
    });
    await Promise.all([
      ...[0, 1, 2].map((n) => this.#each((own, turn) => this.#publish(own, `p${n}-${turn}`))),
      this.#each((own) => this.#consume(own)),
      this.#each((own, turn) => this.#schedule(own, `s-${turn}`)),
      this.#each((own, turn) => this.#make(own, turn)),
    ]);
  }

  /** Does something again and again, with a connection of its own. */
  async #each(act: (client: Client, turn: number) => Promise<void>): Promise<void> {
    using client = new Client({ socket: this.#daemon.socket });
    for (let turn = 0; !this.#over; turn++) {
      await this.#going.promise;
      await act(client, turn);
      this.#confirmed++;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    }
  }

  /** Resolves when `count` more things were done, or rejects when one of them failed. */
  async more(count: number): Promise<void> {
    const goal = this.#confirmed + count;
    while (this.#confirmed < goal) await Promise.race([this.#changed.promise, this.#done]);
  }

  async #publish(client: Client, name: string): Promise<void> {
    const topic = this.#topics[this.#random(this.#topics.length)]!;
    const fill = "x".repeat([10, 10, 10, 3000, 60_000][this.#random(5)]!);
    const ids = Array.from({ length: 1 + this.#random(10) }, (_, i) => `${name}-${i}`);
    // One of before, which must not be stored again. What a limit deleted is known, too.
    const before = [...this.ledger.stored.get(topic)?.keys() ?? []].at(-1 - this.#random(20));
    if (before !== undefined && this.#random(3) === 0) ids.unshift(before);
    const body = ids.map((id) =>
      `{"type":"n","id":"${id}"${this.#random(2) ? `,"key":"k${this.#random(5)}"` : ""},"payload":${
        JSON.stringify({ id, fill })
      }}\n`
    ).join("");
    for (const id of ids) ofTopic(this.ledger.sent, topic, () => new Set<string>()).add(id);
    const { events } = await client.call<{ events: { seq: number; id: string }[] }>({
      method: "POST",
      path: `/v1/topics/${topic}/events`,
      body,
      contentType: "application/x-ndjson",
    });
    const stored = ofTopic(this.ledger.stored, topic, () => new Map<string, number>());
    for (const { id, seq } of events) {
      const first = stored.get(id);
      if (first !== undefined && first !== seq) throw new Error(`${id}: ${first}, and ${seq}`);
      stored.set(id, seq);
    }
  }

  async #consume(client: Client): Promise<void> {
    const { deliveries } = await client.lease(SUBSCRIPTION, { max: 5, waitMs: 50 });
    const leased = deliveries.map(({ lease, event }) => {
      return { lease, seq: (event as { seq: number }).seq };
    });
    const failed = leased.filter(() => this.#random(6) === 0);
    const handled = leased.filter((one) => !failed.includes(one));
    if (handled.length > 0) {
      for (const { seq } of handled) this.ledger.acking.add(seq);
      const reply = await client.ack(SUBSCRIPTION, { leases: handled.map(({ lease }) => lease) });
      const lost = new Set(reply.lost);
      for (const { lease, seq } of handled) if (!lost.has(lease)) this.ledger.acked.add(seq);
    }
    if (failed.length === 0) return;
    for (const { seq } of failed) this.ledger.giving.add(seq);
    const { outcomes } = await client.nack(SUBSCRIPTION, {
      deliveries: failed.map(({ lease }) => ({
        lease,
        error: "failed",
        dead: this.#random(2) > 0,
      })),
    });
    failed.forEach(({ seq }, i) => outcomes?.[i] === "dead" && this.ledger.dead.add(seq));
  }

  async #schedule(client: Client, id: string): Promise<void> {
    const topic = KEEPS[1]!;
    ofTopic(this.ledger.sent, topic, () => new Set<string>()).add(id);
    const query = { type: "later", id, delayMs: 50 + this.#random(700) };
    await client.publish(topic, `{"id":"${id}"}`, { query });
    this.ledger.scheduled.add(id);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async #make(client: Client, turn: number): Promise<void> {
    const name = `made-${turn}`;
    if (turn % 2 === 0) await client.createTopic(name, {});
    else await client.putSubscription(name, { topic: "load.*" });
    this.ledger.made.add(name);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** Begins nothing new while `work` is under way. */
  async rest(work: () => Promise<void>): Promise<void> {
    this.#going = Promise.withResolvers();
    await work();
    this.#going.resolve();
  }

  /** Ends it; rejects if something failed. */
  async end(): Promise<void> {
    this.#over = true;
    await this.#done;
  }
}

/** What is noted of a topic. */
export function ofTopic<T>(map: Map<string, T>, topic: string, make: () => T): T {
  const there = map.get(topic);
  if (there !== undefined) return there;
  const made = make();
  map.set(topic, made);
  return made;
}
