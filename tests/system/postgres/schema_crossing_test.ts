/**
 * Two brokers on one PostgreSQL: what one of them changes of schemas, topics and subscriptions holds
 * on the other, from the moment that it is answered where it decides what is stored, and soon
 * otherwise.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../mod.ts";
import type { EvsError } from "../../../core/base/errors.ts";
import { PostgresState } from "../../../core/state/postgres/postgres_state.ts";
import { PostgresEventStore } from "../../../core/store/postgres/postgres_event_store.ts";
import { dose } from "../../helpers/dose.ts";
import { emptyDatabase, endServer, giveBack } from "./states.ts";

Deno.test.afterAll(endServer);

/** Two brokers on a database that is emptied afterwards. */
async function nodes() {
  const url = await emptyDatabase();
  const errors: unknown[] = [];
  const make = async () => {
    const state = await PostgresState.open(url);
    const eventStore = await PostgresEventStore.open(url);
    const broker = new EventBroker({ state, eventStore, onError: (error) => errors.push(error) });
    await broker.ready;
    return broker;
  };
  const [a, b] = [await make(), await make()];
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      await Promise.all([a.close(), b.close()]);
      await giveBack(url);
      assert.deepEqual(errors, []);
    },
  };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(() => "fine", (error: EvsError) => error.code);

async function until(holds: () => boolean | undefined): Promise<void> {
  while (!holds()) await new Promise((go) => setTimeout(go, 2));
}

Deno.test("a violation is refused that is published after the schema was registered elsewhere", async () => {
  await using test = await nodes();
  const rounds = dose(100, 1000);
  for (let round = 0; round < rounds; round++) {
    // By turns: each has just learned, or not yet, what the other did.
    const [here, there] = round % 2 === 0 ? [test.a, test.b] : [test.b, test.a];
    const type = `type${round}`;
    await here.registerSchema(type, { type: "number" });
    const codes = await Promise.all([
      codeOf(there.publish("t", type, "no number")),
      codeOf(there.publish("t", type, round)),
    ]);
    assert.deepEqual(codes, ["event/schema-violation", "fine"], `round ${round}`);
  }
  const events = await test.a.getEventStore().getEvents("t");
  const payloads = events.map(({ payload }) => payload);
  assert.deepEqual(payloads, Array.from({ length: rounds }, (_, round) => round));
});

Deno.test("of two brokers that make one topic with other options, one gets a conflict", async () => {
  await using test = await nodes();
  for (let round = 0; round < dose(10); round++) {
    const name = `t${round}`;
    const codes = await Promise.all([
      codeOf(test.a.topics.create(name, { maxEvents: 1 })),
      codeOf(test.b.topics.create(name, { maxEvents: 2 })),
    ]);
    assert.deepEqual(codes.sort(), ["fine", "topic/exists"]);
    const same = test.a.topics.require(name).options;
    assert.deepEqual(test.b.topics.require(name).options, same);
  }
});

Deno.test("a pause, settings and a removal reach the other broker", async () => {
  await using test = await nodes();
  const { a, b } = test;
  await a.subscriptions.put("s", { topic: "t" });
  await until(() => b.subscriptions.has("s"));
  await Promise.all([
    b.subscriptions.pause("s", { reason: "why" }),
    a.subscriptions.put("s", { topic: "t", settings: { maxRetries: 9 }, update: true }),
  ]);
  for (const { subscriptions } of [a, b]) {
    const record = () => subscriptions.require("s").record;
    await until(() => record().paused && record().settings.maxRetries === 9);
  }
  await b.subscriptions.remove("s");
  await until(() => !a.subscriptions.has("s"));
});

Deno.test("what is published while its topic is removed elsewhere is removed with it, or stays", async () => {
  await using test = await nodes();
  const { a, b } = test;
  for (let round = 1; round <= dose(5); round++) {
    const topic = `t${round}`;
    await b.topics.create(topic);
    const acked: number[] = [];
    let isOver = false;
    const publishing = (async () => {
      while (!isOver) acked.push((await b.publish(topic, "x", round)).seq!);
    })();
    await until(() => acked.length >= 3);
    await a.topics.remove(topic);
    const removed = acked.length;
    await until(() => acked.length >= removed + 3);
    isOver = true;
    await publishing;
    const last = acked.at(-1)!;
    assert.deepEqual(acked, Array.from({ length: last }, (_, i) => i + 1), "each number once");
    const stored = (await b.getEventStore().getEvents(topic)).map(({ seq }) => seq);
    assert.ok(stored.length >= 2 && stored.length < acked.length, `${stored.length} of ${last}`);
    assert.deepEqual(stored, acked.slice(-stored.length), "a rest without gaps");
    await until(() => a.topics.get(topic) !== undefined);
  }
});
