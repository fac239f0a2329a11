/** An operator's actions on dead letters: list, retry, remove. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import {
  CannotStoreError,
  ConflictError,
  InvalidArgumentError,
  NotFoundError,
} from "../../../core/base/errors.ts";
import { WatchedState } from "../../helpers/watched_state.ts";

/** Events of the payloads, each dead on the subscription. */
async function kill(broker: EventBroker, name: string, payloads: number[]): Promise<string[]> {
  await broker.subscriptions.put(name, { topic: "t", settings: { maxRetries: 0 } });
  const events = await Promise.all(payloads.map((payload) => broker.publish("t", "x", payload)));
  for (;;) {
    const { deliveries } = await broker.subscriptions.lease(name, { max: 100 }, { consumer: "c" });
    if (deliveries.length === 0) break;
    await broker.subscriptions.nack(
      name,
      deliveries.map(({ token }) => ({
        lease: token,
        error: "exit 1",
        exitCode: 1,
        stderr: "boom",
      })),
    );
  }
  return events.map(({ id }) => id);
}

/** The payloads that a consumer is given. */
async function payloads(broker: EventBroker, name: string, max = 10): Promise<number[]> {
  const { deliveries } = await broker.subscriptions.lease(name, { max }, { consumer: "c" });
  return deliveries.map(({ line }) => JSON.parse(new TextDecoder().decode(line)).payload);
}

Deno.test("DeadLetters.retry moves dead to pending in one commit, oldest first, with history and fresh retries", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  const ids = await kill(broker, "s", [1, 2]);
  state.commits = [];
  const reply = await broker.deadLetters.retry({ all: true });
  assert.deepEqual(reply, { count: 2, dryRun: false, bySubscription: { s: 2 } });
  assert.deepEqual(state.commits.map((changes) => changes.map(({ op }) => op)), [
    ["dead.retry"],
  ]);
  const { deliveries } = await broker.subscriptions.lease("s", { max: 10 }, { consumer: "c" });
  assert.deepEqual(
    deliveries.map(({ line }) => JSON.parse(new TextDecoder().decode(line)).payload),
    [1, 2],
  );
  assert.deepEqual(deliveries.map(({ attempt }) => attempt), [2, 2]);
  await broker.subscriptions.ack("s", [deliveries[0]!.token]);
  await broker.subscriptions.nack("s", [{ lease: deliveries[1]!.token, error: "again" }]);
  assert.equal(await broker.deadLetters.count(), 1);
  const [record] = await broker.deadLetters.show(`s:${ids[1]}`);
  assert.deepEqual(record!.attempts.map(({ attempt, error }) => [attempt, error]), [[1, "exit 1"], [
    2,
    "again",
  ]]);
});

Deno.test("DeadLetters.retry moves any number of entries of any number of subscriptions in one transaction", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  const numbers = Array.from({ length: 1200 }, (_, n) => n);
  await kill(broker, "a", numbers);
  await kill(broker, "b", []);
  assert.equal(await broker.deadLetters.count(), 2400);
  state.commits = [];
  await broker.deadLetters.retry({ all: true });
  assert.equal(state.commits.length, 1, "one transaction");
  assert.equal(await broker.deadLetters.count(), 0);
  for (const name of ["a", "b"]) {
    assert.equal((await broker.subscriptions.info(name)).scheduled, 1200);
    const seen: number[] = [];
    while (seen.length < 1200) {
      const { deliveries } = await broker.subscriptions.lease(name, { max: 500 }, {
        consumer: "c",
      });
      seen.push(
        ...deliveries.map(({ line }) => JSON.parse(new TextDecoder().decode(line)).payload),
      );
      await broker.subscriptions.ack(name, deliveries.map(({ token }) => token));
    }
    assert.deepEqual(seen, numbers, "the oldest first");
  }
});

Deno.test("DeadLetters.retry loses nothing and moves nothing where the commit is refused", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  await kill(broker, "a", [1, 2]);
  await kill(broker, "b", []);
  state.refuses = true;
  await assert.rejects(broker.deadLetters.retry({ all: true }), CannotStoreError);
  state.refuses = false;
  assert.equal(await broker.deadLetters.count(), 4);
  for (const name of ["a", "b"]) assert.equal((await broker.subscriptions.info(name)).scheduled, 0);
  await broker.deadLetters.retry({ all: true });
  for (const name of ["a", "b"]) assert.equal((await broker.subscriptions.info(name)).scheduled, 2);
});

Deno.test("DeadLetters.retry that is refused leaves an event where a seek had brought it", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  await kill(broker, "s", [1, 2]);
  await broker.subscriptions.seek("s", { to: "start" });
  // Now they are read, and at hand.
  const { deliveries } = await broker.subscriptions.lease("s", { max: 1 }, { consumer: "c" });
  await broker.subscriptions.release("s", deliveries.map(({ token }) => token));
  state.refuses = true;
  await assert.rejects(broker.deadLetters.retry({ all: true }), CannotStoreError);
  state.refuses = false;
  assert.deepEqual(await payloads(broker, "s"), [1, 2]);
});

Deno.test("DeadLetters tell that the broker is closed, and not that a subscription is gone", async () => {
  const broker = new EventBroker();
  const [id] = await kill(broker, "s", [1]);
  await broker.close();
  const closed = { code: "broker/closed" };
  await assert.rejects(broker.deadLetters.retry({ ids: [`s:${id}`] }), closed);
  await assert.rejects(broker.deadLetters.retry({ subscription: "s", all: true }), closed);
  await assert.rejects(broker.subscriptions.ack("s", []), closed);
  await assert.rejects(broker.subscriptions.pause("s"), closed);
});

