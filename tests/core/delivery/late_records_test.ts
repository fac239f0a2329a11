/**
 * What happens to deliveries while the row of a retry is read from a state that is elsewhere: nobody
 * gets an event that is no longer theirs, no attempt is counted that nobody made, and a late answer
 * keeps the history of its event.
 */
import assert from "node:assert/strict";
import { EventBroker, MemoryState } from "../../../mod.ts";
import { CannotStoreError, InternalError } from "../../../core/base/errors.ts";
import type { LeaseRequest } from "../../../core/protocol/protocol.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { LateState, nextTick } from "../../helpers/late_state.ts";

const CONSUMER = { consumer: "c" };

/** A broker whose subscription `s` has so many retries that are due. */
async function withRetries(count: number, work: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = new Rig();
  const { subscriptions } = rig.broker;
  await subscriptions.put("s", { topic: "t", settings: { maxRetries: 5 } });
  for (let n = 1; n <= count; n++) await rig.broker.publish("t", "x", n, { id: `e${n}` });
  const { deliveries } = await subscriptions.lease("s", { max: count }, CONSUMER);
  const failed = deliveries.map(({ token }) => ({ lease: token, error: "first", afterMs: 0 }));
  await subscriptions.nack("s", failed);
  try {
    await work(rig);
  } finally {
    await rig.broker.close();
  }
  assert.deepEqual(rig.errors, []);
}

class Rig {
  readonly clock = new FakeClock();
  readonly errors: unknown[] = [];
  readonly state = new LateState(new MemoryState(), { turn: nextTick });
  readonly broker = new EventBroker({
    clock: this.clock,
    state: this.state,
    onError: (error) => this.errors.push(error),
  });

  get queue() {
    return this.broker.subscriptions.require("s").queue;
  }

  lease(
    more: Partial<LeaseRequest> = {},
    context: { consumer?: string; signal?: AbortSignal } = {},
  ) {
    const who = { ...CONSUMER, ...context };
    const leasing = this.broker.subscriptions.lease("s", { max: 9, ...more }, who);
    leasing.catch(() => {}); // where the test fails first, its error is the one that counts
    return leasing;
  }

  /** The attempts that a retry has behind it. */
  async attempts(id: string): Promise<number[]> {
    const row = await this.state.retry("s", "t", id);
    return row!.attempts.map(({ attempt }) => attempt);
  }
}

Deno.test("SubscriptionDriver gives a retry whose row comes late to the one who asked, once", () =>
  withRetries(2, async (rig) => {
    const held = rig.state.hold("retry");
    const first = rig.lease({ waitMs: 1000 });
    await held.until(2);
    assert.deepEqual((await rig.lease()).deliveries, [], "the other one is not given them");
    held.end();
    const { deliveries } = await first;
    assert.deepEqual(deliveries.map(({ attempt, entry }) => [entry.id, attempt]), [
      ["e1", 2],
      ["e2", 2],
    ]);
    assert.ok(deliveries.every(({ record }) => record?.attempts.length === 1));
  }));

Deno.test("SubscriptionDriver waits for a row beyond the time that a lease may wait, and gives the event then", () =>
  withRetries(1, async (rig) => {
    const held = rig.state.hold("retry");
    const leasing = rig.lease({ waitMs: 100 });
    await held.until(1);
    await rig.clock.pass(200);
    assert.equal(rig.queue.leased, 1);
    held.end();
    assert.equal((await leasing).deliveries.length, 1);
  }));

Deno.test("SubscriptionDriver releases a retry when its consumer has gone before the row has come", () =>
  withRetries(1, async (rig) => {
    const held = rig.state.hold("retry");
    const gone = new AbortController();
    const leasing = rig.lease({ waitMs: 1000 }, { signal: gone.signal });
    await held.until(1);
    gone.abort();
    assert.deepEqual((await leasing).deliveries, []);
    held.end();
    await settled();
    assert.equal(rig.queue.leased, 0);
    const { deliveries: [again] } = await rig.lease();
    assert.deepEqual([again!.attempt, again!.delivery], [2, 1]);
  }));

Deno.test("SubscriptionDriver gives nothing of a connection that closed before the row has come", () =>
  withRetries(1, async (rig) => {
    const held = rig.state.hold("retry", { most: 1 });
    const leasing = rig.lease({ waitMs: 0, bind: true }, { consumer: "a" });
    await held.until(1);
    rig.broker.subscriptions.releaseConsumer("a");
    const { deliveries: [other] } = await rig.lease({ waitMs: 1000 }, { consumer: "b" });
    held.end();
    assert.deepEqual((await leasing).deliveries, []);
    const reply = await rig.broker.subscriptions.ack("s", [other!.token]);
    assert.equal(reply.settled, 1, "it is still the other one's");
  }));

Deno.test("SubscriptionDriver counts no attempt when a lease runs out before the row has come", () =>
  withRetries(1, async (rig) => {
    const held = rig.state.hold("retry");
    const leasing = rig.lease({ waitMs: 1, leaseMs: 1000 });
    await held.until(1);
    await rig.clock.pass(2000);
    assert.equal(rig.queue.leased, 0);
    held.end();
    const { deliveries: [again] } = await leasing;
    assert.deepEqual([again!.attempt, await rig.attempts("e1")], [2, [1]]);
  }));

Deno.test("SubscriptionDriver gives out nothing after a pause, also if the row comes only then", () =>
  withRetries(1, async (rig) => {
    const held = rig.state.hold("retry");
    const leasing = rig.lease({ waitMs: 1000 });
    await held.until(1);
    await rig.broker.subscriptions.pause("s");
    held.end();
    assert.deepEqual((await leasing).deliveries, []);
    await rig.broker.subscriptions.resume("s");
    assert.equal((await rig.lease({ waitMs: 1000 })).deliveries.length, 1);
  }));

