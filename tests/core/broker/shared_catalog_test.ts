/**
 * Two brokers on one state: what one of them changes of topics, subscriptions and schemas is in
 * force on the other, and of what both change at the same moment nothing is lost.
 */
import assert from "node:assert/strict";
import type { EventBroker } from "../../../mod.ts";
import type { EvsError } from "../../../core/base/errors.ts";
import { catalogNodes as nodes, codeOf, told } from "../../helpers/catalog_nodes.ts";
import { nextTurn } from "../../helpers/late_state.ts";

const NUMBER = JSON.stringify({ type: "number" });
const STRING = JSON.stringify({ type: "string" });

Deno.test("a topic that one broker makes, changes and removes is that of the other", async () => {
  await using test = await nodes();
  const { a, b } = test;
  await a.topics.create("t", { maxEvents: 10 });
  await told(test.shared, () => b.topics.get("t")?.options.maxEvents === 10);
  await b.topics.update("t", { maxEvents: 20 });
  await told(test.shared, () => a.topics.get("t")?.options.maxEvents === 20);
  assert.equal((await b.publish("t", "x", 1)).seq, 1);
  await a.topics.remove("t");
  await told(test.shared, () => b.topics.get("t") === undefined);
  await b.topics.create("t", { maxEvents: 30 });
  await told(test.shared, () => a.topics.get("t")?.options.maxEvents === 30);
  assert.equal((await a.publish("t", "x", 1)).seq, 2, "numbers go on");
});

Deno.test("of two that make one topic with other options, one gets a conflict", async () => {
  await using test = await nodes();
  const { a, b } = test;
  const made = [a.topics.create("t", { maxEvents: 1 }), b.topics.create("t", { maxEvents: 2 })];
  const codes = await Promise.all(made.map(codeOf));
  assert.deepEqual(codes.sort(), ["fine", "topic/exists"]);
  const same = await Promise.all([a, b].map(({ topics }) => topics.create("u", { maxEvents: 3 })));
  assert.deepEqual(same.map(({ created }) => created).sort(), [false, true]);
  const [options, ...others] = [a, b].map(({ topics }) => topics.require("t").options);
  assert.deepEqual(others, [options]);
});

Deno.test("a publish that makes a topic takes the one that another broker is making", async () => {
  await using test = await nodes();
  const { a, b } = test;
  const [made, event] = await Promise.all([
    a.topics.create("t", { schema: "require" }).catch((error: EvsError) => error.code),
    b.publish("t", "x", 1).catch((error: EvsError) => error.code),
  ]);
  // One of them was first: either the publish made the topic, or it met the other's.
  if (made === "topic/exists") assert.equal((event as { seq: number }).seq, 1);
  else assert.equal(b.topics.require("t").options.schema, "require");
});

Deno.test("changes of one topic on both at the same moment are both kept", async () => {
  await using test = await nodes();
  const { a, b } = test;
  await a.topics.create("t");
  await told(test.shared, () => b.topics.get("t") !== undefined);
  await Promise.all([
    a.topics.update("t", { maxEvents: 5 }),
    b.topics.update("t", { maxBytes: 500 }),
  ]);
  await test.shared.quiet();
  for (const { topics } of [a, b]) {
    const { maxBytes, maxEvents } = topics.require("t").options;
    assert.deepEqual([maxBytes, maxEvents], [500, 5]);
  }
});

Deno.test("a subscription of one broker is paused, changed and removed by the other", async () => {
  await using test = await nodes();
  const { a, b } = test;
  await a.subscriptions.put("s", { topic: "t" });
  await told(test.shared, () => b.subscriptions.has("s"));
  await b.subscriptions.pause("s", { reason: "why" });
  await told(test.shared, () => a.subscriptions.require("s").record.paused);
  assert.equal(a.subscriptions.require("s").record.pauseReason, "why");
  await Promise.all([
    a.subscriptions.resume("s"),
    b.subscriptions.put("s", { topic: "t", settings: { maxRetries: 9 }, update: true }),
  ]);
  await test.shared.quiet();
  for (const { subscriptions } of [a, b]) {
    const { paused, settings } = subscriptions.require("s").record;
    assert.deepEqual([paused, settings.maxRetries], [false, 9]);
  }
  const go = test.shared.hold("wake");
  await a.subscriptions.remove("s");
  assert.ok(b.subscriptions.has("s"), "nobody has told");
  assert.equal(await codeOf(b.subscriptions.pause("s")), "subscription/not-found");
  assert.equal(b.subscriptions.has("s"), false);
  go();
});

