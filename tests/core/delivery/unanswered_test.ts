/** How deliveries that end without an answer are counted, kept, and forgotten. */
import assert from "node:assert/strict";
import {
  countAfter,
  countsAtStart,
  openDeliveries,
  OWN_PROCESS,
  ReturnedLeases,
} from "../../../core/delivery/unanswered.ts";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { settled } from "../../helpers/fake_clock.ts";
import { WatchedState } from "../../helpers/watched_state.ts";
import { Bench } from "./queue_bench.ts";

Deno.test("countAfter counts each end, none that may not have begun, and a suspect's first one with its second", () => {
  const now = { soon: false };
  const soon = { soon: true };
  assert.deepEqual([undefined, 1, 2].map((before) => countAfter(before, now)), [1, 2, 3]);
  assert.deepEqual([undefined, 0, 3].map((before) => countAfter(before, soon)), [0, 0, 3]);
  assert.equal(countAfter(0, now), 2);
});

Deno.test("openDeliveries are those of an earlier process that were not answered", () => {
  const event = (id: string, seq: number, attempt: number) => ({ topic: "t", id, seq, attempt });
  const events = [
    event(" 3", 3, 1), // before the cursor
    event(" 5", 5, 1),
    event(" 6", 6, 1), // done
    event("a", 1, 2),
    event("b", 2, 1), // has failed since
    event("c", 9, 2), // has no row any more
  ];
  const retry = (id: string, seq: number, nextAttempt: number) => ({
    subscription: "s",
    topic: "t",
    seq,
    id,
    type: "x",
    dueAt: 0,
    waitMs: 0,
    nextAttempt,
    failures: 1,
  });
  const open = openDeliveries([{ subscription: "s", consumer: "c", events }], {
    cursors: [{ subscription: "s", topic: "t", next: 5 }],
    done: [{ subscription: "s", topic: "t", seq: 6 }],
    retries: [retry("a", 1, 2), retry("b", 2, 2)],
  });
  assert.deepEqual(open.map(({ id, consumer }) => [id, consumer]), [[" 5", "c"], ["a", "c"]]);
});

Deno.test("countsAtStart counts what this process had begun, and waits for what others say", () => {
  const open = (consumer: string, seq: number) => ({
    topic: "t",
    id: ` ${seq}`,
    seq,
    attempt: 1,
    consumer,
    soon: false,
  });
  const known = { subscription: "s", topic: "t", id: " 1", seq: 1, count: 4 };
  const { unanswered, changes } = countsAtStart("s", {
    unanswered: [known],
    open: [open(`${OWN_PROCESS}1`, 1), open("other:2", 2)],
  });
  assert.deepEqual(unanswered, [{ ...known, count: 5 }]);
  assert.deepEqual(changes, [{ op: "unanswered.put", record: { ...known, count: 5 } }]);
});

Deno.test("ReturnedLeases knows a lease until it is answered, or its event is settled, or many came since", () => {
  const bench = new Bench();
  for (let i = 0; i < 2; i++) bench.publish(undefined);
  bench.feed(2);
  bench.lease(2);
  const [one, two] = bench.leases;
  const returned = new ReturnedLeases();
  for (const lease of [one!, two!]) returned.add(lease);
  assert.equal(returned.get(one!.token), one);
  assert.equal(returned.take(one!.token), one);
  assert.equal(returned.take(one!.token), undefined);
  bench.settle([{ lease: two!.token, ack: true }]);
  assert.equal(returned.take(two!.token), undefined);
});

const tokens = (leases: readonly Lease[]) => leases.map(({ token }) => token);

/** A broker with one event, and a consumer that leases it by its connection and begins. */
class Rig {
  readonly state = new WatchedState();
  readonly eventStore = new MemoryEventStore();
  broker = new EventBroker({ state: this.state, eventStore: this.eventStore });

  async publish(settings: Record<string, unknown> = {}): Promise<void> {
    await this.broker.publish("t", "x", 1);
    await this.broker.subscriptions.put("s", { topic: "t", settings });
  }

  /** Each time as another consumer: the same one would go on with what it had. */
  async begin(pid = 1): Promise<Lease[]> {
    const { subscriptions } = this.broker;
    const request = { max: 1, bind: true, consumer: { id: `worker ${pid}`, pid } };
    const { deliveries } = await subscriptions.lease("s", request, { consumer: "connection" });
    await subscriptions.begin("s", { leases: tokens(deliveries) }, { consumer: "connection" });
    return deliveries;
  }

  /** The connection closes; resolves when that is durable. */
  async gone(isOrdered = false): Promise<void> {
    this.broker.subscriptions.releaseConsumer("connection", { isOrdered });
    await settled();
  }

