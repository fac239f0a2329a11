/**
 * Brokers on one state whose acts on topics, subscriptions and schemas cross each other on their way:
 * what each of them knows in the end is what is stored.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import type { EventBroker } from "../../../mod.ts";
import {
  type CatalogUsers,
  SharedCatalog,
  type SharedCatalogContext,
} from "../../../core/broker/shared_catalog.ts";
import type { StateSnapshot } from "../../../core/state/state.ts";
import { catalogNodes as nodes, codeOf, told } from "../../helpers/catalog_nodes.ts";
import { dose } from "../../helpers/dose.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { nextTurn } from "../../helpers/late_state.ts";
import { assertSeeded } from "../../helpers/seed.ts";
import type { SharedMemory, Step } from "../../helpers/shared_catalog_state.ts";

const FILE = "tests/core/broker/catalog_crossing_test.ts";
const NUMBER = JSON.stringify({ type: "number" });
const STRING = JSON.stringify({ type: "string" });

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

Deno.test("refresh that is asked for while the broker opens reads when it is open, or not at all", async () => {
  let reads = 0;
  const state = { onCommit: () => {} };
  const shared = {
    catalog: () => (reads++, Promise.reject(new Error("read"))),
    onCatalog: () => () => {},
  };
  const make = () =>
    new SharedCatalog({ shared, state, onError: () => {} } as unknown as SharedCatalogContext);
  const opening = make();
  const early = opening.refresh();
  await nextTurn();
  assert.equal(reads, 0, "nobody could learn of it yet");
  const failed = assert.rejects(early, /^Error: read$/);
  const started = opening.start({} as StateSnapshot, { gate: {} } as CatalogUsers);
  await assert.rejects(started, /^Error: read$/);
  await failed;
  const closed = make();
  const never = closed.refresh();
  await closed.close();
  await never;
  assert.equal(reads, 1, "once for both, and not by one that never opens");
});
