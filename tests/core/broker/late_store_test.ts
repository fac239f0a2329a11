/**
 * A broker whose store answers later does all that one does whose store answers at once; and other
 * processes may store events in it.
 */
import assert from "node:assert/strict";
import { EventBroker, type JournalStore, MemoryEventStore, Projection } from "../../../mod.ts";
import { EventSourcedRepository } from "../../../mod.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { inSomeTurns, LateStore } from "../../helpers/late_store.ts";
import { Account } from "../sourcing/account.ts";

const HOUR = 3_600_000;

/** What one broker does and tells, from one step to the next. */
async function story(store: JournalStore, clock: FakeClock): Promise<unknown[]> {
  const told: unknown[] = [];
  const errors: unknown[] = [];
  const broker = new EventBroker({
    eventStore: store,
    clock,
    random: () => 0.5,
    onError: (error) => errors.push(error),
  });
  const publish = (n: number, key?: string) =>
    broker.publish("orders", n % 2 ? "odd" : "even", n, { id: `id-${n}`, ...key && { key } });
  for (let n = 1; n <= 5; n++) await publish(n, n < 4 ? "k" : undefined);
  await clock.pass(2 * HOUR);
  for (let n = 6; n <= 9; n++) await publish(n);
  await deliveries(broker, told);
  await streams(broker, told);
  await acts(broker, told, clock);
  await sourcing(broker, told);
  const { topics, subscriptions } = await broker.stats();
  told.push(topics.map(({ name, events, lastSeq }) => [name, events, lastSeq]));
  told.push(subscriptions.map(({ name, pending }) => [name, pending]));
  await broker.close();
  assert.deepEqual(errors, []);
  return told;
}

/** The payloads of subscriptions' events; only those of a key have an order. */
async function deliveries(broker: EventBroker, told: unknown[]): Promise<void> {
  for (const from of ["start", "4", "-2", "@-1h", "end"]) {
    const got: unknown[] = [];
    const subscription = broker.subscribe("orders", (event) => void got.push(event.payload), {
      from,
      eventTypes: ["odd"],
    });
    await broker.publish("orders", "odd", `after ${from}`);
    await broker.idle();
    told.push([from, got.toSorted()]);
    assert.equal((await subscription.info()).pending, 0);
    await subscription.unsubscribe();
  }
  const named: unknown[] = [];
  const failing = broker.subscribe("orders", ({ payload }) => {
    named.push(payload);
    if (payload === 3) throw new Error("three");
  }, { name: "named", maxRetries: 0 });
  await failing.ready;
  await broker.idle();
  await broker.retryDeadLetter("id-3");
  await broker.idle();
  told.push(["named", named.toSorted()]);
  told.push(await broker.subscriptions.seek("named", { to: "@-1h", dryRun: true }));
  await failing.unsubscribe();
}

async function streams(broker: EventBroker, told: unknown[]): Promise<void> {
  const options = [{ from: "start" }, { from: "-3", eventTypes: ["even"] }, { lastPerKey: true }, {
    from: "@-1h",
    where: "event.seq > 7",
  }];
  for (const [i, some] of options.entries()) {
    await using stream = broker.stream("orders", some);
    await stream.ready;
    await broker.publish("orders", "even", `end ${i}`);
    const got: unknown[] = [];
    for await (const { payload } of stream) {
      got.push(payload);
      if (payload === `end ${i}`) break;
    }
    told.push(got);
  }
}

async function acts(broker: EventBroker, told: unknown[], clock: FakeClock): Promise<void> {
  told.push((await broker.getNewest("orders", "k"))?.payload);
  told.push(await broker.getNewest("orders", "none"));
  const { deadLetters } = await broker.redact("orders", "id-2");
  told.push(deadLetters, (await broker.redact("orders", 3)).seq);
  told.push((await broker.getNewest("orders", "k"))?.seq);
  await broker.publish("orders", "even", "later", { id: "id-1", schedule: { delayMs: HOUR } });
  await broker.publish("orders", "even", "later", { id: "scheduled", schedule: { delayMs: HOUR } });
  await clock.pass(HOUR);
  await broker.idle();
  const { lastSeq } = broker.store.head("orders");
  const page = await broker.store.readPage("orders", { from: lastSeq, to: lastSeq, limit: 1 });
  told.push(page.events.map(({ id }) => id));
  broker.createTopic("small", { maxBytes: 30 });
  for (let n = 0; n < 10; n++) await broker.publish("small", "x", "0123456789");
  told.push(await broker.retain());
}

async function sourcing(broker: EventBroker, told: unknown[]): Promise<void> {
  const accounts = new EventSourcedRepository<Account>((id) => new Account(id), { broker });
  for (let n = 1; n <= 3; n++) await accounts.update("a", (account) => account.deposit(n));
  told.push((await accounts.getById("a"))?.getState());
  const count = new Projection({
    name: "count",
    topic: "**",
    initial: { odd: 0 },
    on: { odd: (state) => void state.odd++ },
  }, { broker });
  await count.catchUp();
  told.push(count.state, count.checkpoint);
  await count.rebuild().catch((error) => told.push(error.message));
}

