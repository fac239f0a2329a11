/**
 * Two brokers on one state: what one of them changes of topics, subscriptions and schemas is in
 * force on the other, and of what both change at the same moment nothing is lost.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EventBroker } from "../../../mod.ts";
import type { EvsError } from "../../../core/base/errors.ts";
import { dose } from "../../helpers/dose.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { nextTurn } from "../../helpers/late_state.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import { SharedMemory, type Step } from "../../helpers/shared_catalog_state.ts";

const FILE = "tests/core/broker/shared_catalog_test.ts";
const NUMBER = JSON.stringify({ type: "number" });
const STRING = JSON.stringify({ type: "string" });

/** Brokers on one state; errors that nobody gets fail the test when they are disposed of. */
async function nodes(count = 2) {
  const shared = new SharedMemory();
  const errors: unknown[] = [];
  const make = () =>
    new EventBroker({
      state: shared.node(),
      eventStore: shared.events,
      onError: (error) => errors.push(error),
    });
  const brokers = Array.from({ length: count }, make);
  await Promise.all(brokers.map(({ ready }) => ready));
  const [a, b] = brokers as [EventBroker, EventBroker];
  return {
    shared,
    brokers,
    errors,
    a,
    b,
    make,
    async [Symbol.asyncDispose]() {
      await Promise.all(brokers.map((broker) => broker.close()));
      assert.deepEqual(errors, []);
    },
  };
}

