/** Projections catch up, follow, rebuild and survive failures. */
import assert from "node:assert/strict";
import {
  BrokenHistoryError,
  type Event,
  EventBroker,
  EventSourcedRepository,
  FileProjectionStore,
  InvalidArgumentError,
  MemoryProjectionStore,
  Projection,
  type ProjectionDefinition,
  ProjectionError,
  type ProjectionRecord,
  type ProjectionStore,
  UnsupportedError,
  Upcasters,
} from "../../../mod.ts";
import { Account, errorList } from "./account.ts";

interface Totals {
  sum: number;
  count: number;
}

function totals(more: Partial<ProjectionDefinition<Totals>> = {}): ProjectionDefinition<Totals> {
  return {
    name: "totals",
    topic: "t",
    initial: { sum: 0, count: 0 },
    on: {
      n: (state, { payload }) => {
        state.count++;
        state.sum += payload;
      },
      reset: () => ({ sum: 0, count: 0 }),
    },
    ...more,
  };
}

async function publish(broker: EventBroker, ...payloads: number[]): Promise<void> {
  await Promise.all(payloads.map((payload) => broker.publish("t", "n", payload)));
}

Deno.test("Projection.catchUp takes in each event once, over several reads", async () => {
  await using broker = new EventBroker();
  const projection = new Projection(totals(), { broker });
  await publish(broker, ...Array.from({ length: 1200 }, () => 1));
  await projection.catchUp();
  await projection.catchUp();
  assert.deepEqual(projection.state, { sum: 1200, count: 1200 });
  await broker.publish("t", "other", 5);
  await broker.publish("t", "reset", 0);
  await publish(broker, 7);
  await Promise.all([projection.catchUp(), projection.catchUp()]);
  assert.deepEqual(projection.state, { sum: 7, count: 1 });
  assert.deepEqual(projection.checkpoint, { t: 1203 });
});