Deno.test("SubscriptionDriver does not deliver what was redacted before the row has come", () =>
  withRetries(1, async (rig) => {
    const held = rig.state.hold("retry", { most: 1 });
    const leasing = rig.lease({ waitMs: 1 });
    await held.until(1);
    await rig.broker.redact("t", 1);
    held.end();
    await rig.clock.pass(1);
    assert.deepEqual((await leasing).deliveries, []);
    assert.ok(rig.queue.drained);
  }));

Deno.test("SubscriptionDriver tells the caller when a row cannot be read, and gives the events to the next", () =>
  withRetries(2, async (rig) => {
    const held = rig.state.hold("retry");
    const leasing = rig.lease({ waitMs: 1000 });
    await held.until(2);
    held.end(new CannotStoreError("the database is away"));
    await assert.rejects(leasing, /the database is away/);
    assert.equal(rig.queue.leased, 0);
    const { deliveries } = await rig.lease();
    assert.deepEqual(deliveries.map(({ entry }) => entry.id).sort(), ["e1", "e2"]);
  }));

Deno.test("SubscriptionDriver gives the events of a row that could not be read to who waits already", () =>
  withRetries(2, async (rig) => {
    const held = rig.state.hold("retry", { most: 2 });
    const leasing = rig.lease({ waitMs: 1000 });
    await held.until(2);
    let isServed = false;
    const waiting = rig.lease({ waitMs: 1000 }).then(({ deliveries }) => {
      isServed = true;
      return deliveries;
    });
    waiting.catch(() => {}); // where the test fails first, its error is the one that counts
    held.end(new CannotStoreError("the database is away"));
    await assert.rejects(leasing, /the database is away/);
    for (let n = 0; n < 20; n++) await settled();
    assert.ok(isServed, "it is not left to wait");
    assert.deepEqual((await waiting).map(({ entry }) => entry.id).sort(), ["e1", "e2"]);
  }));

Deno.test("HandlerLeases asks again when the row of a retry could not be read, and reports that once", async () => {
  const rig = new Rig();
  const got: string[] = [];
  const subscription = rig.broker.subscribe("t", ({ id }) => {
    got.push(id);
    if (got.length === 1) throw new Error("first");
  }, { name: "h", retryDelay: 10 });
  await subscription.ready;
  await rig.broker.publish("t", "x", 1, { id: "e1" });
  while (got.length === 0 || rig.broker.subscriptions.require("h").queue.scheduled === 0) {
    await settled();
  }
  const error = new CannotStoreError("the database is away");
  for (let n = 0; n < 3; n++) {
    const held = rig.state.hold("retry", { most: 1 });
    await rig.clock.pass(1000);
    await held.until(1);
    held.end(error);
    for (let turn = 0; turn < 5; turn++) await settled();
  }
  await rig.clock.pass(1000);
  await rig.broker.idle();
  assert.deepEqual(got, ["e1", "e1"]);
  assert.deepEqual(rig.errors, [error]);
  await rig.broker.close();
});

Deno.test("Deliverable gives leases back when a row cannot be read at once either", async () => {
  class Unreadable extends MemoryState {
    fails = false;
    override retry(...args: Parameters<MemoryState["retry"]>) {
      if (this.fails) throw new InternalError("disk I/O error");
      return super.retry(...args);
    }
  }
  const state = new Unreadable();
  await using broker = new EventBroker({ clock: new FakeClock(), state });
  await broker.subscriptions.put("s", { topic: "t" });
  await broker.publish("t", "x", 1);
  const lease = () => broker.subscriptions.lease("s", { max: 9 }, CONSUMER);
  const { deliveries: [one] } = await lease();
  await broker.subscriptions.nack("s", [{ lease: one!.token, error: "no", afterMs: 0 }]);
  state.fails = true;
  await assert.rejects(lease(), /disk I\/O error/);
  state.fails = false;
  assert.equal((await lease()).deliveries.length, 1);
});

Deno.test("Committer reads the rows of all late answers, also of one that became late meanwhile", () =>
  withRetries(2, async (rig) => {
    const { subscriptions } = rig.broker;
    const { deliveries: [a] } = await rig.lease({ max: 1, bind: true }, { consumer: "a" });
    const { deliveries: [b] } = await rig.lease({ max: 1, bind: true }, { consumer: "b" });
    subscriptions.releaseConsumer("a");
    const held = rig.state.hold("retry", { most: 1 });
    const answers = [a, b].map((lease) => ({ lease: lease!.token, error: "second" }));
    const answered = subscriptions.nack("s", answers);
    await held.until(1);
    subscriptions.releaseConsumer("b");
    held.end();
    assert.equal((await answered).settled, 2);
    for (const id of ["e1", "e2"]) assert.deepEqual(await rig.attempts(id), [1, 2], id);
  }));

Deno.test("Committer refuses a late answer whose row cannot be read, and takes it again", () =>
  withRetries(1, async (rig) => {
    const { subscriptions } = rig.broker;
    const { deliveries: [one] } = await rig.lease({ bind: true }, { consumer: "a" });
    subscriptions.releaseConsumer("a");
    const held = rig.state.hold("retry");
    const answer = [{ lease: one!.token, error: "second" }];
    const refused = subscriptions.nack("s", answer);
    await held.until(1);
    held.end(new CannotStoreError("the database is away"));
    await assert.rejects(refused, /the database is away/);
    assert.equal((await subscriptions.nack("s", answer)).settled, 1);
    assert.deepEqual(await rig.attempts("e1"), [1, 2]);
  }));