Deno.test("a subscription can be used on a broker that has not heard of it yet", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await a.topics.create("t");
  const go = shared.hold("wake");
  const acts: ((broker: EventBroker, name: string) => unknown)[] = [
    ({ subscriptions }, name) => subscriptions.lease(name, {}, { consumer: "c" }),
    ({ subscriptions }, name) => subscriptions.pause(name),
    ({ subscriptions }, name) => subscriptions.resume(name),
    ({ subscriptions }, name) => subscriptions.seek(name, { to: "start" }),
    ({ subscriptions }, name) => subscriptions.info(name),
    ({ subscriptions }, name) => subscriptions.known(name),
    ({ deadLetters }, name) => deadLetters.retry({ subscription: name, all: true }),
    ({ deadLetters }, name) => deadLetters.remove({ subscription: name, all: true }),
    ({ deadLetters }, name) => deadLetters.retry({ all: true, to: name }),
    ({ deadLetterImports }, name) => deadLetterImports.retry([], { to: name }),
    ({ subscriptions }, name) => subscriptions.remove(name),
  ];
  for (const [n, act] of acts.entries()) {
    await a.subscriptions.put(`s${n}`, { topic: "t" });
    assert.equal(b.subscriptions.has(`s${n}`), false, "it has not heard");
    await act(b, `s${n}`);
  }
  const missing = { code: "subscription/not-found" };
  for (const act of acts) await assert.rejects(async () => await act(b, "none"), missing);
  go();
});

Deno.test("a subscription that was made again is changed on a broker that has not heard of that", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await a.topics.create("t");
  const acts: ((broker: EventBroker) => Promise<unknown>)[] = [
    ({ subscriptions }) => subscriptions.pause("s"),
    ({ subscriptions }) =>
      subscriptions.put("s", { topic: "t", settings: { maxRetries: 7 }, update: true }),
    ({ subscriptions }) => subscriptions.remove("s"),
  ];
  for (const act of acts) {
    await a.subscriptions.put("s", { topic: "t" });
    await told(shared, () => b.subscriptions.has("s"));
    const go = shared.hold("wake");
    await a.subscriptions.remove("s");
    await a.subscriptions.put("s", { topic: "t" });
    await act(b);
    go();
    const known = (broker: EventBroker) => broker.subscriptions.find("s")?.record.rev;
    await told(shared, () => known(a) === known(b));
  }
  assert.equal(a.subscriptions.has("s"), false);
});

Deno.test("dead letters are sent again on a broker that has not heard of their subscription", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await a.topics.create("t");
  const go = shared.hold("wake");
  const event = { type: "x", timestamp: 1, schemaVersion: "", metadata: "{}" };
  const died = { topic: "t", seq: 0, reason: "no", diedAt: 1, attempts: [] };
  const entry = (subscription: string, id: string) => ({
    ...{ ...died, subscription },
    event: { ...event, id, idGiven: true, payload: new TextEncoder().encode("1") },
  });
  await a.subscriptions.put("s", { topic: "t" });
  assert.equal(await codeOf(b.deadLetterImports.retry([entry("s", "e1")], {})), "fine");
  // Of one that is made behind its dead letters.
  await a.deadLetterImports.add([entry("later", "e2")], {});
  await a.subscriptions.put("later", { topic: "t" });
  assert.equal(await codeOf(b.deadLetters.retry({ all: true })), "fine");
  const gone = "dead-letter/subscription-gone";
  assert.equal(await codeOf(b.deadLetterImports.retry([entry("none", "e3")], {})), gone);
  go();
});