Deno.test("Projection goes on from its checkpoint, and begins anew when its version changed", async () => {
  await using broker = new EventBroker();
  const dir = await Deno.makeTempDir({ prefix: "evs-projection-" });
  const store = new FileProjectionStore(`${dir}/p`);
  await publish(broker, 1, 2);
  await new Projection(totals(), { broker, store }).catchUp();
  await publish(broker, 4);
  let seen = 0;
  const counting = (version?: string) => {
    const definition = totals({ version });
    const { n } = definition.on;
    definition.on = { n: (state, event) => (seen++, n!(state, event)) };
    return new Projection(definition, { broker, store });
  };
  const second = counting();
  await second.catchUp();
  assert.deepEqual([seen, second.state.sum], [1, 7]);
  seen = 0;
  const third = counting("2");
  await third.catchUp();
  assert.deepEqual([seen, third.state.sum], [3, 7]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("Projection counts nothing twice when its record could not be saved", async () => {
  await using broker = new EventBroker();
  const { told, onError } = errorList();
  const kept = new MemoryProjectionStore();
  let full = false;
  const store: ProjectionStore = {
    load: (name) => kept.load(name),
    save: (record) => full ? Promise.reject(new Error("disk full")) : kept.save(record),
  };
  const first = new Projection(totals(), { broker, store, onError });
  await publish(broker, 1);
  await first.catchUp();
  full = true;
  await publish(broker, 2);
  await first.catchUp();
  assert.deepEqual(first.state, { sum: 3, count: 2 });
  assert.equal(told.length, 1);
  const second = new Projection(totals(), { broker, store: kept });
  await second.catchUp();
  assert.deepEqual(second.state, { sum: 3, count: 2 });
});

Deno.test("Projection stands before the event whose reducer throws, with nothing half done, and tries it again", async () => {
  await using broker = new EventBroker();
  let broken = true;
  const projection = new Projection(
    totals({
      on: {
        n: (state, { payload }) => {
          state.count++;
          if (broken && payload === 3) throw new Error("three!");
          state.sum += payload;
        },
      },
    }),
    { broker },
  );
  await publish(broker, 1, 2, 3, 4);
  for (let i = 0; i < 2; i++) {
    await assert.rejects(projection.catchUp(), (error) => {
      assert.ok(error instanceof ProjectionError);
      assert.equal(error.code, "projection/failed");
      assert.equal(error.details?.["seq"], 3);
      return true;
    });
    assert.deepEqual(projection.state, { sum: 3, count: 2 });
    assert.deepEqual(projection.checkpoint, { t: 2 });
  }
  broken = false;
  await projection.catchUp();
  assert.deepEqual(projection.state, { sum: 10, count: 4 });
});

Deno.test("Projection.rebuild serves the old state until the new one is whole", async () => {
  await using broker = new EventBroker();
  let factor = 1;
  const projection: Projection<Totals> = new Projection(
    totals({
      on: {
        n: (state, { payload }) => {
          if (factor === 0) throw new Error("no factor");
          assert.ok(projection.state.sum === 0 || projection.state.sum === 6);
          state.sum += payload * factor;
        },
      },
    }),
    { broker },
  );
  await publish(broker, 1, 2, 3);
  await projection.catchUp();
  factor = 0;
  await assert.rejects(projection.rebuild(), ProjectionError);
  assert.equal(projection.state.sum, 6);
  factor = 10;
  await projection.rebuild();
  assert.equal(projection.state.sum, 60);
});

Deno.test("Projection.rebuild refuses when retention took events, and the state stays", async () => {
  await using broker = new EventBroker();
  const { told, onError } = errorList();
  const projection = new Projection(totals(), { broker, onError });
  await publish(broker, 1, 2, 3);
  await projection.catchUp();
  await broker.store.truncate("t", 3);
  await assert.rejects(projection.rebuild(), BrokenHistoryError);
  assert.equal(projection.state.sum, 6);
  assert.equal(told.length, 0);
  const late = new Projection(totals({ name: "late" }), { broker, onError });
  await late.catchUp();
  assert.equal(late.state.sum, 3);
  assert.ok(told[0]?.error instanceof BrokenHistoryError);
  assert.deepEqual([told[0].error.details?.["from"], told[0].error.details?.["to"]], [1, 2]);
});

Deno.test("Projection.catchUp tells what retention took when that happens between two reads", async () => {
  await using broker = new EventBroker();
  const { told, onError } = errorList();
  const store = new MemoryProjectionStore();
  const save = store.save.bind(store);
  store.save = async (record) => {
    await save(record);
    await broker.store.truncate("t", 1101);
  };
  const projection = new Projection(totals(), { broker, store, onError });
  await publish(broker, ...Array.from({ length: 1200 }, () => 1));
  await projection.catchUp();
  const read = 1200 - 1100;
  const missed = told.map(({ error }) => (error as BrokenHistoryError).details);
  assert.deepEqual(
    missed.map((details) => [details?.["from"], details?.["to"]]),
    [[projection.state.count - read + 1, 1100]],
  );
  assert.ok(projection.state.count > read);
  await projection.catchUp();
  assert.equal(told.length, 1, "it is told once");
});

Deno.test("Projection.rebuild refuses when retention takes events while it reads", async () => {
  await using broker = new EventBroker();
  let cut = false;
  const projection = new Projection(
    totals({
      on: {
        n: (state) => {
          state.count++;
          if (cut && state.count === 1) void broker.store.truncate("t", 1101);
        },
      },
    }),
    { broker },
  );
  await publish(broker, ...Array.from({ length: 1200 }, () => 1));
  await projection.catchUp();
  cut = true;
  await assert.rejects(projection.rebuild(), BrokenHistoryError);
  assert.equal(projection.state.count, 1200);
});

Deno.test("Projection saves no state that JSON changes, says once where it is, and is built again", async () => {
  await using broker = new EventBroker();
  const store = new MemoryProjectionStore();
  const { told, onError } = errorList();
  const definition: ProjectionDefinition<{ seen: unknown }> = {
    name: "seen",
    topic: "t",
    initial: { seen: 0 },
    on: {
      n: (state, { payload }) => {
        state.seen = payload === 0 ? new Map([["last", payload]]) : payload;
      },
    },
  };
  const open = () => new Projection(definition, { broker, store, onError });
  const first = open();
  for (const payload of [1, 0, 0]) {
    await broker.publish("t", "n", payload);
    await first.catchUp();
  }
  assert.deepEqual(first.state.seen, new Map([["last", 0]]));
  const error = told.at(-1)?.error;
  assert.ok(error instanceof ProjectionError && told.length === 1);
  assert.equal(error.message, "seen is not saved: its state is not plain JSON, /seen is a Map");
  assert.deepEqual((await store.load("seen"))?.checkpoint, { t: 1 });
  const again = open();
  await again.catchUp();
  assert.deepEqual(again.state, first.state);
  await broker.publish("t", "n", 7);
  await again.catchUp();
  assert.deepEqual((await store.load("seen"))?.state, { seen: 7 });
  // Where nobody reads it again, it may be anything.
  const before = told.length;
  const alone = new Projection({ ...definition, name: "alone" }, { broker, onError });
  await broker.publish("t", "n", 0);
  await alone.catchUp();
  assert.deepEqual([alone.state.seen, told.length], [new Map([["last", 0]]), before]);
});

Deno.test("Projection.follow keeps up by itself until it is stopped", async () => {
  await using broker = new EventBroker();
  const seen = Promise.withResolvers<void>();
  const projection = new Projection(
    totals({
      on: {
        n: (state, { payload }) => {
          state.sum += payload;
          if (payload === 4) seen.resolve();
        },
      },
    }),
    { broker },
  );
  await publish(broker, 1);
  {
    await using _following = await projection.follow();
    assert.equal(projection.state.sum, 1);
    await publish(broker, 2);
    await publish(broker, 4);
    await seen.promise;
  }
  assert.equal(projection.state.sum, 7);
  await publish(broker, 8);
  assert.equal(projection.state.sum, 7);
});

Deno.test("Projection.follow says when a reducer throws, and goes on when it can", async () => {
  await using broker = new EventBroker();
  const told = Promise.withResolvers<unknown>();
  const through = Promise.withResolvers<void>();
  let broken = true;
  const projection = new Projection(
    totals({
      on: {
        n: (state, { payload }) => {
          if (broken) throw new Error("broken");
          state.sum += payload;
          if (payload === 2) through.resolve();
        },
      },
    }),
    { broker, onError: (error) => told.resolve(error) },
  );
  await using _following = await projection.follow();
  await publish(broker, 1);
  assert.ok(await told.promise instanceof ProjectionError);
  broken = false;
  await publish(broker, 2);
  await through.promise;
  await projection.catchUp();
  assert.equal(projection.state.sum, 3);
});

Deno.test("Projection is up to date when a save that it belongs to resolves, and its failure does not fail the save", async () => {
  await using broker = new EventBroker();
  const { told, onError } = errorList();
  let broken = false;
  const balances = new Projection<Record<string, number>>({
    name: "balances",
    topic: "aggregates",
    initial: {},
    on: {
      deposited: (state, { key, payload }) => {
        if (broken) throw new Error("broken");
        state[key!] = (state[key!] ?? 0) + payload.amount;
      },
    },
  }, { broker });
  const accounts = new EventSourcedRepository<Account>((id) => new Account(id), {
    broker,
    projections: [balances],
    onError,
  });
  await accounts.update("a", (account) => account.deposit(5));
  assert.deepEqual(balances.state, { a: 5 });
  broken = true;
  await accounts.update("a", (account) => account.deposit(6));
  assert.ok(told[0]?.error instanceof ProjectionError);
  broken = false;
  await accounts.update("b", (account) => account.deposit(1));
  assert.deepEqual(balances.state, { a: 11, b: 1 });
});

Deno.test("Projection reads patterns, and old events upcast", async () => {
  await using broker = new EventBroker();
  const upcast = new Upcasters().add("n", { from: "1.0", to: "2.0" }, (payload) => payload * 100);
  const projection = new Projection(totals({ topic: "t.*", upcast }), { broker });
  await broker.publish("t.a", "n", 1, { schemaVersion: "1.0" });
  await broker.publish("t.b", "n", 2, { schemaVersion: "2.0" });
  await broker.publish("u", "n", 4);
  await projection.catchUp();
  assert.equal(projection.state.sum, 102);
  assert.deepEqual(projection.checkpoint, { "t.a": 1, "t.b": 1 });
});

Deno.test("Projection begins anew when its record is ahead of the store or not whole", async () => {
  await using broker = new EventBroker();
  await publish(broker, 1);
  const records: Pick<ProjectionRecord, "checkpoint" | "state" | "eventIds">[] = [
    { checkpoint: { t: 99 }, eventIds: {}, state: { sum: 50, count: 50 } },
    { checkpoint: { t: 1 }, eventIds: { t: "another" }, state: { sum: 50, count: 50 } },
    { checkpoint: { gone: 3 }, eventIds: {}, state: { sum: 50, count: 50 } },
    { checkpoint: { t: 1 }, eventIds: {}, state: null },
  ];
  for (const record of records) {
    const store = new MemoryProjectionStore();
    await store.save({ name: "totals", version: "1", ...record });
    const projection = new Projection(totals(), { broker, store });
    await projection.catchUp();
    assert.equal(projection.state.sum, 1);
  }
});

Deno.test("Projection begins anew, and says so, when its record cannot be read", async () => {
  await using broker = new EventBroker();
  await publish(broker, 1, 2);
  const dir = await Deno.makeTempDir({ prefix: "evs-projection-" });
  const store = new FileProjectionStore(dir);
  await new Projection(totals(), { broker, store }).catchUp();
  await Deno.truncate(`${dir}/totals.json`, 20);
  const { told, onError } = errorList();
  const projection = new Projection(totals(), { broker, store, onError });
  await projection.catchUp();
  assert.equal(projection.state.sum, 3);
  assert.deepEqual(told.map(({ context }) => context), ["loading the projection totals"]);
  const again = new Projection(totals(), { broker, store, onError });
  await again.catchUp();
  assert.deepEqual([again.state.sum, told.length], [3, 1]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("Projection refuses a name that is no file's, and a store without a past", async () => {
  await using broker = new EventBroker();
  assert.throws(
    () => new Projection(totals({ name: "../x" }), { broker }),
    (error) => error instanceof InvalidArgumentError && error.code === "projection/invalid-name",
  );
  const eventStore = {
    saveEvent: () => Promise.resolve(),
    getEvents: () => Promise.resolve([] as Event[]),
    deleteEvents: () => Promise.resolve(0),
  };
  await using live = new EventBroker({ eventStore });
  assert.throws(() => new Projection(totals(), { broker: live }), UnsupportedError);
});
