/**
 * `broker.redact`: an event is redacted in the store, in dead letters, retries and what handlers
 * have, it is not delivered any more, and whatever interrupts it, it is finished later.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { FileDeadLetterQueue } from "../../../core/dead_letter/file.ts";
import type { DeadLetterEntry } from "../../../core/dead_letter/queue.ts";
import { deadLetter } from "../../../core/delivery/outcome.ts";
import { type Redaction, redactionOf } from "../../../core/event/redaction.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { State, StateChange } from "../../../core/state/state.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import type { JournalStore, RedactRequest } from "../../../core/store/store.ts";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { filesWith } from "../../helpers/leftovers.ts";
import { inFolder } from "../../helpers/start.ts";
import { ThreeMethods } from "../../helpers/three_methods.ts";

const SECRET = "correct-horse-battery-staple";
const REASON = { reason: "a password", by: "anna" };

const STORES: Record<string, (folder: string) => JournalStore> = {
  SqliteEventStore: (folder) => new SqliteEventStore(`${folder}/events.db`),
  FileEventStore: (folder) => new FileEventStore(`${folder}/events`),
  MemoryEventStore: () => new MemoryEventStore(),
};

/** Publishes three events of one key, the second with the secret. */
async function publishThree(broker: EventBroker): Promise<void> {
  for (const password of ["one", SECRET, "three"]) {
    const options = { key: "user-1", metadata: { note: password } };
    await broker.publish("users", "user.created", { password }, options);
  }
}

function open(folder: string, store: keyof typeof STORES, state?: State): EventBroker {
  const errors: unknown[] = [];
  return new EventBroker({
    eventStore: STORES[store]!(folder),
    state: state ?? new SqliteState(`${folder}/state.db`),
    onError: (error) => void errors.push(error),
  });
}

for (const store of ["SqliteEventStore", "FileEventStore"]) {
  Deno.test(`broker.redact leaves no byte of an event that retention has deleted, on ${store}`, () =>
    inFolder(async (folder) => {
      const broker = open(folder, store);
      const { ready } = broker.subscribe("users", () => deadLetter("refused"), { name: "mailer" });
      await ready;
      await publishThree(broker);
      await broker.idle();
      const { id } = (await broker.getEventStore().getEvents("users"))[1]!;
      assert.equal(await broker.store.truncate("users", 3), 2);
      assert.equal((await broker.redact("users", id)).deadLetters, 1);
      assert.deepEqual(filesWith(folder, [SECRET]), []);
      const [third] = await broker.getEventStore().getEvents("users");
      assert.deepEqual([third!.seq, third!.payload], [3, { password: "three" }]);
      await broker.close();
      assert.deepEqual(filesWith(folder, [SECRET]), []);
      const again = open(folder, store);
      await again.publish("users", "user.created", { password: "four" }, { key: "user-1" });
      const left = await again.getEventStore().getEvents("users");
      assert.deepEqual(left.map(({ seq, keySeq }) => [seq, keySeq]), [[3, 3], [4, 4]]);
      await again.close();
    }));

  Deno.test(`broker.redact leaves no byte of an event that retention deletes meanwhile, on ${store}`, () =>
    inFolder(async (folder) => {
      const state = new SqliteState(`${folder}/state.db`);
      const broker = open(folder, store, state);
      await publishThree(broker);
      const commit = state.commit.bind(state);
      state.commit = async (changes: StateChange[]) => {
        await commit(changes);
        if (changes.some(({ op }) => op === "event.redact")) {
          await broker.store.truncate("users", 3);
        }
      };
      await broker.redact("users", 2);
      assert.deepEqual(filesWith(folder, [SECRET]), []);
      await broker.close();
    }));
}

