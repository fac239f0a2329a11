/** Events published by a handler name their cause. */
import assert from "node:assert/strict";
import { causedBy, type Event, EventBroker, EventSourcedRepository } from "../../../mod.ts";
import { Account } from "../sourcing/account.ts";

async function broker(): Promise<EventBroker> {
  const made = new EventBroker();
  for (const topic of ["live", "live.out"]) made.createTopic(topic, { persistent: false });
  await made.publish("warm", "up", 1);
  return made;
}

function collect(broker: EventBroker, topic: string): Event[] {
  const events: Event[] = [];
  broker.subscribe(topic, (event) => void events.push(event));
  return events;
}

for (const topic of ["kept", "live"]) {
  Deno.test(`an event published in a handler of the ${topic} topic names what it was published because of`, async () => {
    await using bus = await broker();
    const out = collect(bus, "out");
    bus.subscribe(topic, async () => {
      await new Promise((resolve) => setTimeout(resolve, 0));
      await bus.publish("out", "second", {});
    });
    const first = await bus.publish(topic, "first", {});
    await bus.idle();
    assert.deepEqual(out[0]?.metadata, { causationId: first.id, correlationId: first.id });
  });

  Deno.test(`handlers of the ${topic} topic that run at a time do not see each other's cause`, async () => {
    await using bus = await broker();
    const out = collect(bus, "out");
    bus.subscribe(topic, async ({ payload }) => {
      for (let i = payload; i > 0; i--) await new Promise((resolve) => setTimeout(resolve, 0));
      await bus.publish("out", "second", payload);
    }, { concurrency: 5 });
    const firsts = await Promise.all([4, 2, 0, 3, 1].map((n) => bus.publish(topic, "first", n)));
    await bus.idle();
    assert.equal(out.length, 5);
    for (const { payload, metadata } of out) {
      assert.equal(metadata["causationId"], firsts.find((first) => first.payload === payload)!.id);
    }
  });
}

Deno.test("a chain of events keeps the correlation of the first, and each names the one before it", async () => {
  await using bus = await broker();
  const seen: Event[] = [];
  bus.subscribe("a", (event) => bus.publish("b", "x", { of: event.id }));
  bus.subscribe("b", (event) => bus.publish("live", "x", { of: event.id }));
  bus.subscribe("live", (event) => bus.publish("c", "x", { of: event.id }));
  bus.subscribe("*", (event) => void seen.push(event));
  await bus.publish("a", "x", {}, { correlationId: "order-7" });
  await bus.idle();
  const rest = seen.filter(({ topic }) => topic !== "a");
  assert.deepEqual(rest.map(({ topic }) => topic).sort(), ["b", "c", "live"]);
  for (const { metadata, payload } of rest) {
    assert.deepEqual(metadata, { causationId: payload.of, correlationId: "order-7" });
  }
});

Deno.test("a handler that does not wait hands its cause on, and takes it away with it", async () => {
  await using bus = await broker();
  const out = collect(bus, "out");
  const published: Promise<unknown>[] = [];
  bus.subscribe("live", (event) => {
    published.push(bus.publish("out", "second", event.payload));
  });
  const firsts: Event[] = [];
  for (const n of [1, 2, 3]) {
    firsts.push(await bus.publish("live", "first", n));
    await bus.publish("out", "beside", n);
  }
  await Promise.all(published);
  await bus.idle();
  const by = (type: string) =>
    out.filter((event) => event.type === type).map(({ metadata }) => metadata["causationId"]);
  assert.deepEqual(by("second"), firsts.map(({ id }) => id));
  assert.deepEqual(by("beside"), [undefined, undefined, undefined]);
});

Deno.test("what a publisher says of the cause stands, and causedBy says it by hand", async () => {
  await using bus = await broker();
  const out = collect(bus, "out");
  bus.subscribe("kept", () => bus.publish("out", "second", {}, { causationId: "mine" }));
  const first = await bus.publish("kept", "first", {}, { correlationId: "c" });
  await bus.idle();
  assert.deepEqual(out[0]?.metadata, { causationId: "mine", correlationId: "c" });
  assert.deepEqual(causedBy(first), { causationId: first.id, correlationId: "c" });
});

Deno.test("what an aggregate records in a handler names the cause too", async () => {
  await using bus = await broker();
  const accounts = new EventSourcedRepository<Account>((id) => new Account(id), { broker: bus });
  bus.subscribe("kept", () => accounts.update("a", (account) => account.deposit(1)));
  const first = await bus.publish("kept", "first", {});
  await bus.idle();
  const [event] = await bus.getEventStore().getEvents("aggregates");
  assert.deepEqual(event?.metadata, {
    causationId: first.id,
    correlationId: first.id,
    aggregateId: "a",
    aggregateVersion: 1,
  });
});