  /** What another consumer would get. */
  async next(): Promise<Lease | undefined> {
    const request = { consumer: { id: "other", pid: 99 } };
    const { deliveries } = await this.broker.subscriptions.lease("s", request, { consumer: "o" });
    return deliveries[0];
  }
}

Deno.test("SubscriptionManager counts a delivery whose connection is gone, durably, and dead-letters after maxDeliveries", async () => {
  const rig = new Rig();
  await rig.publish({ maxDeliveries: 3 });
  for (const delivery of [1, 2]) {
    assert.equal((await rig.begin(delivery))[0]!.delivery, delivery);
    await rig.gone();
    assert.deepEqual(rig.state.load().unanswered.map(({ count }) => count), [delivery]);
  }
  await rig.broker.close();
  rig.broker = new EventBroker({ state: rig.state, eventStore: rig.eventStore });
  const [third] = await rig.begin(3);
  assert.deepEqual([third!.delivery, third!.attempt], [3, 1]);
  await rig.gone();
  assert.equal(await rig.next(), undefined);
  const [dead] = await rig.broker.getDeadLetterQueue().getEvents();
  assert.equal(dead?.error, "ended 3 times without an answer");
  assert.deepEqual(rig.state.load().unanswered, [], "an answer of its own");
  await rig.broker.close();
});

Deno.test("SubscriptionManager counts nothing when the daemon shuts down in order", async () => {
  const rig = new Rig();
  await rig.publish();
  await rig.begin();
  await rig.gone(true);
  assert.deepEqual(rig.state.load().unanswered, []);
  assert.equal((await rig.next())!.delivery, 1);
  await rig.broker.close();
});

Deno.test("SubscriptionManager forgets the count when the event is answered, even by a late answer", async () => {
  const rig = new Rig();
  await rig.publish({ backoff: { kind: "fixed", base: 0, max: 0, jitter: false } });
  const lost = await rig.begin();
  await rig.gone();
  assert.equal(rig.state.load().unanswered.length, 1);
  const reply = await rig.broker.subscriptions.nack("s", [{ lease: lost[0]!.token, error: "no" }]);
  assert.deepEqual(reply.outcomes, ["retry"]);
  assert.deepEqual(rig.state.load().unanswered, []);
  const again = await rig.next();
  assert.deepEqual([again!.attempt, again!.delivery], [2, 1]);
  await rig.broker.close();
});

Deno.test("SubscriptionManager counts a failure once that comes for two lost leases", async () => {
  for (const order of ["in order", "the newer first"] as const) {
    const rig = new Rig();
    await rig.publish({
      backoff: { kind: "fixed", base: 0, max: 0, jitter: false },
      maxRetries: 1,
    });
    const lost: string[] = [];
    for (let n = 0; n < 2; n++) {
      lost.push(...tokens(await rig.begin()));
      await rig.gone();
    }
    if (order === "the newer first") lost.reverse();
    const outcomes = [];
    for (const lease of lost) {
      const reply = await rig.broker.subscriptions.nack("s", [{ lease, error: "no" }]);
      outcomes.push(...reply.outcomes!);
    }
    assert.deepEqual(outcomes, ["retry", "lost"], order);
    assert.equal((await rig.next())!.attempt, 2, order);
    await rig.broker.close();
  }
});

Deno.test("SubscriptionManager takes an acknowledgement of a lost lease after a failure of another", async () => {
  const rig = new Rig();
  await rig.publish();
  const lost: string[] = [];
  for (let n = 0; n < 2; n++) {
    lost.push(...tokens(await rig.begin()));
    await rig.gone();
  }
  await rig.broker.subscriptions.nack("s", [{ lease: lost[0]!, error: "no" }]);
  const reply = await rig.broker.subscriptions.ack("s", [lost[1]!]);
  assert.deepEqual(reply, { settled: 1, lost: [] });
  assert.equal((await rig.broker.subscriptions.info("s")).pending, 0);
  await rig.broker.close();
});

Deno.test("SubscriptionManager takes a late answer again that could not be stored, and delivers the event meanwhile", async () => {
  for (const again of ["ack", "lease"] as const) {
    const rig = new Rig();
    await rig.publish();
    const { subscriptions } = rig.broker;
    const lost = tokens(await rig.begin());
    await rig.gone();
    rig.state.refuses = true;
    await assert.rejects(subscriptions.ack("s", lost), CannotStoreError);
    rig.state.refuses = false;
    const { leased, pending } = await subscriptions.info("s");
    assert.deepEqual([leased, pending], [0, 1], "nobody has it");
    if (again === "lease") assert.equal((await rig.next())!.entry.seq, 1);
    assert.deepEqual(await subscriptions.ack("s", lost), { settled: 1, lost: [] });
    assert.equal((await subscriptions.info("s")).pending, 0);
    await rig.broker.close();
  }
});
