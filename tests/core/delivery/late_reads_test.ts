/**
 * A subscription whose store answers later: what happens to its queue while a page is under way. The
 * test says when each read comes.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { ClosedError, NotFoundError } from "../../../core/base/errors.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { HeldReads, LateStore } from "../../helpers/late_store.ts";

/** A broker with three events in t and a subscription s that has read nothing yet. */
class Rig {
  readonly reads = new HeldReads();
  readonly inner = new MemoryEventStore();
  readonly store = new LateStore(this.inner, this.reads.wait);
  readonly errors: unknown[] = [];
  readonly broker = new EventBroker({
    eventStore: this.store,
    onError: (error) => this.errors.push(error),
  });

  async publish(...types: string[]): Promise<void> {
    for (const type of types) await this.broker.publish("t", type, 1);
  }

  /** The seqs of a lease, and the tokens. Of one that fails, the test that waits for it gets the error. */
  lease(more: Record<string, unknown> = {}) {
    const leased = this.#lease(more);
    leased.catch(() => {});
    return leased;
  }

  async #lease(more: Record<string, unknown>) {
    const reply = await this.broker.subscriptions.lease(
      "s",
      { max: 10, waitMs: 60_000, ...more },
      { consumer: "c" },
    );
    return {
      seqs: reply.deliveries.map(({ entry }) => entry.seq),
      tokens: reply.deliveries.map(({ token }) => token),
      missed: reply.missed,
    };
  }

  seqs(more: Record<string, unknown> = {}): Promise<number[]> {
    const seqs = this.lease(more).then(({ seqs }) => seqs);
    seqs.catch(() => {});
    return seqs;
  }

  /** Nothing is under way any more that could still come in this turn. */
  async turns(): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

async function rig(body: (rig: Rig) => Promise<void>): Promise<void> {
  const made = new Rig();
  try {
    await made.publish("x", "x", "x");
    await made.broker.subscriptions.put("s", { topic: "t" });
    await body(made);
    assert.deepEqual(made.errors, []);
  } finally {
    await made.broker.close();
  }
}

/** True if the promise is not settled after some turns. */
async function isPending(rig: Rig, promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  promise.then(() => pending = false, () => pending = false);
  await rig.turns();
  return pending;
}

Deno.test("a lease that does not wait for new events waits for a page that is under way", () =>
  rig(async (r) => {
    const leased = r.seqs({ waitMs: 0 });
    const read = await r.reads.next();
    assert.equal(await isPending(r, leased), true);
    read.come();
    assert.deepEqual(await r.reads.until(leased), [1, 2, 3]);
  }));

Deno.test("a lease until the queue is empty waits for a page of which nothing is wanted", () =>
  rig(async (r) => {
    await r.broker.subscriptions.put("s", {
      topic: "t",
      update: true,
      settings: { eventTypes: ["y"] },
    });
    const leased = r.seqs({ untilEmpty: true });
    const read = await r.reads.next();
    assert.equal(await isPending(r, leased), true);
    read.come();
    assert.deepEqual(await r.reads.until(leased), []);
  }));

Deno.test("leases, commits and reading ahead share one read", () =>
  rig(async (r) => {
    const [first, second] = [r.seqs({ max: 2 }), r.seqs({ max: 2 })];
    await r.publish("x");
    await r.turns();
    assert.equal(r.reads.all.length, 1);
    (await r.reads.next()).come();
    assert.deepEqual(await r.reads.until(first), [1, 2]);
    assert.deepEqual(await r.reads.until(second), [3]);
  }));

Deno.test("events that are committed while a page is under way follow it, each once", () =>
  rig(async (r) => {
    const first = r.seqs({ max: 3 });
    const read = await r.reads.next();
    read.take();
    await r.publish("x", "x");
    await r.store.appendElsewhere({ topic: "t", events: [newEvent()] });
    read.come();
    assert.deepEqual(await r.reads.until(first), [1, 2, 3]);
    const rest = r.seqs();
    assert.deepEqual(await r.reads.until(rest), [4, 5, 6]);
  }));

Deno.test("an event that another process stored wakes a lease that waits", () =>
  rig(async (r) => {
    const first = r.lease();
    (await r.reads.next()).come();
    await r.broker.subscriptions.ack("s", (await r.reads.until(first)).tokens);
    const next = r.seqs();
    assert.equal(await isPending(r, next), true);
    await r.store.appendElsewhere({ topic: "t", events: [newEvent()] });
    assert.deepEqual(await r.reads.until(next), [4]);
  }));

Deno.test("a page from before a seek is dropped", () =>
  rig(async (r) => {
    const leased = r.seqs();
    const read = await r.reads.next();
    await r.broker.subscriptions.seek("s", { to: "3" });
    read.come();
    assert.deepEqual(await r.reads.until(leased), [3]);
  }));

Deno.test("a page from before a seek backwards is dropped, and nothing is left out", () =>
  rig(async (r) => {
    const first = r.lease();
    (await r.reads.next()).come();
    await r.broker.subscriptions.ack("s", (await r.reads.until(first)).tokens);
    await r.publish("x");
    const leased = r.seqs();
    const read = await r.reads.next();
    await r.broker.subscriptions.seek("s", { to: "2" });
    read.come();
    assert.deepEqual(await r.reads.until(leased), [2, 3, 4]);
  }));

Deno.test("a page from before a change of settings is read again", () =>
  rig(async (r) => {
    await r.publish("y");
    const leased = r.seqs();
    const read = await r.reads.next();
    read.take();
    const settings = { eventTypes: ["y"] };
    await r.broker.subscriptions.put("s", { topic: "t", update: true, settings });
    read.come();
    assert.deepEqual(await r.reads.until(leased), [4]);
  }));

