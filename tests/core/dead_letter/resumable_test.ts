/**
 * An action on many dead letters that a full disk refuses midway: it says exactly what was done and
 * what was not, and goes on from there.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { StateChange } from "../../../core/state/state.ts";

/** A state with room for so many dead letters, and no transaction of more than `most`. */
class SmallState extends MemoryState {
  room = Infinity;
  most = Infinity;

  override commit(changes: readonly StateChange[]): Promise<void> {
    const size = changes.reduce(
      (sum, change) =>
        sum +
        (change.op === "dead.retry" ? change.ids.length : change.op === "dead.remove" ? 1 : 0),
      0,
    );
    if (size > this.most || size > this.room) {
      return Promise.reject(
        new CannotStoreError("the disk is full", { code: "store/disk-full" }),
      );
    }
    this.room -= size;
    return super.commit(changes);
  }
}

const COUNT = 300;

/** A broker with 300 dead letters of two subscriptions each. */
async function withDeadLetters(): Promise<
  { broker: EventBroker; state: SmallState; ids: string[] }
> {
  const state = new SmallState();
  const broker = new EventBroker({ state });
  for (const name of ["a", "b"]) {
    await broker.subscriptions.put(name, { topic: "t", settings: { maxRetries: 0 } });
  }
  const events = await Promise.all(
    Array.from({ length: COUNT }, (_, n) => broker.publish("t", "x", n)),
  );
  for (const name of ["a", "b"]) {
    const { deliveries } = await broker.subscriptions.lease(name, { max: COUNT }, {
      consumer: "c",
    });
    await broker.subscriptions.nack(
      name,
      deliveries.map(({ token }) => ({ lease: token, error: "exit 1" })),
    );
  }
  assert.equal(await broker.deadLetters.count(), 2 * COUNT);
  return { broker, state, ids: events.map(({ id }) => id) };
}

async function refusal(work: Promise<unknown>): Promise<CannotStoreError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof CannotStoreError, String(error));
    assert.equal(error.code, "store/disk-full");
    return error;
  }
  assert.fail("it was not refused");
}

for (const action of ["retry", "remove"] as const) {
  const done = action === "retry" ? "retried" : "removed";

  Deno.test(`DeadLetters.${action} says what was done and what was not when it is refused midway`, async () => {
    const { broker, state, ids } = await withDeadLetters();
    await using _broker = broker;
    state.most = 100;
    // Whole at first: nothing of it was done.
    assert.equal((await refusal(broker.deadLetters[action]({ ids }))).message, "the disk is full");
    assert.equal(await broker.deadLetters.count(), 2 * COUNT);
    state.room = 150;
    const { message, details, hint } = await refusal(broker.deadLetters[action]({ ids }));
    assert.equal(
      message,
      `no room for all of it: 150 of 600 dead letters were ${done}, the others are as they were`,
    );
    assert.match(hint!, /name those that are left/);
    assert.deepEqual([details!["done"], details!["count"]], [150, 600]);
    const counts = details!["bySubscription"] as Record<string, number>;
    assert.equal(Object.values(counts).reduce((sum, count) => sum + count), 150);
    assert.equal(await broker.deadLetters.count(), 450);
    // Exactly those ids of which something is left.
    const { records } = await broker.deadLetters.records({}, { limit: 1000 });
    const left = new Set(records.map(({ id }) => id));
    assert.deepEqual(details!["left"], ids.filter((id) => left.has(id)));
    for (const name of ["a", "b"]) {
      const own = records.filter(({ subscription }) => subscription === name).length;
      assert.equal(counts[name] ?? 0, COUNT - own, name);
    }
    // They can be named as they are.
    state.room = Infinity;
    const reply = await broker.deadLetters[action]({ ids: details!["left"] as string[] });
    assert.equal(reply.count, 450);
    assert.equal(await broker.deadLetters.count(), 0);
    await assertWaiting(broker, action === "retry" ? COUNT : 0);
  });

  Deno.test(`DeadLetters.${action} goes on when it is run again after it was refused midway`, async () => {
    const { broker, state, ids } = await withDeadLetters();
    await using _broker = broker;
    const running = await broker.deadLetters[action === "retry" ? "retrying" : "removing"]({ ids });
    state.most = 50;
    state.room = 50;
    await refusal(running.run());
    for (let left = 600; left > 50; left -= 50) {
      const { details } = await refusal(running.run());
      assert.equal(details!["done"], 650 - left);
      assert.equal(await broker.deadLetters.count(), left - 50);
      state.room = 50;
    }
    assert.deepEqual(await running.run(), {
      count: 600,
      dryRun: false,
      bySubscription: { a: COUNT, b: COUNT },
    });
    assert.equal(await broker.deadLetters.count(), 0);
    await assertWaiting(broker, action === "retry" ? COUNT : 0);
  });
}

/** So many wait to be delivered again to each, every event once. */
async function assertWaiting(broker: EventBroker, count: number): Promise<void> {
  for (const name of ["a", "b"]) {
    const { deliveries } = await broker.subscriptions.lease(name, { max: 1000 }, { consumer: "c" });
    const payloads = deliveries.map(({ line }) =>
      JSON.parse(new TextDecoder().decode(line)).payload
    );
    assert.deepEqual(
      payloads.toSorted((a, b) => a - b),
      Array.from({ length: count }, (_, n) => n),
    );
  }
}

Deno.test("DeadLetters.retry says by filter to do the same again when it is refused midway", async () => {
  const { broker, state } = await withDeadLetters();
  await using _broker = broker;
  state.most = 100;
  await refusal(broker.deadLetters.retry({ subscription: "b" }));
  state.room = 64;
  const { details, hint } = await refusal(broker.deadLetters.retry({ subscription: "b" }));
  assert.deepEqual([details!["done"], details!["count"], details!["left"]], [64, 300, undefined]);
  assert.match(hint!, /the same again/);
  state.room = Infinity;
  assert.equal((await broker.deadLetters.retry({ subscription: "b" })).count, 236);
});
