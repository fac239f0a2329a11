/**
 * Errors in applications, one test each: the error's class and code, and that nothing was lost.
 * Errors of a single part are in that part's own tests.
 */
import assert from "node:assert/strict";
import {
  BrokenHistoryError,
  CannotStoreError,
  type Event,
  EventBroker,
  EventRefusedError,
  EventSourcedRepository,
  type EventStore,
  EvsError,
  HandlerTimeoutError,
  MemoryEventStore,
  MemorySnapshotStore,
  NotFoundError,
  SnapshotError,
  UnknownEventTypeError,
  VersionConflictError,
} from "../../../mod.ts";
import { TestBroker } from "../../../testing.ts";
import type { StoreRequest } from "../../../core/store/pack.ts";
import type { AppendOutcome } from "../../../core/store/store.ts";
import { Account, errorList } from "../sourcing/account.ts";

/** Rejects with an error of this class and code. */
async function refused(
  work: Promise<unknown>,
  kind: new (...args: never[]) => EvsError,
  code: string,
): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof kind, `${error}`);
    assert.equal(error.code, code);
    return true;
  });
}

async function payloads(broker: EventBroker, topic = "t"): Promise<unknown[]> {
  return (await broker.getEventStore().getEvents(topic)).map(({ payload }) => payload);
}

Deno.test("a schema that refuses: event/schema-violation, and the topic goes on", async () => {
  await using broker = new EventBroker();
  await broker.registerSchema("x", { type: "number" });
  await refused(broker.publish("t", "x", "one"), EventRefusedError, "event/schema-violation");
  await broker.publish("t", "x", 1);
  assert.deepEqual(await payloads(broker), [1]);
});

Deno.test("a payload that is not JSON: event/invalid-payload, and the topic goes on", async () => {
  await using broker = new EventBroker();
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const payload of [() => 1, { deep: { f: () => 1 } }, cycle, 1n, { n: 1n }, undefined]) {
    await refused(broker.publish("t", "x", payload), EventRefusedError, "event/invalid-payload");
  }
  await broker.publish("t", "x", { absent: undefined });
  assert.deepEqual(await payloads(broker), [{}]);
});

Deno.test("an event that is changed after publish: what was published is stored and delivered", async () => {
  await using broker = new EventBroker();
  const seen: unknown[] = [];
  for (const _ of [1, 2]) {
    broker.subscribe("t", (event) => {
      seen.push(structuredClone(event.payload));
      event.payload.n = "changed by a handler";
    });
  }
  const payload = { n: 1 };
  const published = broker.publish("t", "x", payload);
  payload.n = 2;
  (await published).payload.n = 3;
  await broker.idle();
  assert.deepEqual(seen, [{ n: 1 }, { n: 1 }]);
  assert.deepEqual(await payloads(broker), [{ n: 1 }]);
});

Deno.test("a handler that never returns: handler/timed-out, a dead letter, and others go on", async () => {
  await using broker = new TestBroker({ handlerGraceMs: 0 });
  const others: number[] = [];
  const reasons: unknown[] = [];
  broker.subscribe("t", (_, { signal }) =>
    new Promise(() => {
      signal.addEventListener("abort", () => reasons.push(signal.reason));
    }), { name: "stuck", timeoutMs: 10, maxRetries: 0 });
  broker.subscribe("t", ({ payload }) => void others.push(payload));
  await broker.publish("t", "x", 1);
  await broker.publish("t", "x", 2);
  await broker.waitForProcessing();
  assert.deepEqual(others, [1, 2]);
  assert.ok(reasons[0] instanceof HandlerTimeoutError);
  const dead = await broker.getDeadLetterQueue().getEvents();
  assert.deepEqual(dead.map(({ event }) => event.payload).sort(), [1, 2]);
});

Deno.test("a subscription to a removed topic: topic/not-found says so, and it goes on when the topic comes back", async () => {
  await using broker = new EventBroker({ autoCreateTopics: false });
  const topic = broker.createTopic("t");
  const seen: unknown[] = [];
  const subscription = broker.subscribe("t", ({ payload }) => void seen.push(payload), {
    name: "s",
  });
  await topic.publish("x", 1);
  await broker.idle();
  await broker.topics.remove("t");
  await refused(topic.publish("x", 2), NotFoundError, "topic/not-found");
  assert.throws(() => topic.options, NotFoundError);
  assert.equal((await subscription.info()).pending, 0);
  broker.createTopic("t");
  assert.equal((await topic.publish("x", 3)).seq, 2);
  await broker.idle();
  assert.deepEqual(seen, [1, 3]);
});

