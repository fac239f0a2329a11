/**
 * A daemon, or a topic, that acknowledges before it syncs. A kill loses nothing; a power cut loses
 * the newest events and none in between, and with an interval only those of about that time.
 */
import { Client } from "../../../core/client/client.ts";
import type { Daemon, Random } from "../types.ts";
import { ask, insist } from "./calls.ts";
import type { Act, RunningScenario, Scenario, ScenarioContext } from "./scenario.ts";
import { spread } from "./scenario.ts";

const TOPIC = "clicks";
const NAME = "counter";
const POWER = "3. A power cut loses nothing acknowledged";
const KILL = "2. kill -9 loses nothing and invents nothing";
const INTERVAL_MS = 200;
/** What a sync itself may take, with others in front of it, ms. */
const SYNC_MS = 300;
const LOST = /clicks.* gone/;

function plan(random: Random): Act[] {
  const published = spread(random, {
    count: random.int(5, 25),
    act: (i) => ({ act: "publish", args: { first: 10 * i, count: random.int(1, 5) } }),
  });
  const worked = spread(random, {
    count: random.int(0, 5),
    act: () => ({ act: "work", args: { max: random.int(1, 5) } }),
  });
  const cut = spread(random, {
    count: random.int(1, 4),
    act: () => ({ act: "cut", args: { how: random.pick(["kill", "power cut"]) } }),
  });
  // What was acknowledged just before is what a cut takes.
  const before = cut.map(({ at }, i) => ({
    at: Math.max(0, at - random.pick([1, 20, 150, 400, 1500])),
    act: "publish",
    args: { first: 1000 + 10 * i, count: random.int(1, 5) },
  }));
  const durability = random.pick(["os", `interval:${INTERVAL_MS}ms`]);
  const begin = { durability, ofTopic: random.chance(0.4) };
  return [{ at: 0, act: "begin", args: begin }, ...published, ...worked, ...cut, ...before];
}

class Durabilities implements RunningScenario {
  readonly #context: ScenarioContext;
  #daemon: Daemon | undefined;
  #durability = "";
  #turn = Promise.resolve();
  /** Where each event is, and when that was confirmed; those that a power cut took are out. */
  readonly #stored = new Map<number, { seq: number; at: number }>();
  /** A power cut has taken events. */
  #hasLost = false;
  readonly #sent = new Set<number>();
  readonly #acking = new Set<number>();
  readonly #acked = new Set<number>();

  constructor(context: ScenarioContext) {
    this.#context = context;
  }

