/**
 * Events that were checked by schemas and topics of which another broker changes some before they
 * are stored: they are checked again, and what is refused then is stored nowhere.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import type { EvsError } from "../../../core/base/errors.ts";
import type { StoreRequest } from "../../../core/store/pack.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { dose } from "../../helpers/dose.ts";
import { nextTurn } from "../../helpers/late_state.ts";
import { SharedMemory } from "../../helpers/shared_catalog_state.ts";

const NUMBER = { type: "number" };
const codeOf = (promise: Promise<unknown>) =>
  promise.then(() => "fine", (error: EvsError) => error.code);

/** Two brokers that nothing wakes: they learn only what they ask for. */
async function asleep() {
  const shared = new SharedMemory();
  const make = () => new EventBroker({ state: shared.node(), eventStore: shared.events });
  const [a, b] = [make(), make()];
  await Promise.all([a.ready, b.ready]);
  const wake = shared.hold("wake");
  return {
    shared,
    a,
    b,
    async [Symbol.asyncDispose]() {
      wake();
      await Promise.all([a.close(), b.close()]);
    },
  };
}

async function stored(shared: SharedMemory, topic: string): Promise<unknown[]> {
  return (await shared.events.getEvents(topic)).map(({ payload }) => payload);
}

Deno.test("a violation is refused that is published after the schema was registered elsewhere", async () => {
  await using test = await asleep();
  const { a, b, shared } = test;
  await b.publish("t", "x", "anything goes");
  for (let round = 0; round < dose(100); round++) {
    const type = `type${round}`;
    await a.registerSchema(type, NUMBER);
    assert.equal(b.schemas.has(type), false, "nobody has told");
    assert.equal(await codeOf(b.publish("t", type, "no number")), "event/schema-violation");
    assert.equal((await b.publish("t", type, round)).schemaVersion, "1.0");
  }
  const payloads = await stored(shared, "t");
  assert.deepEqual(payloads.slice(1), Array.from({ length: dose(100) }, (_, round) => round));
});

Deno.test("a schema that was learned is compiled: whoever checks at once can do so", async () => {
  await using test = await asleep();
  const { a, b } = test;
  await a.registerSchema("x", NUMBER);
  await b.shared!.refresh();
  const candidate = { type: "x", version: undefined };
  assert.equal(b.admit("t", { ...candidate, payload: 1 }), "1.0");
  assert.throws(() => b.admit("t", { ...candidate, payload: "no number" }), {
    code: "event/schema-violation",
  });
});

Deno.test("one violation refuses none of the events that share its append", async () => {
  await using test = await asleep();
  const { a, b, shared } = test;
  await b.topics.create("t");
  await a.registerSchema("x", NUMBER);
  const codes = await Promise.all([
    codeOf(b.publish("t", "x", 1)),
    codeOf(b.publish("t", "x", "no number")),
    codeOf(b.publish("t", "y", "no schema")),
    codeOf(b.publishBatch("t", [{ type: "x", payload: 2 }, { type: "x", payload: "no" }])),
    codeOf(b.publishAll([
      { topic: "t", type: "y", payload: 3 },
      { topic: "u", type: "x", payload: "no" },
    ])),
    codeOf(b.publishAll([
      { topic: "t", type: "x", payload: 4 },
      { topic: "u", type: "y", payload: 5 },
    ])),
  ]);
  const violation = "event/schema-violation";
  assert.deepEqual(codes, ["fine", violation, "fine", violation, violation, "fine"]);
  assert.deepEqual(await stored(shared, "t"), [1, "no schema", 4]);
  assert.deepEqual(await stored(shared, "u"), [5]);
});

Deno.test("a version that was not given is the newest by the time that the event is stored", async () => {
  await using test = await asleep();
  const { a, b } = test;
  await a.registerSchema("x", NUMBER);
  await b.publish("t", "x", 1); // learns the first version
  const { version } = await a.registerSchema("x", { type: "number", maximum: 9 });
  assert.notEqual(version, "1.0");
  assert.equal((await b.publish("t", "x", 2)).schemaVersion, version);
  await a.registerSchema("x", { type: "boolean" }, { version: "20.0" });
  assert.equal((await b.publish("t", "x", 5, { schemaVersion: "1.0" })).schemaVersion, "1.0");
  const later = b.publish("t", "x", 5);
  assert.equal(await codeOf(later), "event/schema-violation");
});

Deno.test("a version that was the newest counts as not given, whatever was learned on the way", async () => {
  await using test = await asleep();
  const { a, b, shared } = test;
  await a.registerSchema("x", NUMBER);
  await b.publish("t", "x", 1);
  const go = shared.hold("append");
  const published = codeOf(b.publish("t", "x", 2)); // checked by 1.0
  await nextTurn();
  await a.registerSchema("x", { type: "boolean" }, { version: "2.0" });
  await b.shared!.refresh();
  go();
  assert.equal(await published, "event/schema-violation", "2.0 applies to what gives no version");
});

Deno.test("an event is checked by the rules of a topic that another broker makes first", async () => {
  await using test = await asleep();
  const { a, b, shared } = test;
  await a.topics.create("t", { schema: "require" });
  assert.equal(await codeOf(b.publish("t", "x", 1)), "event/schema-required");
  await b.topics.update("t", { schema: "validate" });
  assert.equal((await b.publish("t", "x", 1)).seq, 1);
  await a.topics.update("t", { schema: "require" });
  assert.equal(await codeOf(b.publish("t", "x", 2)), "event/schema-required");
  await b.topics.update("t", { schema: "off" });
  await a.topics.remove("t");
  assert.equal((await b.publish("t", "x", 2)).seq, 2, "a topic that is gone is made anew");
  assert.deepEqual(await stored(shared, "t"), [2]);
});

Deno.test("events of a topic that is gone are refused where publishing makes none", async () => {
  await using test = await asleep();
  const { a, shared } = test;
  await using c = new EventBroker({
    state: shared.node(),
    eventStore: shared.events,
    autoCreateTopics: false,
  });
  await a.topics.create("t");
  await c.shared!.refresh();
  await a.topics.remove("t");
  assert.equal(await codeOf(c.publish("t", "x", 1)), "topic/not-found");
  assert.deepEqual(await stored(shared, "t"), []);
});

Deno.test("what was checked when it was passed on is not checked by what holds later only", async () => {
  await using test = await asleep();
  const { a, b, shared } = test;
  await b.topics.create("t");
  const request: StoreRequest = { topic: "t", events: [newEvent()], under: b.checkedUnder("t")! };
  await a.registerSchema(newEvent().type, { type: "boolean" });
  await b.shared!.refresh();
  assert.equal(await codeOf(b.append(request)), "event/schema-violation");
  const accepted: StoreRequest = { topic: "t", events: [newEvent()], under: { topic: -1 } };
  assert.equal(await codeOf(b.append(accepted)), "fine", "it was accepted before");
  assert.equal((await stored(shared, "t")).length, 1);
});

Deno.test("a broker that nobody else changes anything for checks each event once", async () => {
  await using test = await asleep();
  const { b, shared } = test;
  await b.registerSchema("x", NUMBER);
  await b.publish("t", "x", 1);
  await b.topics.update("t", { maxEvents: 5 });
  await b.publish("t", "x", 2);
  await b.publishAll([{ topic: "u", type: "x", payload: 1 }, {
    topic: "t",
    type: "x",
    payload: 1,
  }]);
  assert.equal(shared.events.rechecks, 0);
});