Deno.test("what one broker has removed is made again by another one that has not heard of that", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await a.topics.create("t");
  await a.subscriptions.put("s", { topic: "t" });
  await told(shared, () => b.subscriptions.has("s"));
  const go = shared.hold("wake");
  await a.subscriptions.remove("s");
  assert.ok(b.subscriptions.has("s"), "it has not heard");
  assert.equal((await b.subscriptions.put("s", { topic: "t" })).created, true);
  await a.topics.remove("t");
  assert.ok(b.topics.get("t"), "nor of this");
  assert.equal((await b.topics.create("t", { maxEvents: 7 })).created, true);
  const { topics, subscriptions } = shared.rows();
  assert.deepEqual(topics.map(({ options }) => options.maxEvents), [7]);
  assert.deepEqual(subscriptions.map(({ name }) => name), ["s"]);
  go();
});

Deno.test("resume ends a pause of another broker that this one has not heard of", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await a.subscriptions.put("s", { topic: "t" });
  await told(test.shared, () => b.subscriptions.has("s"));
  for (let times = 0; times < 5; times++) {
    await a.subscriptions.pause("s");
    const { paused } = await b.subscriptions.resume("s");
    assert.deepEqual([paused, shared.catalog().subscriptions[0]!.paused], [false, false]);
  }
});

Deno.test("a subscription that both make at the same moment is made once", async () => {
  await using test = await nodes();
  const made = await Promise.all(
    test.brokers.map(({ subscriptions }) => subscriptions.put("s", { topic: "t" })),
  );
  assert.deepEqual(made.map(({ created }) => created).sort(), [false, true]);
  const other = test.b.subscriptions.put("s", { topic: "u" });
  assert.equal(await codeOf(other), "subscription/exists");
});

Deno.test("a timed pause ends once, whichever broker's clock is first", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await a.subscriptions.put("s", { topic: "t" });
  await a.subscriptions.pause("s", { forMs: 20 });
  for (const { subscriptions } of [a, b]) {
    const isOver = () => subscriptions.has("s") && !subscriptions.require("s").record.paused;
    while (!isOver()) await nextTurn();
  }
  assert.equal(shared.catalog().subscriptions[0]!.paused, false);
});

Deno.test("a schema that one broker registers is checked by the other", async () => {
  await using test = await nodes();
  const { a, b } = test;
  await a.registerSchema("x", { type: "number" });
  await told(test.shared, () => b.schemas.has("x"));
  assert.equal(await codeOf(b.publish("t", "x", "no number")), "event/schema-violation");
  const both = [a, b].map(({ gate }, i) =>
    gate.register([{ type: "y", schema: i === 0 ? NUMBER : STRING, compatibility: "full" }])
  );
  const codes = await Promise.all(both.map(codeOf));
  assert.deepEqual(codes.sort(), ["fine", "schema/incompatible"], "the second meets the first");
  await a.gate.remove("x", "1.0");
  await told(test.shared, () => !b.schemas.has("x"));
});

Deno.test("a broker that shares its state refuses what nodes cannot do together yet", async () => {
  await using test = await nodes();
  const { a } = test;
  assert.equal(await codeOf(a.topics.create("e", { persistent: false })), "topic/local-only");
  await a.topics.create("u");
  const update = a.topics.update("u", { persistent: false });
  assert.equal(await codeOf(update), "topic/local-only");
});

