import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker.ts";
import { ConflictError, InvalidArgumentError, NotFoundError } from "../../../core/errors.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { StateChange } from "../../../core/state/state.ts";

class WatchedState extends MemoryState {
  commits: (readonly StateChange[])[] = [];
  override commit(changes: readonly StateChange[]): Promise<void> {
    this.commits.push(changes);
    return super.commit(changes);
  }
}

/** Events of the payloads, each dead on the subscription. */
async function kill(broker: EventBroker, name: string, payloads: number[]): Promise<string[]> {
  await broker.subscriptions.put(name, { topic: "t", settings: { maxRetries: 0 } });
  const events = await Promise.all(payloads.map((payload) => broker.publish("t", "x", payload)));
  for (;;) {
    const { deliveries } = await broker.subscriptions.lease(name, { max: 100 }, { consumer: "c" });
    if (deliveries.length === 0) break;
    await broker.subscriptions.nack(
      name,
      deliveries.map(({ lease }) => ({ lease, error: "exit 1", exitCode: 1, stderr: "boom" })),
    );
  }
  return events.map(({ id }) => id);
}

Deno.test("DeadLetterDesk.retry moves dead to pending in one commit, oldest first, with history and fresh retries", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  const ids = await kill(broker, "s", [1, 2]);
  state.commits = [];
  const reply = await broker.deadLetters.retry({ all: true });
  assert.deepEqual(reply, { count: 2, dryRun: false, bySubscription: { s: 2 } });
  assert.deepEqual(state.commits.map((changes) => changes.map(({ op }) => op)), [
    ["retry.put", "retry.put", "dead.remove", "dead.remove"],
  ]);
  const { deliveries } = await broker.subscriptions.lease("s", { max: 10 }, { consumer: "c" });
  assert.deepEqual(
    deliveries.map(({ line }) => JSON.parse(new TextDecoder().decode(line)).payload),
    [1, 2],
  );
  assert.deepEqual(deliveries.map(({ attempt }) => attempt), [2, 2]);
  await broker.subscriptions.ack("s", [deliveries[0]!.lease]);
  await broker.subscriptions.nack("s", [{ lease: deliveries[1]!.lease, error: "again" }]);
  assert.equal(broker.deadLetters.count(), 1);
  const [record] = broker.deadLetters.show(`s:${ids[1]}`);
  assert.deepEqual(record!.attempts.map(({ attempt, error }) => [attempt, error]), [[1, "exit 1"], [
    2,
    "again",
  ]]);
});

Deno.test("DeadLetterDesk.retry does nothing on a dry run", async () => {
  await using broker = new EventBroker();
  await kill(broker, "s", [1, 2]);
  const reply = await broker.deadLetters.retry({ subscription: "s", dryRun: true });
  assert.deepEqual([reply.count, reply.dryRun], [2, true]);
  assert.equal(broker.deadLetters.count(), 2);
});

Deno.test("DeadLetterDesk.retry names what is not there, and what has to be said", async () => {
  await using broker = new EventBroker();
  const [id] = await kill(broker, "s", [1]);
  await assert.rejects(broker.deadLetters.retry({ ids: [id!, "nobody"] }), (error) => {
    assert.ok(error instanceof NotFoundError);
    assert.deepEqual(error.details!["ids"], ["nobody"]);
    return true;
  });
  await assert.rejects(broker.deadLetters.retry({}), InvalidArgumentError);
  assert.equal(broker.deadLetters.count(), 1);
  assert.throws(() => broker.deadLetters.show("nobody"), NotFoundError);
});

Deno.test("DeadLetterDesk.retry asks for another subscription when the first is gone", async () => {
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
  assert.equal(broker.deadLetters.count(), 0);
  const { deliveries } = await broker.subscriptions.lease("other", {}, { consumer: "c" });
  assert.equal(deliveries[0]!.attempt, 2);
  await broker.subscriptions.ack("other", [deliveries[0]!.lease]);
  assert.equal(broker.subscriptions.info("other").scheduled, 0);
});

Deno.test("DeadLetterDesk.retry to a subscription that has the event ahead delivers it once", async () => {
  await using broker = new EventBroker();
  const [id] = await kill(broker, "s", [1]);
  await broker.subscriptions.put("other", { topic: "t" });
  await broker.deadLetters.retry({ ids: [id!], to: "other" });
  const { deliveries } = await broker.subscriptions.lease("other", { max: 10 }, { consumer: "c" });
  assert.equal(deliveries.length, 1);
  await broker.subscriptions.ack("other", [deliveries[0]!.lease]);
  assert.equal(broker.subscriptions.info("other").pending, 0);
});

Deno.test("DeadLetterDesk.retry delivers an event once when a seek brought it back already", async () => {
  await using broker = new EventBroker();
  const [id] = await kill(broker, "s", [1]);
  await broker.subscriptions.seek("s", { to: "start" });
  await broker.deadLetters.retry({ ids: [id!] });
  const { deliveries } = await broker.subscriptions.lease("s", { max: 10 }, { consumer: "c" });
  assert.equal(deliveries.length, 1);
});

Deno.test("DeadLetterDesk.remove removes what the filter means", async () => {
  await using broker = new EventBroker();
  await kill(broker, "s", [1, 2, 3]);
  const { records: entries } = broker.deadLetters.records({}, { limit: 1 });
  const one = await broker.deadLetters.remove({ ids: [`s:${entries[0]!.id}`] });
  assert.equal(one.count, 1);
  assert.equal((await broker.deadLetters.remove({ reason: "EXIT" })).count, 2);
  assert.deepEqual(broker.deadLetters.counts(), new Map());
});
