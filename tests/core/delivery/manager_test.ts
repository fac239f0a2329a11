/** Subscriptions: created, listed, leased from, paused, sought and removed. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import {
  CannotStoreError,
  ClosedError,
  ConflictError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../core/base/errors.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { WatchedState } from "../../helpers/watched_state.ts";

class Rig {
  clock = new FakeClock();
  state = new WatchedState();
  store = new MemoryEventStore();
  broker = this.open();
  errors: unknown[] = [];

  open(): EventBroker {
    return new EventBroker({
      clock: this.clock,
      state: this.state,
      eventStore: this.store,
      random: () => 0.5,
      onError: (error) => this.errors.push(error),
    });
  }

  async publish(count: number, options: { key?: string; topic?: string } = {}): Promise<void> {
    const { topic = "t", ...rest } = options;
    for (let i = 0; i < count; i++) await this.broker.publish(topic, "x", i, rest);
  }

  lease(max = 10, more: Record<string, unknown> = {}) {
    return this.broker.subscriptions.lease("s", { max, ...more }, { consumer: "c" });
  }

  async seqs(max = 10): Promise<number[]> {
    const { deliveries } = await this.lease(max);
    return deliveries.map(({ line }) => JSON.parse(new TextDecoder().decode(line)).seq);
  }
}

const fixed = { backoff: { kind: "fixed" as const, base: 1000, max: 1000, jitter: false } };

async function rig(body: (rig: Rig) => Promise<void>): Promise<void> {
  const made = new Rig();
  try {
    await body(made);
  } finally {
    await made.broker.close();
  }
}

Deno.test("SubscriptionManager.release gives events back in their order when their consumer waits for more", () =>
  rig(async (r) => {
    const { broker } = r;
    await broker.subscriptions.put("s", { topic: "t" });
    await r.publish(4);
    // As a raw client, told by its connection; and as ours, which has one for each purpose.
    for (const consumer of [undefined, { id: "one" }]) {
      const ask = (max: number, connection: string, more: Record<string, unknown> = {}) =>
        broker.subscriptions.lease("s", { max, ...(consumer && { consumer }), ...more }, {
          consumer: connection,
        });
      const { deliveries } = await ask(4, "c");
      const waiting = ask(10, "c", { waitMs: 60_000 });
      const tokens = deliveries.map(({ token }) => token);
      assert.deepEqual(await broker.subscriptions.release("s", tokens), { settled: 4, lost: [] });
      const answer = await waiting;
      assert.deepEqual([answer.deliveries, answer.pending], [[], 4]);
      const next = await broker.subscriptions.lease("s", { max: 10 }, { consumer: "other" });
      assert.deepEqual(next.deliveries.map(({ entry }) => entry.seq), [1, 2, 3, 4]);
      await broker.subscriptions.release("s", next.deliveries.map(({ token }) => token));
    }
  }));

Deno.test("SubscriptionManager.release leaves others waiting, who are given what comes back", () =>
  rig(async (r) => {
    const { broker } = r;
    await broker.subscriptions.put("s", { topic: "t" });
    await r.publish(1);
    const { deliveries } = await broker.subscriptions.lease("s", { max: 1 }, { consumer: "a" });
    const waiting = broker.subscriptions.lease("s", { max: 1, waitMs: 60_000 }, { consumer: "b" });
    await broker.subscriptions.release("s", [deliveries[0]!.token]);
    assert.deepEqual((await waiting).deliveries.map(({ entry }) => entry.seq), [1]);
  }));

Deno.test("SubscriptionManager.put makes a subscription once, and tells what differs", () =>
  rig(async ({ broker }) => {
    const made = await broker.subscriptions.put("s", { topic: "t", settings: { maxRetries: 1 } });
    assert.equal(made.created, true);
    const again = await broker.subscriptions.put("s", { topic: "t", settings: { maxRetries: 5 } });
    assert.deepEqual([again.created, again.differs, again.settings.maxRetries], [false, [
      "maxRetries",
    ], 1]);
    const updated = await broker.subscriptions.put("s", {
      topic: "t",
      settings: { maxRetries: 5 },
      update: true,
    });
    assert.deepEqual([updated.differs, updated.settings.maxRetries], [undefined, 5]);
    await assert.rejects(broker.subscriptions.put("s", { topic: "other" }), ConflictError);
    await assert.rejects(
      broker.subscriptions.put("p", { topic: "t.*", from: "7" }),
      InvalidArgumentError,
    );
    await assert.rejects(
      broker.subscriptions.put("p", { topic: "t", settings: { where: "((" } }),
      InvalidArgumentError,
    );
    assert.throws(() => broker.subscriptions.info("x"), NotFoundError);
  }));

Deno.test("SubscriptionManager.put makes one of two that come at once", () =>
  rig(async ({ broker }) => {
    const made = await Promise.all([1, 2].map(() => broker.subscriptions.put("s", { topic: "t" })));
    assert.deepEqual(made.map(({ created }) => created), [true, false]);
  }));

Deno.test("SubscriptionManager begins where it was told: start, end, a seq, the last N", () =>
  rig(async (r) => {
    await r.publish(5);
    for (
      const [from, next] of [["start", 1], ["end", 6], ["3", 3], ["-2", 4], ["99", 6]] as const
    ) {
      const info = await r.broker.subscriptions.put(`s${next}${from}`.replace("-", "m"), {
        topic: "t",
        from,
      });
      assert.equal(info.cursors[0]!.next, next, from);
    }
  }));

Deno.test("SubscriptionManager.lease waits for an event, and answers when the wait is over", () =>
  rig(async (r) => {
    await r.broker.subscriptions.put("s", { topic: "t" });
    const waiting = r.lease(10, { waitMs: 5000 });
    await r.publish(1);
    assert.equal((await waiting).deliveries.length, 1);
    const late = r.lease(10, { waitMs: 5000 });
    await r.clock.pass(5000);
    assert.deepEqual((await late).deliveries, []);
    const controller = new AbortController();
    const aborted = r.broker.subscriptions.lease("s", { waitMs: 5000 }, {
      consumer: "c",
      signal: controller.signal,
    });
    controller.abort();
    assert.deepEqual((await aborted).deliveries, []);
  }));

Deno.test("SubscriptionManager.lease answers at once when nothing is left and untilEmpty is asked", () =>
  rig(async (r) => {
    await r.publish(1);
    await r.broker.subscriptions.put("s", { topic: "t", settings: fixed });
    const { deliveries: [delivery] } = await r.lease(1);
    let answered = false;
    const waiting = r.lease(1, { waitMs: 60_000, untilEmpty: true }).then((result) => {
      answered = true;
      return result;
    });
    await settled();
    assert.equal(answered, false, "one is leased");
    await r.broker.subscriptions.nack("s", [{ lease: delivery!.token, error: "no" }]);
    await settled();
    assert.equal(answered, false, "one is scheduled");
    await r.clock.pass(1000);
    const { deliveries: [again], ...rest } = await waiting;
    assert.equal(again!.attempt, 2);
    assert.deepEqual(rest, { paused: false, pending: 0, leased: 1, scheduled: 0 });
    const last = r.lease(1, { waitMs: 60_000, untilEmpty: true });
    await r.broker.subscriptions.ack("s", [again!.token]);
    assert.deepEqual((await last).deliveries, []);
  }));

Deno.test("SubscriptionManager commits acks that arrive together as one", () =>
  rig(async (r) => {
    await r.publish(10);
    await r.broker.subscriptions.put("s", { topic: "t" });
    const { deliveries } = await r.lease(10);
    r.state.commits = [];
    const replies = await Promise.all(
      deliveries.map(({ token }) => r.broker.subscriptions.ack("s", [token])),
    );
    assert.equal(r.state.commits.length, 1);
    assert.deepEqual(replies[0], { settled: 1, lost: [] });
    assert.deepEqual(await r.broker.subscriptions.ack("s", [deliveries[0]!.token]), {
      settled: 0,
      lost: [deliveries[0]!.token],
    });
  }));

Deno.test("SubscriptionManager.ack rejects when the state does, and the lease stays", () =>
  rig(async (r) => {
    await r.publish(1);
    await r.broker.subscriptions.put("s", { topic: "t" });
    const { deliveries: [delivery] } = await r.lease();
    r.state.refuses = true;
    await assert.rejects(r.broker.subscriptions.ack("s", [delivery!.token]), CannotStoreError);
    assert.equal((await r.broker.subscriptions.info("s")).leased, 1);
    r.state.refuses = false;
    assert.equal((await r.broker.subscriptions.ack("s", [delivery!.token])).settled, 1);
  }));

Deno.test("SubscriptionManager tries a lease that ran out again, though the first commit is refused", () =>
  rig(async (r) => {
    await r.publish(1);
    await r.broker.subscriptions.put("s", { topic: "t", settings: { ...fixed, maxRetries: 0 } });
    await r.lease(1, { leaseMs: 1000 });
    r.state.refuses = true;
    await r.clock.pass(1000);
    assert.equal(r.errors.length, 1);
    r.state.refuses = false;
    await r.clock.pass(1000);
    const [record] = await r.broker.deadLetters.show((await r.store.getEvents("t"))[0]!.id);
    assert.equal(record!.attempts[0]!.outcome, "expired");
    assert.equal((await r.broker.subscriptions.info("s")).dead, 1);
  }));

Deno.test("SubscriptionManager runs its timers by monotonic time, whatever the wall clock does", () =>
  rig(async (r) => {
    await r.publish(1);
    await r.broker.subscriptions.put("s", { topic: "t", settings: fixed });
    const { deliveries: [first] } = await r.lease(1, { leaseMs: 10_000 });
    r.clock.jump(86_400_000);
    await r.clock.pass(9000);
    assert.equal(
      (await r.broker.subscriptions.extend("s", { leases: [first!.token], leaseMs: 10_000 }))
        .settled,
      1,
    );
    r.clock.jump(-2 * 86_400_000);
    await r.clock.pass(9000);
    await r.broker.subscriptions.nack("s", [{ lease: first!.token, error: "no" }]);
    r.clock.jump(-86_400_000);
    assert.deepEqual(await r.seqs(), []);
    await r.clock.pass(1000);
    assert.deepEqual(await r.seqs(), [1]);
  }));

Deno.test("SubscriptionManager gives bound leases back when the consumer goes", () =>
  rig(async (r) => {
    await r.publish(2);
    await r.broker.subscriptions.put("s", { topic: "t" });
    await r.lease(1, { bind: true });
    await r.lease(1);
    r.broker.subscriptions.releaseConsumer("c");
    const { deliveries } = await r.lease();
    assert.deepEqual(deliveries.map(({ attempt }) => attempt), [1]);
  }));

Deno.test("SubscriptionManager.lease answers at once when it may not wait, paused or not, throughPause or not", () =>
  rig(async (r) => {
    await r.publish(1);
    await r.broker.subscriptions.put("s", { topic: "t" });
    await r.broker.subscriptions.pause("s", { by: "person" });
    const asked = [{}, { throughPause: true }, { throughPause: true, untilEmpty: true }];
    const answered: unknown[] = [];
    for (const request of asked) {
      void r.lease(1, request).then(({ paused, deliveries }) => answered.push(paused, deliveries));
    }
    await settled();
    assert.deepEqual(answered, [true, [], true, [], true, []]);
  }));

Deno.test("SubscriptionManager hands out nothing while paused, and tells the reason", () =>
  rig(async (r) => {
    await r.publish(1);
    await r.broker.subscriptions.put("s", { topic: "t" });
    await r.broker.subscriptions.pause("s", { reason: "cannot run", by: "command" });
    const { paused, pauseReason, deliveries } = await r.lease(1, { waitMs: 1000 });
    assert.deepEqual([paused, pauseReason, deliveries], [true, "cannot run", []]);
    await r.broker.close();
    r.broker = r.open();
    assert.equal((await r.broker.subscriptions.info("s")).pauseReason, "cannot run");
    await r.broker.subscriptions.put("s", { topic: "t", resume: true });
    assert.deepEqual(await r.seqs(), [1]);
  }));

Deno.test("SubscriptionManager goes on after a restart with cursors, marks, retries and attempts", () =>
  rig(async (r) => {
    await r.publish(4);
    await r.broker.subscriptions.put("s", { topic: "t", settings: fixed });
    const { deliveries } = await r.lease();
    await r.broker.subscriptions.ack("s", [deliveries[1]!.token]);
    await r.broker.subscriptions.nack("s", [{
      lease: deliveries[2]!.token,
      error: "no",
      exitCode: 1,
    }]);
    r.broker = r.open();
    const info = await r.broker.subscriptions.info("s");
    assert.deepEqual([info.cursors[0]!.next, info.pending, info.scheduled, info.leased], [
      1,
      2,
      1,
      0,
    ]);
    assert.deepEqual(await r.seqs(), [1, 4]);
    await r.clock.pass(1000);
    const again = await r.lease();
    assert.deepEqual(again.deliveries.map(({ attempt }) => attempt), [2]);
  }));

Deno.test("SubscriptionManager takes a cursor back to the end of a store that lost events", () =>
  rig(async (r) => {
    await r.publish(5);
    await r.broker.subscriptions.put("s", { topic: "t", from: "end" });
    r.store = new MemoryEventStore();
    r.broker = r.open();
    await r.publish(2);
    assert.deepEqual(await r.seqs(), [1, 2]);
    assert.equal(r.state.load().cursors[0]!.next, 1);
  }));

Deno.test("SubscriptionManager.seek moves the cursor, and tells what a dry run would do", () =>
  rig(async (r) => {
    await r.publish(5);
    await r.broker.subscriptions.put("s", { topic: "t" });
    const { deliveries } = await r.lease(3);
    await r.broker.subscriptions.ack("s", deliveries.map(({ token }) => token));
    const dry = await r.broker.subscriptions.seek("s", { to: "2", dryRun: true });
    assert.deepEqual(dry, {
      dryRun: true,
      redo: 2,
      skip: 0,
      topics: [{ topic: "t", from: 4, to: 2 }],
    });
    assert.deepEqual(await r.seqs(1), [4]);
    await r.broker.subscriptions.seek("s", { to: "2" });
    assert.deepEqual(await r.seqs(), [2, 3, 5]);
    const end = await r.broker.subscriptions.seek("s", { to: "end" });
    assert.deepEqual([end.redo, end.skip], [0, 4]);
    assert.deepEqual(await r.seqs(), []);
    assert.equal((await r.broker.subscriptions.info("s")).pending, 0);
  }));

Deno.test("SubscriptionManager counts filtered events as done, without a commit for each", () =>
  rig(async (r) => {
    await r.broker.subscriptions.put("s", { topic: "t", settings: { eventTypes: ["y"] } });
    await r.publish(2000);
    await r.broker.publish("t", "y", 1);
    r.state.commits = [];
    assert.deepEqual((await r.lease(1, { waitMs: 1 })).deliveries.length, 1);
    await r.clock.pass(1000);
    assert.equal(r.state.commits.length, 1);
    assert.equal(r.state.load().cursors[0]!.next, 2001);
  }));

Deno.test("SubscriptionManager reads its events anew when the filter is changed", () =>
  rig(async (r) => {
    await r.broker.subscriptions.put("s", { topic: "t", settings: { where: "payload == 0" } });
    await r.publish(3);
    assert.deepEqual(await r.seqs(1), [1]);
    await r.publish(3);
    await r.broker.subscriptions.put("s", {
      topic: "t",
      settings: { where: "payload == 2" },
      update: true,
    });
    assert.deepEqual((await r.lease(10, { waitMs: 1 })).deliveries.length, 1);
  }));

Deno.test("SubscriptionManager uses a changed filter for what was read already and is not leased", () =>
  rig(async (r) => {
    await r.broker.subscriptions.put("s", { topic: "t" });
    await r.publish(3);
    assert.deepEqual(await r.seqs(1), [1]);
    assert.equal(r.broker.subscriptions.require("s").queue.ready.buffered, 2);
    const settings = { eventTypes: ["y"] };
    await r.broker.subscriptions.put("s", { topic: "t", settings, update: true });
    assert.deepEqual(await r.seqs(), []);
    const { pending, leased } = await r.broker.subscriptions.info("s");
    assert.deepEqual([pending, leased], [0, 1]);
  }));

Deno.test("SubscriptionManager.remove ends those who wait, and the dead letters stay", () =>
  rig(async (r) => {
    await r.publish(1);
    await r.broker.subscriptions.put("s", { topic: "t", settings: { maxRetries: 0 } });
    const { deliveries: [delivery] } = await r.lease();
    await r.broker.subscriptions.nack("s", [{ lease: delivery!.token, error: "no" }]);
    const waiting = assert.rejects(r.lease(1, { waitMs: 1000 }), NotFoundError);
    await r.broker.subscriptions.remove("s");
    await waiting;
    assert.throws(() => r.broker.subscriptions.info("s"), NotFoundError);
    assert.equal(await r.broker.deadLetters.count(), 1);
    assert.deepEqual(r.state.load().cursors, []);
  }));

Deno.test("SubscriptionManager tells who waits when the broker closes", () =>
  rig(async (r) => {
    await r.broker.subscriptions.put("s", { topic: "t" });
    const waiting = assert.rejects(r.lease(1, { waitMs: 1000 }), ClosedError);
    await r.broker.close();
    await waiting;
    assert.equal(r.clock.timers, 0, "no timer is left");
  }));

Deno.test("SubscriptionManager looks ahead a window, not the whole topic", () =>
  rig(async (r) => {
    await r.publish(3000, { key: "k" });
    await r.broker.subscriptions.put("s", { topic: "t" });
    assert.deepEqual(await r.seqs(10), [1], "one of the key at a time");
    const { buffered } = r.broker.subscriptions.require("s").queue.ready;
    assert.ok(buffered <= 1500, `${buffered} at hand`);
  }));

Deno.test("SubscriptionManager looks ahead few bytes when the events are large", () =>
  rig(async (r) => {
    const payload = "x".repeat(100_000);
    for (let n = 0; n < 100; n++) await r.broker.publish("t", "x", payload, { key: "k" });
    await r.broker.subscriptions.put("s", { topic: "t" });
    assert.deepEqual(await r.seqs(1000), [1]);
    // Whoever asks again gets nothing while the first one of the key is leased.
    for (let i = 0; i < 4; i++) assert.deepEqual(await r.seqs(1000), []);
    const { bufferedBytes } = r.broker.subscriptions.require("s").queue.ready;
    assert.ok(bufferedBytes < 7_000_000, `${bufferedBytes} bytes at hand`);
  }));

Deno.test("SubscriptionManager keeps nothing more once the state failed for good", () =>
  rig(async (r) => {
    await r.publish(2);
    await r.broker.subscriptions.put("s", { topic: "t" });
    const { deliveries: [first, second] } = await r.lease(2);
    r.state.breaks = true;
    await assert.rejects(r.broker.subscriptions.ack("s", [first!.token]), /the state failed/);
    r.state.breaks = false;
    await assert.rejects(r.broker.subscriptions.ack("s", [second!.token]), /the state failed/);
    assert.match(String(await r.broker.failure), /fsync/);
    assert.equal(r.state.load().cursors[0]!.next, 1);
  }));

Deno.test("SubscriptionManager stores what was skipped when it closes, without waiting for more", () =>
  rig(async (r) => {
    await r.broker.subscriptions.put("s", { topic: "t", settings: { eventTypes: ["y"] } });
    await r.publish(3);
    assert.deepEqual(await r.seqs(), []);
    assert.deepEqual(r.state.load().cursors, [], "only memory knows it");
    await r.broker.close();
    assert.equal(r.state.load().cursors[0]!.next, 4);
    r.broker = r.open();
  }));

/** A state in which pauses take until they are let through. */
class SlowPauses extends WatchedState {
  readonly pausing = Promise.withResolvers<void>();
  readonly #through = Promise.withResolvers<void>();