for (const store of Object.keys(STORES)) {
  Deno.test(`broker.redact leaves seq, id and type, and says when, by whom and why, on ${store}`, () =>
    inFolder(async (folder) => {
      const broker = open(folder, store);
      await publishThree(broker);
      const { id } = (await broker.getEventStore().getEvents("users"))[1]!;
      const reply = await broker.redact("users", 2, REASON);
      assert.deepEqual({ ...reply, at: 0 }, {
        topic: "users",
        seq: 2,
        id,
        at: 0,
        ...REASON,
        created: true,
        deadLetters: 0,
        undelivered: 0,
      });
      const events = await broker.getEventStore().getEvents("users");
      const event = events[1]!;
      assert.deepEqual([event.seq, event.id, event.type], [2, id, "user.created"]);
      assert.match(event.key!, /^redacted:[0-9a-f]{32}$/);
      assert.deepEqual(redactionOf(event), { at: reply.at, ...REASON } as Redaction);
      assert.deepEqual(events.map(redactionOf).map(Boolean), [false, true, false]);
      assert.deepEqual(filesWith(folder, [SECRET]), []);
      const again = await broker.redact("users", id, { reason: "another" });
      assert.deepEqual(again, { ...reply, created: false });
      await broker.close();
      assert.deepEqual(filesWith(folder, [SECRET]), []);
    }));
}

Deno.test("broker.redact keeps subscriptions from delivering the event, whether it is read, waits behind its key, or comes later", () =>
  inFolder(async (folder) => {
    const broker = open(folder, "SqliteEventStore");
    const { subscriptions } = broker;
    await subscriptions.put("unread", { topic: "users" });
    await subscriptions.put("read", { topic: "users" });
    await publishThree(broker);
    const lease = (name: string) =>
      subscriptions.lease(name, { max: 10 }, { consumer: "c" }).then(({ deliveries }) =>
        deliveries
      );
    const [first] = await lease("read");
    assert.equal(first!.entry.seq, 1, "the other two wait behind it, by their key");
    const reply = await broker.redact("users", 2);
    assert.equal(reply.undelivered, 2);
    await subscriptions.ack("read", [first!.token]);
    assert.deepEqual((await lease("read")).map(({ entry }) => entry.seq), [3]);
    assert.deepEqual((await lease("unread")).map(({ entry }) => entry.seq), [1]);
    assert.deepEqual((await subscriptions.info("read")).redacted, 1);
    await subscriptions.put("later", { topic: "users" });
    const [later] = await lease("later");
    await subscriptions.ack("later", [later!.token]);
    assert.deepEqual((await lease("later")).map(({ entry }) => entry.seq), [3]);
    await subscriptions.seek("read", { to: "start" });
    await broker.close();
    const next = open(folder, "SqliteEventStore");
    const got: number[] = [];
    const again = next.subscribe("users", ({ seq }) => void got.push(seq!), { name: "read" });
    await again.ready;
    await next.idle();
    assert.deepEqual(got, [1, 3]);
    assert.equal((await again.info()).pending, 0);
    await next.close();
  }));

Deno.test("broker.redact keeps the event from a handler of this process that has not got to it yet", () =>
  inFolder(async (folder) => {
    const broker = open(folder, "SqliteEventStore");
    // Without keys: then all three are leased together.
    for (const n of [1, 2, 3]) await broker.publish("users", "user.created", { n });
    const began = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const got: unknown[] = [];
    const subscription = broker.subscribe("users", async ({ payload }) => {
      got.push(payload);
      began.resolve();
      await goOn.promise;
    }, { name: "slow", from: "start" });
    await began.promise;
    assert.equal((await subscription.info()).leased, 3);
    assert.equal((await broker.redact("users", 2)).undelivered, 1);
    goOn.resolve();
    await broker.idle();
    assert.deepEqual(got, [{ n: 1 }, { n: 3 }]);
    const { pending, leased, redacted } = await subscription.info();
    assert.deepEqual({ pending, leased, redacted }, { pending: 0, leased: 0, redacted: 1 });
    await broker.close();
    const next = open(folder, "SqliteEventStore");
    assert.equal((await next.subscriptions.info("slow")).pending, 0, "it stays done");
    await next.close();
  }));