Deno.test("DeadLetters.retry sends an entry once when two ask for it at the same time", async () => {
  await using broker = new EventBroker();
  await kill(broker, "a", [1, 2]);
  await broker.subscriptions.put("other", { topic: "elsewhere" });
  await Promise.all([
    broker.deadLetters.retry({ all: true }),
    broker.deadLetters.retry({ subscription: "a" }),
    broker.deadLetters.retry({ subscription: "a", to: "other" }),
  ]);
  assert.equal(await broker.deadLetters.count(), 0);
  const infos = await Promise.all(["a", "other"].map((name) => broker.subscriptions.info(name)));
  const scheduled = infos.map((info) => info.scheduled);
  assert.deepEqual(scheduled, [2, 0]);
  assert.deepEqual([...await payloads(broker, "a"), ...await payloads(broker, "other")], [1, 2]);
});

Deno.test("DeadLetters.retry sends an event once that two subscriptions gave up on, to a third", async () => {
  await using broker = new EventBroker();
  await kill(broker, "a", [1, 2]);
  await kill(broker, "b", []);
  await broker.subscriptions.put("other", { topic: "elsewhere" });
  const { count } = await broker.deadLetters.retry({ all: true, to: "other" });
  assert.equal(count, 4);
  assert.deepEqual(await payloads(broker, "other"), [1, 2]);
  assert.equal(await broker.deadLetters.count(), 0);
});

Deno.test("DeadLetters.retry sends an event once that a consumer is about to get from its topic", async () => {
  await using broker = new EventBroker();
  const [, second] = await kill(broker, "s", [1, 2]);
  await broker.subscriptions.seek("s", { to: "start" });
  assert.deepEqual(await payloads(broker, "s", 1), [1]);
  await broker.deadLetters.retry({ ids: [second!] });
  assert.deepEqual(await payloads(broker, "s"), [2]);
});

Deno.test("DeadLetters.retry does nothing on a dry run", async () => {
  await using broker = new EventBroker();
  await kill(broker, "s", [1, 2]);
  const reply = await broker.deadLetters.retry({ subscription: "s", dryRun: true });
  assert.deepEqual([reply.count, reply.dryRun], [2, true]);
  assert.equal(await broker.deadLetters.count(), 2);
});

Deno.test("DeadLetters.retry names what is not there, and what has to be said", async () => {
  await using broker = new EventBroker();
  const [id] = await kill(broker, "s", [1]);
  await assert.rejects(broker.deadLetters.retry({ ids: [id!, "nobody"] }), (error) => {
    assert.ok(error instanceof NotFoundError);
    assert.deepEqual(error.details!["ids"], ["nobody"]);
    return true;
  });
  await assert.rejects(broker.deadLetters.retry({}), InvalidArgumentError);
  assert.equal(await broker.deadLetters.count(), 1);
  await assert.rejects(async () => await broker.deadLetters.show("nobody"), NotFoundError);
});

Deno.test("DeadLetters.retry asks for another subscription when the first is gone", async () => {
  await using broker = new EventBroker();
  const [id] = await kill(broker, "s", [1]);
  await broker.subscriptions.remove("s");
  await assert.rejects(broker.deadLetters.retry({ ids: [id!] }), (error) => {
    assert.ok(error instanceof ConflictError);
    assert.match(error.hint!, /--to NAME/);
    return true;
  });
  await broker.subscriptions.put("other", { topic: "elsewhere" });
  await broker.deadLetters.retry({ ids: [id!], to: "other" });
  assert.equal(await broker.deadLetters.count(), 0);
  const { deliveries } = await broker.subscriptions.lease("other", {}, { consumer: "c" });
  assert.equal(deliveries[0]!.attempt, 2);
  await broker.subscriptions.ack("other", [deliveries[0]!.token]);
  assert.equal((await broker.subscriptions.info("other")).scheduled, 0);
});

Deno.test("DeadLetters.retry to a subscription that has the event ahead delivers it once", async () => {
  await using broker = new EventBroker();
  const [id] = await kill(broker, "s", [1]);
  await broker.subscriptions.put("other", { topic: "t" });
  await broker.deadLetters.retry({ ids: [id!], to: "other" });
  const { deliveries } = await broker.subscriptions.lease("other", { max: 10 }, { consumer: "c" });
  assert.equal(deliveries.length, 1);
  await broker.subscriptions.ack("other", [deliveries[0]!.token]);
  assert.equal((await broker.subscriptions.info("other")).pending, 0);
});

Deno.test("DeadLetters.retry delivers an event once when a seek brought it back already", async () => {
  await using broker = new EventBroker();
  const [id] = await kill(broker, "s", [1]);
  await broker.subscriptions.seek("s", { to: "start" });
  await broker.deadLetters.retry({ ids: [id!] });
  const { deliveries } = await broker.subscriptions.lease("s", { max: 10 }, { consumer: "c" });
  assert.equal(deliveries.length, 1);
});

Deno.test("DeadLetters.remove removes what the filter means", async () => {
  await using broker = new EventBroker();
  await kill(broker, "s", [1, 2, 3]);
  const { records: entries } = await broker.deadLetters.records({}, { limit: 1 });
  const one = await broker.deadLetters.remove({ ids: [`s:${entries[0]!.id}`] });
  assert.equal(one.count, 1);
  assert.equal((await broker.deadLetters.remove({ reason: "EXIT" })).count, 2);
  assert.deepEqual(await broker.deadLetters.counts(), new Map());
});
