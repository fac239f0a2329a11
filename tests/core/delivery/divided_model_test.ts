/**
 * Three brokers divide a subscription while whatever may happen does: consumers come and go, brokers
 * are closed, or stand still while others take over and then go on, rows are changed by others, and
 * each step takes a while. In the end each event was settled once, by one of them, and events of a
 * key were delivered in order.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import type { EventBroker } from "../../../mod.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import { rowsOfParts } from "../../../core/state/part_rows.ts";
import { dose } from "../../helpers/dose.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { nextTurn } from "../../helpers/late_state.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { DividedRig, quiet, seqsOf, tokensOf } from "./divided_rig.ts";

const FILE = "tests/core/delivery/divided_model_test.ts";
const NAMES = ["a", "b", "c"];
const KEYS = 12;

/** What consumers were given, and what became of it. */
class World {
  readonly rig: DividedRig;
  readonly random: (below: number) => number;
  published = 0;
  /** The order in which the events of each key were delivered for the first time. */
  readonly delivered = new Map<number, number[]>();
  /** How often each event was settled for good. */
  readonly settled = new Map<number, number>();
  /** Leases that nobody has answered yet. */
  readonly #leases: { broker: EventBroker; lease: Lease }[] = [];
  readonly #going: Promise<unknown>[] = [];
  #incarnation = 0;

  constructor(rig: DividedRig, random: (below: number) => number) {
    this.rig = rig;
    this.random = random;
  }