/** When all have been told of everything, it is so. */
async function told(shared: SharedMemory, isSo: () => boolean): Promise<void> {
  await shared.quiet();
  assert.ok(isSo(), String(isSo));
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(() => "fine", (error: EvsError) => error.code);

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

Deno.test("what one broker has removed is made again by another one that has not heard of that", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await a.topics.create("t");
  await a.subscriptions.put("s", { topic: "t" });
  await told(shared, () => b.subscriptions.has("s"));
  const go = shared.hold("wake");
  await a.subscriptions.remove("s");
  await a.topics.remove("t");
  assert.ok(b.subscriptions.has("s") && b.topics.get("t"), "it has not heard");
  assert.equal((await b.topics.create("t", { maxEvents: 7 })).created, true);
  assert.equal((await b.subscriptions.put("s", { topic: "t" })).created, true);
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
  for (let n = 3; n <= 4; n++) await a.publish("t", "x", n);
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

/**
 * Has `b` make something while `a` makes and removes one of that name: `b` learns of it when its own
 * is stored, and is not told yet that it is.
 */
async function crossing(
  { shared }: { shared: SharedMemory },
  { made, known, before }: {
    made: () => Promise<unknown>;
    known: () => boolean;
    before: () => Promise<unknown>;
  },
): Promise<void> {
  const store = shared.hold("commit");
  const making = made();
  for (let turns = 0; turns < 10; turns++) await nextTurn();
  shared.holds.delete("commit"); // of others
  const answer = shared.hold("catalog-answer");
  await before();
  // It is told before the catalog has been read once more.
  shared.turns = (step) =>
    ({ commit: 50, catalog: 300 } as Partial<Record<Step, number>>)[step] ?? 1;
  store();
  for (let turns = 0; turns < 10; turns++) await nextTurn();
  answer();
  while (!known()) await nextTurn();
  await making;
  await shared.quiet();
}

Deno.test("a subscription that takes the place of one that is removed meanwhile is the one that is stored", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await crossing(test, {
    made: () => b.subscriptions.put("s", { topic: "of-b" }),
    known: () => b.subscriptions.has("s"),
    async before() {
      await a.subscriptions.put("s", { topic: "of-a" });
      for (let turns = 0; turns < 10; turns++) await nextTurn();
      shared.holds.delete("catalog-answer");
      await a.subscriptions.remove("s");
    },
  });
  for (const broker of test.brokers) assert.deepEqual(knownTo(broker), stored(shared));
  assert.equal(b.subscriptions.require("s").record.topic, "of-b");
});

Deno.test("a topic that takes the place of one that is removed meanwhile is the one that is stored", async () => {
  await using test = await nodes();
  const { a, b, shared } = test;
  await crossing(test, {
    made: () => b.topics.create("t", { maxEvents: 2 }),
    known: () => b.topics.get("t")?.options.maxEvents === 1,
    async before() {
      await a.topics.create("t", { maxEvents: 1 });
      for (let turns = 0; turns < 10; turns++) await nextTurn();
      shared.holds.delete("catalog-answer");
      await a.topics.remove("t");
    },
  });
  for (const broker of test.brokers) assert.deepEqual(knownTo(broker), stored(shared));
  assert.equal(b.topics.get("t")?.options.maxEvents, 2);
});

/** Has another broker register something while this one compares what it registers, once. */
function whileComparing(broker: EventBroker, act: () => Promise<unknown>): void {
  const { schemas } = broker;
  const plan = schemas.plan.bind(schemas);
  schemas.plan = async (requests) => {
    schemas.plan = plan;
    const plans = await plan(requests);
    await act();
    return plans;
  };
}

Deno.test("a schema is compared with what another broker registers while it is compared", async () => {
  await using test = await nodes();
  const { a, b } = test;
  whileComparing(a, async () => {
    await b.gate.register([{ type: "y", schema: STRING, compatibility: "full" }]);
    await told(test.shared, () => a.schemas.level("y") === "full");
  });
  const made = a.gate.register([{ type: "y", schema: NUMBER }]);
  assert.equal(await codeOf(made), "schema/incompatible");
});

Deno.test("a schema that is registered again leaves a level alone that another broker sets meanwhile", async () => {
  await using test = await nodes();
  const { a, b } = test;
  await a.gate.register([{ type: "y", schema: NUMBER }]);
  await told(test.shared, () => b.schemas.has("y"));
  let isSent = false;
  test.shared.turns = (step) => {
    const turns = step === "commit" && !isSent ? 200 : 1;
    isSent ||= step === "commit";
    return turns;
  };
  const again = a.gate.register([{ type: "y", schema: NUMBER }]);
  while (!isSent) await nextTurn();
  await b.gate.register([{ type: "y", schema: NUMBER, compatibility: "full" }]);
  while (a.schemas.level("y") !== "full") await nextTurn();
  await again;
  assert.equal(a.schemas.level("y"), "full");
});

/** One act of the property below; errors of conflicts are as good as success. */
const ACTS: ((broker: EventBroker, number: number) => Promise<unknown>)[] = [
  ({ topics }, n) => topics.create(`t${n % 2}`, { maxEvents: n }),
  ({ topics }, n) => topics.update(`t${n % 2}`, n < 5 ? { maxEvents: n } : { maxBytes: n }),
  ({ topics }, n) => topics.remove(`t${n % 2}`),
  (broker, n) => broker.publish(`t${n % 2}`, "x", n),
  ({ subscriptions }, n) => subscriptions.put(`s${n % 2}`, { topic: "*" }),
  ({ subscriptions }, n) => subscriptions.pause(`s${n % 2}`, { reason: String(n) }),
  ({ subscriptions }, n) => subscriptions.resume(`s${n % 2}`),
  ({ subscriptions }, n) =>
    subscriptions.put(`s${n % 2}`, { topic: "*", settings: { maxRetries: n }, update: true }),
  ({ subscriptions }, n) => subscriptions.remove(`s${n % 2}`),
  ({ gate }, n) => gate.register([{ type: `y${n % 2}`, schema: n < 5 ? NUMBER : STRING }]),
  ({ gate }, n) =>
    gate.register([{ type: `y${n % 2}`, schema: NUMBER, compatibility: n < 5 ? "full" : "none" }]),
  ({ gate }, n) => gate.remove(`y${n % 2}`, `${1 + n % 3}.0`),
];

/** What a broker knows. */
function knownTo({ topics, subscriptions, schemas, gate }: EventBroker) {
  return {
    topics: topics.list().map(({ name, options, rev }) => ({ name, options, rev })),
    subscriptions: subscriptions.all().map(({ record }) => record),
    schemas: schemas.list().map(({ type, version, schema }) => ({ type, version, schema })),
    levels: schemas.levels().sort((one, other) => one.type < other.type ? -1 : 1),
    schemasRev: gate.rev,
  };
}

function stored(shared: SharedMemory) {
  const { topics, subscriptions, schemas, levels, schemasRev } = shared.catalog();
  const byName = (one: { name: string }, other: { name: string }) => one.name < other.name ? -1 : 1;
  return {
    topics: topics.sort(byName).map(({ name, options, rev }) => ({ name, options, rev })),
    subscriptions: subscriptions.sort(byName),
    schemas: schemas.map(({ type, version, schema }) => ({ type, version, schema }))
      .sort((one, other) =>
        `${one.type} ${one.version}` < `${other.type} ${other.version}` ? -1 : 1
      ),
    levels: levels.sort((one, other) => one.type < other.type ? -1 : 1),
    schemasRev,
  };
}

/** A name that is taken, or is not there by then, and changes that others always made first. */
const EXPECTED = /^(?:fine$|(?:topic|subscription|schema|state)\/)/;

Deno.test("three brokers know what the state says, whatever they did at the same moment", () =>
  assertSeeded(
    fc.asyncProperty(
      fc.integer(),
      fc.array(fc.tuple(fc.nat(2), fc.nat(ACTS.length - 1), fc.nat(9)), {
        minLength: 1,
        maxLength: 25,
      }),
      async (seed, acts) => {
        await using test = await nodes(3);
        const random = randomFrom(seed);
        test.shared.turns = () => random(3);
        const done: Promise<string>[] = [];
        for (const [node, act, number] of acts) {
          const made = Promise.try(() => ACTS[act]!(test.brokers[node]!, number));
          done.push(codeOf(made));
          for (let turns = random(3); turns > 0; turns--) await nextTurn();
        }
        for (const code of await Promise.all(done)) assert.match(code, EXPECTED);
        await test.shared.quiet(); // nobody asks: they are told
        for (const broker of test.brokers) assert.deepEqual(knownTo(broker), stored(test.shared));
      },
    ),
    { numRuns: dose(25), file: FILE },
  ));