Deno.test("retention knows what is consumed of the parts of all nodes, and of their retries", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await a.topics.create("t", { drop: "consumed" });
  for (let n = 1; n <= 40; n++) await a.publish("t", "x", n, { key: `k${n}` });
  await a.subscriptions.put("s", { topic: "t" });
  await told(test.shared, () => b.subscriptions.has("s"));
  assert.deepEqual(await a.retain(), [], "nobody has begun");
  const seqs: number[] = [];
  while (seqs.length < 40) {
    const request = { max: 40, waitMs: 60_000 };
    const { deliveries } = await a.subscriptions.lease("s", request, { consumer: "one" });
    seqs.push(...deliveries.map(({ entry }) => entry.seq));
    // One of them is tried again later.
    const isLate = ({ entry }: (typeof deliveries)[number]) => entry.seq === 20;
    const done = deliveries.filter((lease) => !isLate(lease)).map(({ token }) => token);
    await a.subscriptions.ack("s", done);
    for (const { token } of deliveries.filter(isLate)) {
      await a.subscriptions.nack("s", [{ lease: token, error: "no", afterMs: 3_600_000 }]);
    }
  }
  await a.subscriptions.require("s").flush();
  assert.equal(shared.catalog().subscriptions[0]!.parts, 16);
  // It delivers none of it.
  assert.deepEqual(await b.retain(), [{ topic: "t", removed: 19 }]);
  assert.deepEqual(await a.retain(), []);
});

Deno.test("retention keeps what a subscription lacks that it has not heard of, by options that are so now", async () => {
  await using test = await nodes();
  const { a, b } = test;
  await a.topics.create("t", { drop: "consumed" });
  await a.topics.create("limited", { maxEvents: 2 });
  await a.subscriptions.put("s", { topic: "t" });
  await told(test.shared, () => b.subscriptions.has("s") && b.topics.get("limited") !== undefined);
  for (const topic of ["t", "limited"]) for (let n = 1; n <= 3; n++) await a.publish(topic, "x", n);
  const leased = await a.subscriptions.lease("s", { max: 3 }, { consumer: "c" });
  await a.subscriptions.ack("s", leased.deliveries.map(({ token }) => token));
  const hear = test.shared.hold("wake");
  await b.subscriptions.put("late", { topic: "t", from: "start" });
  await b.topics.update("limited", { keep: "unconsumed" });
  assert.equal(a.subscriptions.has("late"), false);
  assert.deepEqual(await a.retain(), []);
  assert.equal(a.subscriptions.has("late"), true);
  hear();
});

Deno.test("an append that has a topic truncated at once keeps what a subscription lacks elsewhere", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await a.topics.create("t", { maxEvents: 2, keep: "unconsumed" });
  await a.subscriptions.put("s", { topic: "t" });
  await told(shared, () => b.subscriptions.has("s"));
  for (let n = 1; n <= 2; n++) await a.publish("t", "x", n);
  const { deliveries } = await a.subscriptions.lease("s", { max: 2 }, { consumer: "c" });
  await a.subscriptions.ack("s", deliveries.map(({ token }) => token));
  const hear = shared.hold("wake");
  await b.subscriptions.put("late", { topic: "t", from: "start" });
  for (let n = 3; n <= 6; n++) await a.publish("t", "x", n);
  hear();
  await shared.quiet();
  assert.equal(shared.events.head("t").firstSeq, 1);
});

Deno.test("refresh begins to read after it was called, whatever is under way", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  const go = shared.hold("wake");
  const early = b.topics.update("u", {}).catch(() => {}); // looks for a topic that nobody has
  await a.topics.create("t");
  // Not known: nobody has told.
  await b.topics.update("t", { maxEvents: 7 });
  assert.equal(b.topics.require("t").options.maxEvents, 7);
  await early;
  go();
});

Deno.test("what a broker stores while it reads the catalog stays", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  let read = 0;
  shared.turns = (step) => (step === "catalog-answer" && read++, 1);
  const go = shared.hold("catalog-answer");
  await b.topics.create("t");
  while (read === 0) await nextTurn();
  await a.topics.create("u");
  await a.subscriptions.put("s", { topic: "u" });
  // The next read, which would bring back what this one forgets, takes longer than the look at it.
  shared.turns = () => 5;
  go();
  while (a.topics.get("t") === undefined) await nextTurn();
  assert.ok(a.topics.get("u"));
  assert.ok(a.subscriptions.has("s"));
});