  get #broker(): EventBroker {
    return this.rig.brokers.get(NAMES[this.random(NAMES.length)]!)!;
  }

  #isClosed(broker: EventBroker): boolean {
    return this.rig.isOver || ![...this.rig.brokers.values()].includes(broker);
  }

  /** Something that a broker does; it may be closed meanwhile. */
  go(broker: EventBroker, work: Promise<unknown>): void {
    this.#going.push(work.catch((error) => {
      if (!this.#isClosed(broker)) throw error;
    }));
  }

  async ended(): Promise<void> {
    await Promise.all(this.#going.splice(0));
  }

  publish(count: number): void {
    const broker = this.#broker;
    for (let left = count; left > 0; left--) {
      const n = this.published++;
      this.go(broker, broker.publish("t", "x", n, { key: `k${n % KEYS}`, id: `e${n}` }));
    }
  }

  lease(broker: EventBroker = this.#broker, max = 1 + this.random(20)): void {
    const waitMs = this.random(2) * 500;
    const leasing = this.rig.lease(broker, {
      max,
      waitMs,
      leaseMs: 60_000,
      bind: true,
      consumer: { id: `run-${this.random(3)}` },
    });
    this.go(
      broker,
      leasing.then((leases) => {
        for (const lease of leases) {
          this.#deliver(lease);
          if (!this.#isClosed(broker)) this.#leases.push({ broker, lease });
        }
      }),
    );
  }

  #deliver({ entry }: Lease): void {
    const key = Number(entry.key!.slice(1));
    const before = this.delivered.get(key) ?? [];
    if (!before.includes(entry.seq)) before.push(entry.seq);
    this.delivered.set(key, before);
  }

  /** Answers some of what is leased, all in one request: of this broker, or of any. */
  settle(most = 12, of?: EventBroker): void {
    const first = this.#leases.find(({ broker }) => !of || broker === of);
    if (!first) return;
    const { broker } = first;
    const mine = this.#leases.filter((one) => one.broker === broker).slice(0, most);
    for (const one of mine) this.#leases.splice(this.#leases.indexOf(one), 1);
    const leases = mine.map(({ lease }) => lease);
    const how = this.random(6);
    if (how > 1) this.go(broker, this.#ack(broker, leases));
    else this.go(broker, this.#nack(broker, leases, how === 0));
  }

  async #ack(broker: EventBroker, leases: readonly Lease[]): Promise<void> {
    const { lost } = await broker.subscriptions.ack("s", tokensOf(leases));
    this.#count(leases.filter(({ token }) => !lost.includes(token)));
  }

  async #nack(broker: EventBroker, leases: readonly Lease[], dead: boolean): Promise<void> {
    const items = leases.map(({ token }) => ({ lease: token, error: "no", dead, afterMs: 0 }));
    const { outcomes } = await broker.subscriptions.nack("s", items);
    this.#count(leases.filter((_, i) => outcomes![i] === "dead"));
  }

  #count(leases: readonly Lease[]): void {
    for (const { entry: { seq } } of leases) {
      this.settled.set(seq, (this.settled.get(seq) ?? 0) + 1);
    }
  }

  /** Handlers begin with some of what is leased, and most of the time their consumer goes away. */
  begin(): void {
    const first = this.#leases[this.random(this.#leases.length || 1)];
    if (!first) return;
    const { broker, lease: { token } } = first;
    const beginning = broker.subscriptions.begin("s", { leases: [token] }, { consumer: "c" });
    this.go(broker, beginning);
    if (this.random(4) > 0) broker.subscriptions.releaseConsumer("c");
  }

  /** A broker stands still, or goes on. */
  toggle(): void {
    const { claims } = this.rig.shared;
    const name = NAMES[this.random(NAMES.length)]!;
    if (claims.isSilent(this.#node(name))) claims.hear(this.#node(name));
    else claims.silence(this.#node(name));
  }

  /** A broker stands still until another one has what it had, and then goes on where it was. */
  async overtake(): Promise<void> {
    const [late, next] = [this.random(3), 1 + this.random(2)];
    const [one, other] = [NAMES[late]!, NAMES[(late + next) % 3]!];
    const broker = this.rig.brokers.get(one)!;
    const { claims } = this.rig.shared;
    this.lease(broker);
    await quiet();
    claims.silence(this.#node(one));
    if (this.random(2) === 0) this.settle(12, broker); // its commit may be under way
    this.lease(this.rig.brokers.get(other)!, 1000);
    for (let turns = this.random(40); turns > 0; turns--) await nextTurn();
    this.settle(12, broker);
    for (let turns = this.random(20); turns > 0; turns--) await nextTurn();
    if (this.random(2) === 0) this.settle(1000, this.rig.brokers.get(other)!);
    this.settle(12, broker);
    if (this.random(2) === 0) claims.hear(this.#node(one));
  }

  readonly #nodes = new Map(NAMES.map((name) => [name, name]));
  #node(name: string): string {
    return this.#nodes.get(name)!;
  }

  /** A broker is closed, and another one starts in its place. */
  restart(): void {
    const name = NAMES[this.random(NAMES.length)]!;
    const old = this.rig.brokers.get(name)!;
    this.rig.shared.claims.hear(this.#node(name));
    for (const one of this.#leases.splice(0)) if (one.broker !== old) this.#leases.push(one);
    this.#nodes.set(name, `${name}${++this.#incarnation}`);
    this.go(this.rig.begin(name, this.#node(name)), old.close());
  }

  async drain(): Promise<void> {
    for (const name of NAMES) this.rig.shared.claims.hear(this.#node(name));
    await quiet();
    await this.rig.clock.pass(600);
    // No consumer waits any more. One that waits for nothing new may wait for what others have.
    let isOver = false;
    const ended = this.ended().finally(() => isOver = true);
    while (!isOver) {
      while (this.#leases.length > 0) this.settle(1000);
      await quiet();
    }
    await ended;
    for (let round = 0; this.settled.size < this.published; round++) {
      assert.ok(round < 100, `${this.settled.size} of ${this.published} are settled`);
      for (const name of NAMES) this.lease(this.rig.brokers.get(name)!, 1000);
      await quiet();
      while (this.#leases.length > 0) this.settle(1000);
      await this.rig.clock.pass(600);
      await this.ended();
    }
  }
}

const ACTS: ((world: World) => void | Promise<void>)[] = [
  (world) => world.publish(1 + world.random(20)),
  (world) => world.publish(1 + world.random(20)),
  (world) => world.lease(),
  (world) => world.lease(),
  (world) => world.lease(),
  (world) => world.settle(),
  (world) => world.settle(),
  (world) => world.settle(),
  (world) => world.begin(),
  (world) => world.overtake(),
  (world) => world.overtake(),
  (world) => world.toggle(),
  (world) => world.restart(),
  (world) => world.rig.shared.claims.change("s"),
  (world) => world.rig.shared.claims.seize("s"),
  (world) => world.rig.clock.pass(world.random(2500)),
];

function assertInOrder(world: World): void {
  for (const [key, seqs] of world.delivered) {
    assert.deepEqual(seqs, seqs.toSorted((a, b) => a - b), `k${key}`);
  }
}

/**
 * No owner has an event left that nobody settles, and whoever takes all over gets none of them again.
 * A cursor of parts that nobody has had since may stand before events of other parts.
 */
async function assertPassed({ rig, published }: World): Promise<void> {
  for (const broker of rig.brokers.values()) {
    const queue = rig.queue(broker);
    for (const lane of queue.lanes) assert.equal(queue.cursorOf(lane), lane.readNext);
    await broker.close();
  }
  rig.brokers.clear();
  const last = await rig.add("last");
  assert.deepEqual(seqsOf(await rig.lease(last)), []);
  await last.subscriptions.require("s").flush();
  const parts = Array.from({ length: 16 }, (_, part) => part);
  const { cursors, done } = rowsOfParts(rig.shared.rows(), { subscription: "s", parts });
  assert.deepEqual(cursors.map(({ next }) => next), [published + 1]);
  assert.deepEqual(done, []);
}

Deno.test("each event is settled once, whatever happens to the brokers that share it out", () =>
  assertSeeded(
    fc.asyncProperty(
      fc.integer(),
      fc.array(fc.nat(ACTS.length - 1), { minLength: 5, maxLength: 40 }),
      async (seed, acts) => {
        await using rig = await DividedRig.start({
          settings: { maxRetries: 1000, maxDeliveries: 1000 },
        });
        await rig.add("c");
        const random = randomFrom(seed);
        const world = new World(rig, random);
        rig.shared.turns = () => random(4);
        for (const act of acts) {
          await ACTS[act]!(world);
          for (let turns = random(6); turns > 0; turns--) await nextTurn();
        }
        await world.drain();
        for (const [seq, times] of world.settled) assert.equal(times, 1, `event ${seq}`);
        assertInOrder(world);
        assert.deepEqual(rig.shared.rows().retries, []);
        await assertPassed(world);
      },
    ),
    { numRuns: dose(15), file: FILE },
  ));
