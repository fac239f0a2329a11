/**
 * Acceptance A6: acts on dead letters, retries and positions, asked at random on a node that owns
 * nothing of the subscription and on nodes that do, while consumers on two nodes handle events and
 * fail with many of them. When it is quiet, each event is in exactly one place: acknowledged, dead, or
 * removed by a person.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import { openPostgres } from "../../../core/postgres/connection.ts";
import { retryNow } from "../../../core/delivery/scheduled_retries.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { dose } from "../../helpers/dose.ts";
import { seed } from "../../helpers/seed.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

const KEYS = 40;
/** Handlers fail with so many of ten. */
const FAILING = 3;
const backoff = { kind: "fixed" as const, base: 1, max: 1, jitter: false };
const SETTINGS = { maxRetries: 1, backoff, breaker: null };

/** Numbers below 1, always the same of a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Three nodes: consumers are on the first two. */
class Rig {
  readonly url: string;
  readonly nodes: EventBroker[];
  readonly #states: PostgresState[];
  readonly random: () => number;
  readonly errors: string[] = [];
  /** How often each event was acknowledged, by `SUBSCRIPTION:SEQ`; lost answers do not count. */
  readonly acked = new Map<string, number>();
  readonly removed = new Set<string>();
  /** Handlers fail with some. */
  fails = true;
  /** Consumers end when they have what they wait for. */
  #ended = false;
  /** How many consumers have leased something, and have not been told yet what became of it. */
  #handling = 0;
  #consumers: Promise<void>[] = [];
  published = 0;

  private constructor(
    { url, nodes, states, random, errors }: {
      url: string;
      nodes: EventBroker[];
      states: PostgresState[];
      random: () => number;
      errors: string[];
    },
  ) {
    this.url = url;
    this.nodes = nodes;
    this.#states = states;
    this.random = random;
    this.errors = errors;
  }

  static async start(): Promise<Rig> {
    const url = await emptyDatabase();
    const states: PostgresState[] = [];
    const nodes: EventBroker[] = [];
    const errors: string[] = [];
    for (let n = 0; n < 3; n++) {
      const eventStore = await PostgresEventStore.open(url);
      const state = await PostgresState.open(url);
      const onError = (error: unknown, context: string) => errors.push(`${context}: ${error}`);
      states.push(state);
      nodes.push(new EventBroker({ state, eventStore, onError }));
      await nodes.at(-1)!.ready;
    }
    const rig = new Rig({ url, nodes, states, random: randomOf(seed), errors });
    const { subscriptions } = nodes[0]!;
    await subscriptions.put("s", { topic: "t", settings: SETTINGS });
    await subscriptions.put("other", { topic: "elsewhere", settings: SETTINGS });
    await until(() =>
      nodes.every((node) => node.subscriptions.has("s") && node.subscriptions.has("other"))
    );
    for (const node of nodes.slice(0, 2)) {
      for (const name of ["s", "other"]) rig.#consumers.push(rig.#consume(node, name));
    }
    return rig;
  }

  /** Which node is asked: mostly the one that owns nothing. */
  node(): EventBroker {
    return this.nodes[this.random() < 0.7 ? 2 : Math.floor(this.random() * 2)]!;
  }

  async #consume({ subscriptions }: EventBroker, name: string): Promise<void> {
    const consumer = `consumer of ${name}`;
    while (!this.#ended) {
      const { deliveries } = await subscriptions.lease(name, { max: 7, waitMs: 100 }, { consumer });
      if (deliveries.length === 0) {
        // A subscription that is paused answers at once.
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      this.#handling++;
      if (this.random() < 0.5) await new Promise((resolve) => setTimeout(resolve, 2));
      const isBad = deliveries.map(() => this.fails && this.random() * 10 < FAILING);
      const good = deliveries.filter((_, n) => !isBad[n]);
      const bad = deliveries.filter((_, n) => isBad[n]);
      const { lost } = await subscriptions.ack(name, good.map(({ token }) => token));
      for (const { token, entry: { seq } } of good) {
        const event = `${name}:${seq}`;
        if (!lost.includes(token)) this.acked.set(event, (this.acked.get(event) ?? 0) + 1);
      }
      await subscriptions.nack(name, bad.map(({ token }) => ({ lease: token, error: "no" })));
      this.#handling--;
    }
  }

