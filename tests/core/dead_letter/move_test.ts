/** Acts on dead letters of several subscriptions that cross each other. */
import assert from "node:assert/strict";
import { holdingAll, moveDeadLetters, removeDeadLetters } from "../../../core/dead_letter/move.ts";
import { redeliveryOf } from "../../../core/delivery/redeliver.ts";
import type { SubscriptionManager } from "../../../core/delivery/manager.ts";
import { CannotStoreError, EventBroker, MemoryState } from "../../../mod.ts";
import { settled } from "../../helpers/fake_clock.ts";

async function withSubscriptions(
  names: readonly string[],
  work: (subscriptions: SubscriptionManager) => Promise<void>,
): Promise<void> {
  const broker = new EventBroker();
  for (const name of names) await broker.subscriptions.put(name, { topic: "t" });
  await work(broker.subscriptions);
  // Not if that failed: closing waits for acts that wait for each other.
  await broker.close();
}

/** Lets everything run that needs nothing else. */
async function run(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await settled();
}

Deno.test("holdingAll lets one act after the other run when they name the same subscriptions in another order", () =>
  withSubscriptions(["a", "b", "c"], async (subscriptions) => {
    const done: string[] = [];
    const act = (name: string, names: string[]) =>
      holdingAll(names, subscriptions, async () => {
        await settled();
        done.push(name);
      });
    const acts = [act("first", ["a", "b"]), act("second", ["b", "a"]), act("third", ["c", "b"])];
    await run();
    assert.deepEqual(done.sort(), ["first", "second", "third"], "none waits for another for ever");
    await Promise.all(acts);
  }));

Deno.test("holdingAll runs nothing beside it that takes from one of its subscriptions, and names it once", () =>
  withSubscriptions(["a", "b"], async (subscriptions) => {
    const end = Promise.withResolvers<void>();
    const log: string[] = [];
    const long = holdingAll(["b", "a", "b", "gone"], subscriptions, async () => {
      log.push("begins");
      await end.promise;
      log.push("ends");
    });
    await run();
    const short = holdingAll(["b"], subscriptions, () => Promise.resolve(log.push("other")));
    await run();
    assert.deepEqual(log, ["begins"]);
    end.resolve();
    await Promise.all([long, short]);
    assert.deepEqual(log, ["begins", "ends", "other"]);
  }));

Deno.test("moveDeadLetters to another subscription and a removal of the same do one of both to each", async () => {
  const state = new MemoryState();
  await using broker = new EventBroker({ state });
  const { subscriptions } = broker;
  await subscriptions.put("a", { topic: "t", settings: { maxRetries: 0 } });
  await subscriptions.put("other", { topic: "elsewhere" });
  for (let n = 0; n < 3; n++) await broker.publish("t", "x", n);
  const { deliveries } = await subscriptions.lease("a", { max: 3 }, { consumer: "c" });
  await subscriptions.nack("a", deliveries.map(({ token }) => ({ lease: token, error: "no" })));
  const entries = (await broker.deadLetters.records({}, { limit: 3 })).records.map(redeliveryOf);
  const context = { state, subscriptions };
  const [moved, removed] = await Promise.all([
    moveDeadLetters(entries, { ...context, to: "other" }),
    removeDeadLetters(entries, context),
  ]);
  assert.equal(moved.length + removed.length, 3);
  assert.equal((await subscriptions.info("other")).scheduled, moved.length);
  assert.equal(await broker.deadLetters.count(), 0);
});

Deno.test("moveDeadLetters delivers what is stored when another subscription's part of it is refused", async () => {
  const state = new MemoryState();
  await using broker = new EventBroker({ state, onError: () => {} });
  let isWell = false;
  const handled: unknown[] = [];
  // Its retries are kept in memory, apart from the others.
  broker.subscribe("t", ({ payload }) => {
    if (!isWell) throw new Error("no");
    handled.push(payload);
  }, { maxRetries: 0 });
  await broker.publish("t", "x", 1);
  await broker.idle();
  const { subscriptions } = broker;
  await subscriptions.put("named", { topic: "t" });
  const lease = async () =>
    (await subscriptions.lease("named", { max: 1 }, { consumer: "c" })).deliveries;
  const [first] = await lease();
  const failed = [{ lease: first!.token, error: "no", dead: true }];
  await subscriptions.nack("named", failed);
  assert.equal(await broker.deadLetters.count(), 2);
  const commit = state.commit.bind(state);
  state.commit = (changes) =>
    changes.every(({ op }) => op === "dead.remove")
      ? Promise.reject(new CannotStoreError("the disk is full"))
      : commit(changes);
  await assert.rejects(broker.deadLetters.retry({ all: true }), CannotStoreError);
  state.commit = commit;
  assert.equal((await lease()).length, 1, "its retry is stored");
  isWell = true;
  assert.equal(await broker.deadLetters.count(), 1);
  await broker.deadLetters.retry({ all: true });
  await broker.idle();
  assert.deepEqual(handled, [1]);
});