Deno.test("broker.redact takes the answer of a handler that has the event as done, and keeps nothing of its error", () =>
  inFolder(async (folder) => {
    const broker = open(folder, "SqliteEventStore");
    const { subscriptions } = broker;
    await publishThree(broker);
    const settings = { maxRetries: 0 };
    for (const name of ["failing", "released"]) {
      await subscriptions.put(name, { topic: "users", settings });
      const [first] = (await subscriptions.lease(name, { max: 1 }, { consumer: name })).deliveries;
      await subscriptions.ack(name, [first!.token]);
    }
    const take = async (name: string) =>
      (await subscriptions.lease(name, { max: 1 }, { consumer: name })).deliveries[0]!;
    const [failing, released] = [await take("failing"), await take("released")];
    assert.deepEqual([failing.entry.seq, released.entry.seq], [2, 2]);
    assert.equal((await broker.redact("users", 2)).undelivered, 2);
    const { outcomes } = await subscriptions.nack("failing", [
      { lease: failing.token, error: `cannot use ${SECRET}`, stderr: SECRET },
    ]);
    assert.deepEqual(outcomes, ["done"]);
    await subscriptions.release("released", [released.token]);
    assert.deepEqual([(await take("failing")).entry.seq, (await take("released")).entry.seq], [
      3,
      3,
    ]);
    assert.equal(await broker.deadLetters.count(), 0);
    await broker.close();
    assert.deepEqual(filesWith(folder, [SECRET]), []);
  }));

Deno.test("broker.redact empties dead letters with their errors and output, drops retries, and such a dead letter is not retried", () =>
  inFolder(async (folder) => {
    const broker = open(folder, "SqliteEventStore");
    const { subscriptions, deadLetters } = broker;
    await publishThree(broker);
    const fail = async (name: string, maxRetries: number) => {
      await subscriptions.put(name, { topic: "users", from: "2", settings: { maxRetries } });
      const [lease] = (await subscriptions.lease(name, { max: 1 }, { consumer: "c" })).deliveries;
      const texts = { error: `bad ${SECRET}`, stderr: `out ${SECRET}`, stack: `at ${SECRET}` };
      await subscriptions.nack(name, [{ lease: lease!.token, exitCode: 3, ...texts }]);
    };
    await fail("dead", 0);
    await fail("waiting", 5);
    assert.equal(await deadLetters.count(), 1);
    assert.equal((await subscriptions.info("waiting")).scheduled, 1);
    const reply = await broker.redact("users", 2, REASON);
    assert.deepEqual([reply.deadLetters, reply.undelivered], [1, 1]);
    assert.equal((await subscriptions.info("waiting")).scheduled, 0);
    const [record] = await deadLetters.show(reply.id);
    assert.equal(record!.reason, "redacted");
    assert.match(record!.key!, /^redacted:/);
    const { error, exitCode, stderr, stack } = record!.attempts[0]!;
    assert.deepEqual([error, exitCode, stderr, stack], ["redacted", 3, undefined, undefined]);
    assert.match(
      new TextDecoder().decode(record!.line),
      /"metadata":\{"redacted":.*"payload":null\}/,
    );
    await assert.rejects(deadLetters.retry({ ids: [reply.id] }), {
      code: "dead-letter/redacted",
      message: /dead:.* was redacted: nothing is left to deliver, and nothing was retried/,
    });
    assert.equal((await deadLetters.retry({ all: true })).count, 0);
    assert.deepEqual(filesWith(folder, [SECRET]), []);
    await broker.close();
    const next = open(folder, "SqliteEventStore");
    await assert.rejects(next.deadLetters.retry({ ids: [reply.id] }), /redacted/);
    assert.equal((await next.deadLetters.remove({ ids: [reply.id] })).count, 1);
    await next.close();
    assert.deepEqual(filesWith(folder, [SECRET]), []);
  }));

Deno.test("broker.redact finds the copy of an event that retention deleted, in a dead letter or a retry", async () => {
  const broker = new EventBroker();
  await publishThree(broker);
  const { id } = (await broker.getEventStore().getEvents("users"))[1]!;
  const { subscriptions, deadLetters, topics } = broker;
  for (const [name, maxRetries] of [["dead", 0], ["waiting", 5]] as const) {
    await subscriptions.put(name, { topic: "users", from: "2", settings: { maxRetries } });
    const [lease] = (await subscriptions.lease(name, { max: 1 }, { consumer: "c" })).deliveries;
    await subscriptions.nack(name, [{ lease: lease!.token, error: SECRET }]);
  }
  await topics.update("users", { maxEvents: 1 });
  await broker.retain();
  await assert.rejects(broker.redact("users", 2), { code: "event/not-found" });
  const reply = await broker.redact("users", id);
  assert.deepEqual([reply.seq, reply.deadLetters, reply.undelivered], [2, 1, 1]);
  assert.equal((await deadLetters.show(id))[0]!.reason, "redacted");
  await broker.close();
});