  async publish(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const key = this.random() < 0.8 ? { key: `k${Math.floor(this.random() * KEYS)}` } : {};
      await this.nodes[2]!.publish("t", "x", n, key);
      this.published++;
    }
  }

  /** Resolves when nothing is left to deliver, on whichever node. */
  async quiet(): Promise<void> {
    const postgres = await openPostgres(this.url);
    try {
      for (;;) {
        const [row] = await postgres.query<{ left: string }>("read", LEFT, [this.published]);
        // The database knows it first.
        if (Number(row!.left) === 0) return await until(() => this.#handling === 0);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    } finally {
      await postgres.close();
    }
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#consumers);
    for (const node of this.nodes) await node.close();
    for (const state of this.#states) await state.close();
    await giveBack(this.url);
  }
}

/** What is to be delivered: retries, and what cursors and marks leave of the topic. */
const LEFT = `
  SELECT ((SELECT count(*) FROM evs.retries) + (
    SELECT count(*) FROM evs.events JOIN evs.topics USING (topic_id)
      LEFT JOIN evs.cursors AS own ON own.subscription = 's' AND own.topic = name
        AND own.part = slot % 16
      LEFT JOIN evs.cursors AS whole ON whole.subscription = 's' AND whole.topic = name
        AND whole.part = -1
    WHERE name = 't' AND seq <= $1::bigint AND seq >= coalesce(own.next, whole.next, 1)
      AND NOT EXISTS (SELECT 1 FROM evs.done WHERE done.subscription = 's' AND done.topic = 't'
        AND done.seq = events.seq)
  ))::text AS left`;

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** One act. Whatever is not there any more, or is of somebody else by now, is passed over. */
async function act(rig: Rig): Promise<void> {
  const node = rig.node();
  const { deadLetters, subscriptions } = node;
  const kind = Math.floor(rig.random() * 8);
  try {
    if (kind < 2) await deadLetters.retry({ all: true });
    else if (kind === 2) await deadLetters.retry({ subscription: "s", to: "other", all: true });
    else if (kind < 5) await removeOne(rig, node);
    else if (kind < 7) await retryNow(subscriptions.require("s"));
    else {
      await subscriptions.pause("s", { by: "person" });
      await rig.node().subscriptions.resume("s");
    }
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "dead-letter/not-found" && code !== "state/stale") throw error;
  }
}

async function removeOne(rig: Rig, { deadLetters }: EventBroker): Promise<void> {
  const { records } = await deadLetters.records({}, { limit: 3 });
  const record = records[Math.floor(rig.random() * records.length)];
  if (!record) return;
  const { subscription, id, seq } = record;
  const { count } = await deadLetters.remove({ ids: [`${subscription}:${id}`] });
  if (count === 1) rig.removed.add(`t:${seq}`);
}

async function actAtRandom(): Promise<void> {
  const rig = await Rig.start();
  let isOver = false;
  const publishing = rig.publish(dose(200)).finally(() => isOver = true);
  let acts = 0;
  while (!isOver || acts < dose(30) || rig.removed.size === 0) {
    await act(rig);
    acts++;
    // Whatever was dead may have been retried before anybody removed one.
    if (isOver && rig.removed.size === 0) await rig.publish(KEYS);
  }
  await publishing;
  rig.fails = false;
  await rig.quiet();
  const { records } = await rig.nodes[2]!.deadLetters.records({}, { limit: 100_000 });
  const wrong: string[] = [];
  for (let seq = 1; seq <= rig.published; seq++) {
    const places = [
      ...["s", "other"].flatMap((name) => Array(rig.acked.get(`${name}:${seq}`) ?? 0).fill(name)),
      ...records.filter((one) => one.seq === seq).map((one) => `dead in ${one.subscription}`),
      ...rig.removed.has(`t:${seq}`) ? ["removed"] : [],
    ];
    if (places.length !== 1) wrong.push(`${seq}: ${places.join(", ")}`);
  }
  assert.deepEqual(wrong, []);
  assert.ok(rig.removed.size > 0 && rig.acked.size > 0, "there was something of each");

  // All of it once more, on a node that owns nothing.
  rig.acked.clear();
  const reply = await rig.nodes[2]!.subscriptions.seek("s", { to: "start" });
  assert.equal(reply.redo, rig.published);
  await rig.quiet();
  for (let seq = 1; seq <= rig.published; seq++) assert.equal(rig.acked.get(`s:${seq}`), 1);
  assert.deepEqual(rig.errors, []);
  await rig.end();
}

Deno.test("acts on any node leave each event in exactly one place, and lose none", () =>
  actAtRandom().catch((cause) => {
    // The seed draws the same acts; what they meet is up to the database.
    throw new Error(`EVS_SEED=${seed}: ${cause}`, { cause });
  }));