  letThrough(): void {
    this.#through.resolve();
  }

  override async commit(changes: readonly StateChange[]): Promise<void> {
    if (changes.some((change) => change.op === "subscription.put" && change.record.paused)) {
      this.pausing.resolve();
      await this.#through.promise;
    }
    await super.commit(changes);
  }
}

Deno.test("SubscriptionManager delivers nothing from the failure that trips the breaker on, and goes on when it is resumed", async () => {
  const state = new SlowPauses();
  await using broker = new EventBroker({ state });
  for (let i = 0; i < 3; i++) await broker.publish("t", "x", i);
  const settings = { breaker: { failing: 1, window: 1 }, ...fixed };
  await broker.subscriptions.put("s", { topic: "t", settings });
  const lease = async () =>
    (await broker.subscriptions.lease("s", { max: 1 }, { consumer: "c" })).deliveries;
  const [first] = await lease();
  await broker.subscriptions.nack("s", [{ lease: first!.token, error: "no" }]);
  await state.pausing.promise;
  assert.equal((await broker.subscriptions.info("s")).paused, false, "its pause is not stored yet");
  assert.deepEqual(await lease(), []);
  state.letThrough();
  await settled();
  const { paused, pauseReason } = await broker.subscriptions.info("s");
  assert.deepEqual([paused, pauseReason], [true, "1 of the last 1 attempts failed"]);
  await broker.subscriptions.resume("s");
  assert.deepEqual((await lease()).map(({ entry }) => entry.seq), [2]);
});