Deno.test("EventBroker tells the same whether its store answers at once or later", async () => {
  const clock = new FakeClock();
  const expected = await story(new MemoryEventStore({ clock }), clock);
  for (const seed of [1, 2, 3]) {
    const clock = new FakeClock();
    const turn = () => new Promise<void>((resolve) => void setImmediate(() => resolve()));
    const late = inSomeTurns(randomFrom(seed), { turn });
    const told = await story(new LateStore(new MemoryEventStore({ clock }), late), clock);
    assert.deepEqual(told, expected);
  }
});

Deno.test("subscriptions, streams and projections get what another process stores", async () => {
  const late = inSomeTurns(randomFrom(5));
  const store = new LateStore(new MemoryEventStore(), late);
  await using broker = new EventBroker({ eventStore: store });
  await broker.publish("t", "x", 1);
  const got = Promise.withResolvers<unknown>();
  const seqs: unknown[] = [];
  broker.subscribe("t", ({ seq, type }) => {
    seqs.push(seq);
    if (type === "last") got.resolve(seqs);
  }, { from: "start" });
  const stream = broker.stream("t");
  const counted = new Projection({
    name: "count",
    topic: "t",
    initial: { events: 0 },
    on: { last: (state) => void state.events++ },
  }, { broker });
  await using _following = await counted.follow();
  await store.appendElsewhere({ topic: "t", events: [newEvent(), newEvent({ type: "last" })] });
  assert.deepEqual(await got.promise, [1, 2, 3]);
  assert.equal((await stream.next()).value?.seq, 2);
  assert.equal((await stream.next()).value?.seq, 3);
  while (counted.state.events === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(broker.meters.of("t")?.lastSeq, 3);
});

Deno.test("what another process stored is counted once, however often it is told", async () => {
  const store = new LateStore(new MemoryEventStore(), (read) => read.come());
  const told: ((appended: { topic: string; firstSeq: number; lastSeq: number }) => void)[] = [];
  store.onAppended = (listener) => (told.push(listener), () => {});
  const clock = new FakeClock();
  await using broker = new EventBroker({ eventStore: store, clock });
  await broker.publish("t", "x", 1);
  for (const lastSeq of [1, 3, 2, 3, 5]) told[0]!({ topic: "t", firstSeq: 1, lastSeq });
  const meter = broker.meters.of("t")!;
  assert.equal(Math.round(meter.rates(clock.monotonic()).last1m * 60), 5, "of the last minute");
  assert.equal(meter.published, 1, "its own");
});

/** Heads that are as old as the last `refresh`, as of a store that several processes share. */
class SharedStore extends LateStore {
  readonly #known = new Map<string, ReturnType<LateStore["head"]>>();
  refreshes = 0;

  override head(topic: string) {
    return this.#known.get(topic) ?? super.head("nothing");
  }

  refresh(topics: readonly string[] = this.topics()): Promise<void> {
    this.refreshes++;
    for (const topic of topics) this.#known.set(topic, super.head(topic));
    return Promise.resolve();
  }
}

Deno.test("exact answers come after a refresh of what this process knows", async () => {
  const store = new SharedStore(new MemoryEventStore(), (read) => read.come());
  await using broker = new EventBroker({ eventStore: store });
  const elsewhere = (count: number) =>
    store.inner.append([{ topic: "t", events: Array.from({ length: count }, () => newEvent()) }]);
  broker.createTopic("t", { maxEvents: 5 });
  await elsewhere(3);
  assert.equal(store.head("t").lastSeq, 0, "nobody has told");
  await broker.subscriptions.put("s", { topic: "t", from: "end" });
  assert.equal((await broker.subscriptions.info("s")).cursors[0]?.next, 4);
  await elsewhere(1);
  const { topics } = await broker.subscriptions.seek("s", { to: "end", dryRun: true });
  assert.deepEqual(topics, [{ topic: "t", from: 4, to: 5 }]);
  await elsewhere(1);
  const lease = { max: 10, waitMs: 0 };
  const { deliveries } = await broker.subscriptions.lease("s", lease, { consumer: "c" });
  assert.deepEqual(deliveries.map(({ entry }) => entry.seq), [4, 5]);
  await elsewhere(3);
  assert.deepEqual(await broker.retain(), [{ topic: "t", removed: 3 }]);
  await store.inner.append([{ topic: "t", events: [newEvent({ key: "k" })] }]);
  assert.equal((await broker.getNewest("t", "k"))?.seq, 9);
  assert.equal((await broker.stats()).topics[0]?.lastSeq, 9);
});