/** A state whose commits fail from a chosen change on. */
class FailingState extends MemoryState {
  failsAt: StateChange["op"] | "scrub" | undefined;

  override commit(changes: readonly StateChange[]): Promise<void> {
    if (changes.some(({ op }) => op === this.failsAt)) return Promise.reject(noRoom());
    return super.commit(changes);
  }

  scrub(): Promise<void> {
    return this.failsAt === "scrub" ? Promise.reject(noRoom()) : Promise.resolve();
  }
}

class FailingStore extends MemoryEventStore {
  fails = false;

  override redact(topic: string, request: RedactRequest): Promise<boolean> {
    return this.fails ? Promise.reject(noRoom()) : super.redact(topic, request);
  }

  override close(): Promise<void> {
    return Promise.resolve();
  }
}

function noRoom(): CannotStoreError {
  return new CannotStoreError("no room", { code: "store/disk-full" });
}

for (
  const failsAt of ["redaction.put", "event.redact", "retry.remove", "store", "scrub"] as const
) {
  for (const how of ["asked for again", "opened again"] as const) {
    Deno.test(`broker.redact is finished when it is ${how} after a failure at ${failsAt}`, async () => {
      const state = new FailingState();
      const eventStore = new FailingStore();
      let broker = new EventBroker({ state, eventStore });
      await publishThree(broker);
      await broker.subscriptions.put("s", { topic: "users", from: "2" });
      const lease = async () =>
        (await broker.subscriptions.lease("s", { max: 9 }, { consumer: "c" })).deliveries;
      const [second] = await lease();
      await broker.subscriptions.nack("s", [{ lease: second!.token, error: SECRET }]);
      if (failsAt === "store") eventStore.fails = true;
      else state.failsAt = failsAt;
      await assert.rejects(broker.redact("users", 2, REASON), { code: "store/disk-full" });
      const isBegun = failsAt !== "redaction.put";
      assert.equal(broker.redactor.unfinished.length, isBegun ? 1 : 0);
      state.failsAt = undefined;
      eventStore.fails = false;
      const at = broker.redactor.unfinished[0]?.at;
      if (how === "opened again") {
        await broker.close();
        broker = new EventBroker({ state, eventStore });
        await broker.ready;
        assert.deepEqual(broker.redactor.unfinished, []);
      }
      const reply = await broker.redact("users", 2, isBegun ? {} : REASON);
      assert.equal(reply.created, how === "asked for again" || !isBegun);
      if (at !== undefined) assert.equal(reply.at, at, "who, when and why are those of the first");
      assert.deepEqual([reply.by, reply.reason], ["anna", "a password"]);
      const events = await broker.getEventStore().getEvents("users");
      assert.deepEqual(events.map(redactionOf).map(Boolean), [false, true, false]);
      assert.equal((await broker.subscriptions.info("s")).scheduled, 0);
      assert.deepEqual((await lease()).map(({ entry }) => entry.seq), [3]);
      await broker.close();
    });
  }
}

Deno.test("broker.redact empties the dead letter that a failure adds while it is under way", async () => {
  const state = new MemoryState();
  const commit = state.commit.bind(state);
  const [gate, redacted] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  state.commit = async (changes) => {
    if (changes.some(({ op }) => op === "dead.put")) await gate.promise;
    await commit(changes);
    if (changes.some(({ op }) => op === "event.redact")) redacted.resolve();
  };
  await using broker = new EventBroker({ state });
  await publishThree(broker);
  const { subscriptions } = broker;
  await subscriptions.put("s", { topic: "users", from: "2" });
  const { deliveries: [delivery] } = await subscriptions.lease("s", {}, { consumer: "c" });
  const failed = [{ lease: delivery!.token, error: `no ${SECRET}`, dead: true }];
  const nacking = subscriptions.nack("s", failed);
  const redacting = broker.redact("users", 2, REASON);
  await redacted.promise;
  assert.equal(await broker.deadLetters.count(), 0, "there was none to empty");
  gate.resolve();
  await nacking;
  assert.equal((await redacting).deadLetters, 1);
  const { records: [record] } = await broker.deadLetters.records({}, { limit: 1 });
  const left = JSON.stringify([record, new TextDecoder().decode(record!.line)]);
  assert.ok(!left.includes(SECRET), left);
});