/** Rejects its third append with this error, once. */
class Third extends MemoryEventStore {
  #calls = 0;
  constructor(readonly error: Error) {
    super();
  }
  override append(requests: readonly StoreRequest[]): Promise<AppendOutcome[]> {
    return ++this.#calls === 3 ? Promise.reject(this.error) : super.append(requests);
  }
}

Deno.test("a store that is full on the third call: its error, and publishing goes on without a gap", async () => {
  await using broker = new EventBroker({ eventStore: new Third(new CannotStoreError("full")) });
  const seen: unknown[] = [];
  broker.subscribe("t", ({ payload }) => void seen.push(payload));
  for (const n of [1, 2]) await broker.publish("t", "x", n);
  await refused(broker.publish("t", "x", 3), CannotStoreError, "store/unavailable");
  assert.equal((await broker.publish("t", "x", 4)).seq, 3);
  await broker.idle();
  assert.deepEqual([seen, await payloads(broker)], [[1, 2, 4], [1, 2, 4]]);
});

Deno.test("a store that throws on the third call: internal/bug, no more is taken, and what was acknowledged is there", async () => {
  await using broker = new EventBroker({ eventStore: new Third(new TypeError("x is not a y")) });
  const seen: unknown[] = [];
  broker.subscribe("t", ({ payload }) => void seen.push(payload));
  for (const n of [1, 2]) await broker.publish("t", "x", n);
  for (const n of [3, 4]) await refused(broker.publish("t", "x", n), EvsError, "internal/bug");
  assert.match(String(broker.failed), /x is not a y/);
  await broker.idle();
  assert.deepEqual([seen, await payloads(broker)], [[1, 2], [1, 2]]);
});

Deno.test("a store with three methods that throws on the third call: store/unavailable, and the next is taken", async () => {
  const events: Event[] = [];
  let calls = 0;
  const eventStore: EventStore = {
    saveEvent(event) {
      if (++calls === 3) throw new Error("connection lost");
      events.push(event);
      return Promise.resolve();
    },
    getEvents: () => Promise.resolve(events),
    deleteEvents: () => Promise.resolve(0),
  };
  await using broker = new EventBroker({ eventStore });
  for (const n of [1, 2]) await broker.publish("t", "x", n);
  await refused(broker.publish("t", "x", 3), CannotStoreError, "store/unavailable");
  await broker.publish("t", "x", 4);
  assert.deepEqual(events.map(({ payload }) => payload), [1, 2, 4]);
});

Deno.test("aggregates: an unknown type, two writers at one version, a gap, a snapshot of another version", async () => {
  await using broker = new EventBroker();
  const snapshots = { store: new MemorySnapshotStore(), every: 1 };
  const { told, onError } = errorList();
  const open = (shape: string) =>
    new EventSourcedRepository<Account>((id) => new Account(id), {
      broker,
      snapshots: { ...snapshots, shape },
      onError,
    });
  const accounts = open("1");
  await accounts.update("a", (account) => account.deposit(1));
  const [one, two] = [(await accounts.getById("a"))!, (await accounts.getById("a"))!];
  one.deposit(2);
  two.deposit(4);
  await accounts.save(one);
  await refused(accounts.save(two), VersionConflictError, "aggregate/conflict");

  assert.equal((await open("2").getById("a"))?.getState().balance, 3);
  assert.equal(told.length, 0);
  const snapshot = (await snapshots.store.load("aggregates", "a"))!;
  await snapshots.store.save({ ...snapshot, seq: 1000 });
  assert.equal((await accounts.getById("a"))?.getState().balance, 3);
  const { error } = told[0]!;
  assert.ok(error instanceof SnapshotError);
  assert.equal(error.code, "snapshot/unusable");

  await broker.publish("aggregates", "frozen", {}, { key: "b" });
  await refused(accounts.getById("b"), UnknownEventTypeError, "aggregate/unknown-event");
  await broker.store.truncate("aggregates", 2);
  await refused(open("3").getById("a"), BrokenHistoryError, "aggregate/broken-history");
  assert.equal((await broker.getEventStore().getEvents("aggregates")).length, 2);
});

Deno.test("a handler that is no function: argument/invalid at once, not a dead letter later", async () => {
  await using broker = new EventBroker();
  for (const handler of [undefined, null, "handle"]) {
    const refusal = (error: unknown) => {
      assert.ok(error instanceof EvsError && error.code === "argument/invalid", `${error}`);
      assert.match(error.message, /the handler is a function, not (undefined|null|string)/);
      return true;
    };
    assert.throws(() => broker.subscribe("t", handler as never), refusal);
    assert.throws(() => broker.subscribeBatch("t", handler as never), refusal);
  }
});