  act({ act, args }: Act): Promise<void> {
    return this.#turn = this.#turn.then(async () => {
      if (act === "begin") {
        return await this.#begin(args as { durability: string; ofTopic: boolean });
      }
      if (this.#daemon === undefined) return;
      if (act === "publish") {
        return await this.#publish(args as { first: number; count: number });
      }
      if (act === "work") return await this.#work(args["max"] as number);
      await this.#cut(args["how"] as "kill" | "power cut");
    });
  }

  /** Where its daemon is. */
  get #at(): { world: ScenarioContext["world"]; daemon: Daemon } {
    return { world: this.#context.world, daemon: this.#daemon! };
  }

  async #begin({ durability, ofTopic }: { durability: string; ofTopic: boolean }): Promise<void> {
    const { world, store } = this.#context;
    const { root } = world.machine;
    this.#durability = durability;
    this.#daemon = world.daemon({
      name: "relaxed",
      dataDir: `${root}/relaxed`,
      socket: `${root}/run/relaxed.sock`,
      store: store as "file",
      ...(ofTopic ? {} : { durability }),
    });
    await this.#start();
    await insist(
      this.#at,
      (client) => client.createTopic(TOPIC, ofTopic ? { durability: durability as "os" } : {}),
    );
    await insist(
      this.#at,
      (client) => client.putSubscription(NAME, { topic: TOPIC, from: "start" }),
    );
  }

  async #publish({ first, count }: { first: number; count: number }): Promise<void> {
    const { world } = this.#context;
    const numbers = Array.from({ length: count }, (_, i) => first + i);
    for (const n of numbers) this.#sent.add(n);
    const body = JSON.stringify(numbers.map((n) => ({ type: "t", payload: n })));
    const answer = await ask(this.#at, (client) => client.publish(TOPIC, body));
    if (answer.is !== "done") return;
    const { firstSeq, durable } = answer.value;
    if (durable) world.violated("1. Acknowledged means durable", `${this.#durability}: durable`);
    numbers.forEach((n, i) => void this.#stored.set(n, { seq: firstSeq + i, at: world.now() }));
  }

  async #work(max: number): Promise<void> {
    const leased = await ask(this.#at, (client) => client.lease(NAME, { max, waitMs: 50 }));
    if (leased.is !== "done" || leased.value.deliveries.length === 0) return;
    const { deliveries } = leased.value;
    const numbers = deliveries.map(({ event }) => (event as { payload: number }).payload);
    for (const n of numbers) this.#acking.add(n);
    const leases = deliveries.map(({ lease }) => lease);
    const answer = await ask(this.#at, (client) => client.ack(NAME, { leases }));
    if (answer.is !== "done" || answer.value.settled < leases.length) return;
    for (const n of numbers) this.#acked.add(n);
  }

  async #cut(how: "kill" | "power cut"): Promise<void> {
    const { world, daemon } = this.#context;
    const at = world.now();
    if (how === "kill") this.#daemon!.kill();
    else world.machine.powerCut();
    await this.#start();
    await daemon.start();
    await this.#look(how, at);
  }

  async #start(): Promise<void> {
    const started = await this.#daemon!.start();
    if (started !== "ready") this.#context.world.violated(KILL, `no start: ${started.said}`);
  }

  /** What is there after a cut at a moment. */
  async #look(how: "kill" | "power cut", cutAt: number): Promise<void> {
    const { world } = this.#context;
    const text = await insist(
      this.#at,
      async (client) => await (await client.read({ topic: [TOPIC] })).text(),
    );
    const events = text.split("\n").filter(Boolean).map((line) =>
      JSON.parse(line) as { payload: number; seq: number }
    );
    const promise = how === "kill" ? KILL : POWER;
    const there = new Map(events.map(({ payload, seq }) => [payload, seq]));
    for (const n of there.keys()) {
      if (!this.#sent.has(n)) world.violated(promise, `nobody sent event ${n}`);
    }
    const last = events.at(-1)?.seq ?? 0;
    for (const [n, { seq, at }] of this.#stored) {
      const is = there.get(n);
      if (is === seq) continue;
      const what = `event ${n} was ${seq}, and is ${is ?? "gone"}`;
      if (is !== undefined || how === "kill") world.violated(promise, what);
      if (seq <= last) world.violated(promise, `${what}, and ${last} is there`);
      if (this.#durability !== "os" && at < cutAt - INTERVAL_MS - SYNC_MS) {
        world.violated(promise, `${what}; it was confirmed ${cutAt - at} ms before`);
      }
      this.#stored.delete(n);
      this.#hasLost = true;
    }
    const { problems = [] } = await insist(this.#at, (client) => client.status());
    // What a consumer had acknowledged, and the disk has lost, is told until somebody accepts it.
    const unforeseen = problems.filter((one) => !this.#hasLost || !LOST.test(one));
    if (unforeseen.length > 0) world.violated(promise, unforeseen.join());
  }

  async judge(): Promise<void> {
    await this.#turn;
    if (this.#daemon === undefined) return;
    await this.#publish({ first: 5000, count: 3 });
    await this.#look("kill", 0);
    const come = new Set<number>();
    using client = new Client({ socket: this.#daemon.socket });
    for (;;) {
      const reply = await client.lease(NAME, { max: 100, waitMs: 50 });
      const { deliveries, pending, leased, scheduled } = reply;
      if (deliveries.length + pending + leased + scheduled === 0) break;
      for (const { event } of deliveries) come.add((event as { payload: number }).payload);
      const leases = deliveries.map(({ lease }) => lease);
      if (leases.length > 0) await client.ack(NAME, { leases });
    }
    for (const n of this.#stored.keys()) {
      const { world } = this.#context;
      if (!come.has(n) && !this.#acking.has(n)) {
        world.violated("5. At least once", `event ${n} did not come`);
      }
      if (come.has(n) && this.#acked.has(n)) {
        world.violated("5. At least once", `event ${n} was acknowledged, and came`);
      }
    }
    await this.#daemon.shutDown();
  }
}

export const durabilities: Scenario = {
  name: "durabilities",
  tolerates: [],
  plan,
  begin: (context) => new Durabilities(context),
};