Deno.test("broker.redact leaves nothing unfinished while it is under way, nor afterwards", async () => {
  const seen: number[] = [];
  class WatchedStore extends MemoryEventStore {
    override redact(topic: string, request: RedactRequest): Promise<boolean> {
      seen.push(broker.redactor.unfinished.length);
      return super.redact(topic, request);
    }
  }
  await using broker = new EventBroker({ eventStore: new WatchedStore() });
  await publishThree(broker);
  await Promise.all([broker.redact("users", 2), broker.redact("users", 3)]);
  assert.deepEqual(seen, [0, 0]);
  assert.deepEqual(broker.redactor.unfinished, []);
});

Deno.test("broker.redact refuses in words what it cannot do", async () => {
  const broker = new EventBroker({ eventStore: new ThreeMethods() });
  await broker.publish("users", "user.created", { password: SECRET });
  await assert.rejects(broker.redact("users", 1), {
    code: "store/unsupported",
    message: /the store of users cannot replace an event.*nothing was redacted/,
  });
  await broker.close();
  const memory = new EventBroker();
  await publishThree(memory);
  await assert.rejects(memory.redact("nobody", 1), { code: "topic/not-found" });
  await assert.rejects(memory.redact("users", 4), {
    code: "event/not-found",
    message: /no event 4: the topic has seq 1 to 3/,
  });
  for (const options of [{ reason: "" }, { reason: "x".repeat(501) }, { by: "y".repeat(129) }]) {
    await assert.rejects(memory.redact("users", 1, options), { code: "argument/invalid" });
  }
  await assert.rejects(
    memory.redact("users", 1, { raison: "typo" } as never),
    /redact has no option "raison"/,
  );
  await memory.close();
  await assert.rejects(memory.redact("users", 1), { code: "broker/closed" });
});

Deno.test("FileDeadLetterQueue has nothing of an event in its files when its broker redacted it", () =>
  inFolder(async (folder) => {
    const deadLetterQueue = new FileDeadLetterQueue(`${folder}/dead`);
    const broker = new EventBroker({ deadLetterQueue });
    broker.subscribe("users", ({ payload }) => {
      throw new Error(`cannot use ${payload.password}`);
    }, { name: "s", maxRetries: 0 });
    await publishThree(broker);
    await broker.idle();
    assert.equal((await deadLetterQueue.getEvents()).length, 3);
    assert.notDeepEqual(filesWith(folder, [SECRET]), []);
    await broker.redact("users", 2, REASON);
    assert.deepEqual(filesWith(folder, [SECRET]), []);
    const entries = (await deadLetterQueue.getEvents()).map((
      { event, error },
    ) => [event.seq, error]);
    assert.deepEqual(entries.find(([seq]) => seq === 2), [2, "redacted"]);
    assert.equal(entries.length, 3);
    await broker.close();
    assert.deepEqual(filesWith(folder, [SECRET]), []);
  }));

Deno.test("broker.redact tells onError when the application's queue keeps the event", async () => {
  const entries: DeadLetterEntry[] = [];
  const told: unknown[] = [];
  const broker = new EventBroker({
    onError: (error) => void told.push(error),
    deadLetterQueue: {
      addEvent: (event, error, subscription) => {
        entries.push({ event, error: error.message, subscription, timestamp: 1, attempts: 1 });
        return Promise.resolve();
      },
      getEvents: () => Promise.resolve(entries),
      retryEvent: () => Promise.resolve(false),
      removeEvent: () => Promise.resolve(false),
    },
  });
  broker.subscribe("users", () => {
    throw new Error("no");
  }, { name: "s", maxRetries: 0 });
  await publishThree(broker);
  await broker.idle();
  await broker.redact("users", 2);
  assert.match(String(told.at(-1)), /the dead-letter queue still has .* of users as it was/);
  await broker.close();
});
