/** Faults around an in-process broker: each has its error and its code, and nothing is lost. */
import assert from "node:assert/strict";
import {
  CannotStoreError,
  type Event,
  EventBroker,
  EvsError,
  HandlerTimeoutError,
  MemoryEventStore,
  MemoryState,
  NotFoundError,
} from "../../../mod.ts";
import type { AppendOutcome } from "../../../core/store/store.ts";
import type { StoreRequest } from "../../../core/store/pack.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { ThreeMethods } from "../../helpers/three_methods.ts";

const code = (wanted: string) => (error: unknown) =>
  error instanceof EvsError && error.code === wanted;

class ThirdFails extends ThreeMethods {
  calls = 0;
  override saveEvent(event: Event): Promise<void> {
    this.fails = ++this.calls === 3;
    return super.saveEvent(event);
  }
}

Deno.test("EventBroker on a plain store that throws on the third call refuses that event alone", async () => {
  const eventStore = new ThirdFails();
  await using broker = new EventBroker({ eventStore });
  const seen: unknown[] = [];
  broker.subscribe("t", (event) => void seen.push(event.payload));
  const results = await Promise.allSettled([1, 2, 3, 4].map((n) => broker.publish("t", "x", n)));
  assert.deepEqual(results.map(({ status }) => status), [
    "fulfilled",
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  const { reason } = results[2] as PromiseRejectedResult;
  assert.ok(reason instanceof CannotStoreError && reason.code === "store/unavailable");
  assert.match(reason.message, /connection lost/);
  await broker.idle();
  assert.deepEqual(seen, [1, 2, 4]);
  assert.deepEqual(eventStore.events.map(({ payload }) => payload), [1, 2, 4]);
});

class FailingStore extends MemoryEventStore {
  appends = 0;
  failure: Error = new Error("the disk is on fire");
  override append(requests: readonly StoreRequest[]): Promise<AppendOutcome[]> {
    return ++this.appends === 3 ? Promise.reject(this.failure) : super.append(requests);
  }
}

Deno.test("EventBroker acknowledges nothing after a store that broke, and what was acknowledged is there", async () => {
  const [eventStore, state] = [new FailingStore(), new MemoryState()];
  const broker = new EventBroker({ eventStore, state });
  await broker.publish("t", "x", 1);
  await broker.publish("t", "x", 2);
  await assert.rejects(broker.publish("t", "x", 3), /the disk is on fire/);
  await assert.rejects(broker.publish("t", "x", 4), code("internal/bug"));
  assert.equal(await broker.failure, eventStore.failure);
  await broker.close();
  await using again = new EventBroker({ eventStore, state });
  const seen: unknown[] = [];
  again.subscribe("t", (event) => void seen.push(event.payload), { name: "s" });
  assert.equal((await again.publish("t", "x", 5)).seq, 3);
  await again.idle();
  assert.deepEqual(seen, [1, 2, 5]);
});

Deno.test("EventBroker publishes again after a store that had no room for a moment", async () => {
  const eventStore = new FailingStore();
  eventStore.failure = new CannotStoreError("the disk is full");
  await using broker = new EventBroker({ eventStore });
  await broker.publish("t", "x", 1);
  await broker.publish("t", "x", 2);
  await assert.rejects(broker.publish("t", "x", 3), code("store/unavailable"));
  assert.equal((await broker.publish("t", "x", 3)).seq, 3);
});

Deno.test("EventBroker handles an event again when what became of it could not be kept", async () => {
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const state = new class extends MemoryState {
    fails = 0;
    override commit(changes: readonly StateChange[]): Promise<void> {
      return this.fails-- > 0
        ? Promise.reject(new CannotStoreError("the disk is full"))
        : super.commit(changes);
    }
  }();
  await using broker = new EventBroker({ state, clock, onError: (error) => errors.push(error) });
  const seen: number[] = [];
  await broker.subscribe("t", (_, { attempt }) => {
    seen.push(attempt);
    if (seen.length === 1) state.fails = 1;
    throw new Error("down");
  }, { name: "s", maxRetries: 0 }).ready;
  const { id } = await broker.publish("t", "x", 1);
  await settled();
  assert.deepEqual(seen, [1], "not at once: what failed may need time");
  await clock.pass(1000);
  await broker.idle();
  assert.deepEqual(seen, [1, 1], "an attempt that was not kept does not count");
  assert.deepEqual(errors.map((error) => (error as EvsError).code), ["store/unavailable"]);
  assert.equal((await broker.getDeadLetterQueue().getEvents())[0]!.event.id, id);
});

Deno.test("EventBroker gives the event of a handler that never returns back when it is closed", async () => {
  const [clock, state, eventStore] = [new FakeClock(), new MemoryState(), new MemoryEventStore()];
  const errors: unknown[] = [];
  const broker = new EventBroker({
    state,
    eventStore,
    clock,
    handlerGraceMs: 500,
    onError: (error) => errors.push(error),
  });
  const begun = Promise.withResolvers<void>();
  broker.subscribe("t", () => (begun.resolve(), new Promise(() => {})), { name: "s" });
  await broker.publish("t", "x", 1);
  await begun.promise;
  const closing = broker.close();
  await settled();
  await clock.pass(500);
  await closing;
  assert.ok(errors[0] instanceof HandlerTimeoutError && errors[0].code === "handler/timed-out");
  await using again = new EventBroker({ state, eventStore });
  const attempts: number[] = [];
  again.subscribe("t", (_, { attempt }) => void attempts.push(attempt), { name: "s" });
  await again.idle();
  assert.deepEqual(attempts, [1]);
});

Deno.test("EventBroker counts what a removed topic took with it as missed, and goes on when it is there again", async () => {
  await using broker = new EventBroker();
  const seen: unknown[] = [];
  const subscription = broker.subscribe("t", (event) => void seen.push(event.payload), {
    name: "s",
  });
  const topic = broker.createTopic("t");
  const { ready } = topic;
  await ready;
  await broker.publish("t", "x", 1);
  await broker.idle();
  subscription.pause();
  await broker.publish("t", "x", 2);
  const third = await broker.publish("t", "x", 3);
  await broker.topics.remove("t");
  assert.throws(
    () => topic.options,
    (error) => error instanceof NotFoundError && error.code === "topic/not-found",
  );
  // The second was at hand already: that one is delivered.
  assert.deepEqual((await subscription.info()).missed, [{ topic: "t", from: 3, to: 3, count: 1 }]);
  subscription.resume();
  await broker.whenProcessed(third);
  assert.equal((await broker.publish("t", "x", 4)).seq, 4);
  await broker.idle();
  assert.deepEqual(seen, [1, 2, 4]);
});

Deno.test("EventBroker keeps an event as it was published, whatever its publisher and its handlers do to it", async () => {
  await using broker = new EventBroker();
  const seen: unknown[] = [];
  const spoil = (event: Event) => {
    seen.push(structuredClone(event.payload));
    event.payload.list.push("spoilt");
    event.metadata["spoilt"] = true;
    event.type = "spoilt";
  };
  broker.subscribe("t", spoil, { name: "a" });
  broker.subscribe("t", spoil, { name: "b" });
  const payload = { list: [1] };
  const metadata = { n: 1 };
  const publishing = broker.publish("t", "x", payload, { metadata });
  payload.list.push(2);
  metadata.n = 2;
  await publishing;
  await broker.idle();
  assert.deepEqual(seen, [{ list: [1] }, { list: [1] }]);
  const [stored] = await broker.getEventStore().getEvents("t");
  assert.deepEqual([stored!.type, stored!.payload, stored!.metadata], ["x", { list: [1] }, {
    n: 1,
  }]);
});