Deno.test("a page from before a change of the filter is read again", () =>
  rig(async (r) => {
    const leased = r.seqs();
    const read = await r.reads.next();
    read.take();
    const settings = { where: "event.seq == 2" };
    await r.broker.subscriptions.put("s", { topic: "t", update: true, settings });
    read.come();
    assert.deepEqual(await r.reads.until(leased), [2]);
  }));

for (const taken of [true, false]) {
  const when = taken ? "after the page was read" : "before";
  Deno.test(`events that are deleted while a page is under way, ${when}, are missed`, () =>
    rig(async (r) => {
      await r.publish("x", "x");
      const leased = r.lease();
      const read = await r.reads.next();
      if (taken) read.take();
      await r.store.truncate("t", 4);
      read.come();
      const { seqs, missed } = await r.reads.until(leased);
      assert.deepEqual(seqs, [4, 5]);
      assert.deepEqual(missed, [{ topic: "t", from: 1, to: 3, count: 3 }]);
    }));
}

Deno.test("an event that is redacted while its page is under way is not delivered", () =>
  rig(async (r) => {
    const leased = r.seqs();
    const read = await r.reads.next();
    read.take();
    const redacted = r.broker.redact("t", 2);
    await r.reads.until(redacted);
    read.come();
    assert.deepEqual(await r.reads.until(leased), [1, 3]);
  }));

Deno.test("the error of a page reaches all who wait for it, and the next lease reads again", () =>
  rig(async (r) => {
    const both = [r.seqs(), r.seqs()];
    const told: unknown[] = [];
    for (const leased of both) leased.catch((error) => told.push(error));
    const error = new Error("the connection is gone");
    (await r.reads.next()).fail(error);
    await r.turns();
    assert.deepEqual(told, [error, error]);
    const again = r.seqs();
    assert.deepEqual(await r.reads.until(again), [1, 2, 3]);
  }));

Deno.test("a handler goes on when its store answers again, and the error is reported once", async () => {
  const clock = new FakeClock();
  const reads = new HeldReads();
  const errors: unknown[] = [];
  const eventStore = new LateStore(new MemoryEventStore(), reads.wait);
  const onError = (error: unknown) => errors.push(error);
  await using broker = new EventBroker({ eventStore, clock, onError });
  await broker.publish("t", "x", 1);
  const got = Promise.withResolvers<unknown>();
  broker.subscribe("t", ({ seq }) => got.resolve(seq), { from: "1" });
  const error = new ClosedError("the connection is gone");
  for (let n = 0; n < 3; n++) {
    (await reads.next()).fail(error);
    await new Promise((resolve) => setTimeout(resolve, 0));
    await clock.pass(1000);
  }
  assert.equal(await reads.until(got.promise), 1);
  assert.deepEqual(errors, [error]);
});

Deno.test("a handler ends while its store is away", async () => {
  const reads = new HeldReads();
  const eventStore = new LateStore(new MemoryEventStore(), reads.wait);
  const broker = new EventBroker({ eventStore, clock: new FakeClock(), onError: () => {} });
  await broker.publish("t", "x", 1);
  const subscription = broker.subscribe("t", () => {}, { from: "1" });
  (await reads.next()).fail(new Error("the connection is gone"));
  await new Promise((resolve) => setTimeout(resolve, 0));
  await reads.until(subscription.unsubscribe());
  await broker.close();
});

Deno.test("the error of a page that nobody waits for is reported", () =>
  rig(async (r) => {
    const abort = new AbortController();
    const leased = r.broker.subscriptions.lease(
      "s",
      { max: 1, waitMs: 60_000 },
      { consumer: "c", signal: abort.signal },
    );
    const read = await r.reads.next();
    abort.abort();
    assert.equal((await r.reads.until(leased)).deliveries.length, 0);
    const error = new Error("the connection is gone");
    read.fail(error);
    await r.turns();
    assert.deepEqual(r.errors.splice(0), [error]);
  }));

Deno.test("a page that comes after the end of its subscription is dropped", () =>
  rig(async (r) => {
    const leased = r.seqs();
    const read = await r.reads.next();
    const removed = r.broker.subscriptions.remove("s");
    await assert.rejects(leased, NotFoundError);
    await removed;
    read.come();
    await r.turns();
    assert.equal(r.broker.subscriptions.has("s"), false);
  }));

Deno.test("a broker closes while a page is under way, whether it comes or fails", async () => {
  for (const end of ["come", "fail"] as const) {
    await rig(async (r) => {
      const leased = r.seqs();
      const read = await r.reads.next();
      const closed = r.broker.close();
      await assert.rejects(leased, ClosedError);
      await closed;
      read[end](new Error("the pool is closed"));
      await r.turns();
    });
  }
});

Deno.test("a subscription is idle when a page that it does not need any more has come", () =>
  rig(async (r) => {
    void r.seqs();
    const read = await r.reads.next();
    await r.broker.subscriptions.seek("s", { to: "end" });
    const idle = r.broker.subscriptions.require("s").idle();
    assert.equal(await isPending(r, idle), true);
    read.come();
    await idle;
  }));

Deno.test("a seek by time holds for topics that change while the time is looked for", () =>
  rig(async (r) => {
    const sought = r.broker.subscriptions.seek("s", { to: "@-1h" });
    const search = await r.reads.next();
    assert.equal(search.name, "seekTime");
    await r.store.truncate("t", 2);
    await r.broker.publish("u", "x", 1);
    search.take();
    search.come();
    assert.deepEqual((await sought).topics, [{ topic: "t", from: 2, to: 2 }]);
  }));
