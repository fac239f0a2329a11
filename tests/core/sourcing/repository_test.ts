/** Repositories load, save and detect conflicts on every kind of store. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  AggregateRoot,
  BrokenHistoryError,
  CannotStoreError,
  ConflictError,
  defaultBroker,
  type Event,
  EventBroker,
  EventSourcedRepository,
  type EventStore,
  FileEventStore,
  InvalidArgumentError,
  MemoryEventStore,
  NotFoundError,
  type SourcingBroker,
  SqliteEventStore,
  UnknownEventTypeError,
  UnsupportedError,
  Upcasters,
  VersionConflictError,
} from "../../../mod.ts";
import type { StoreRequest } from "../../../core/store/pack.ts";
import type { AppendOutcome, JournalStore } from "../../../core/store/store.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { inSomeTurns, LateStore } from "../../helpers/late_store.ts";
import { Account } from "./account.ts";

const make = (id: string) => new Account(id);

/** A store with sequence numbers and no index by key. */
function withoutIndex(): JournalStore {
  const store: JournalStore = new MemoryEventStore();
  store.readKey = undefined;
  return store;
}

const stores: Record<string, () => Promise<{ store: JournalStore; dispose(): Promise<void> }>> = {
  memory: () => Promise.resolve({ store: new MemoryEventStore(), dispose: async () => {} }),
  "a store that answers later": () => {
    const store = new LateStore(new MemoryEventStore(), inSomeTurns(randomFrom(1)));
    return Promise.resolve({ store, dispose: async () => {} });
  },
  "a store without an index": () =>
    Promise.resolve({ store: withoutIndex(), dispose: async () => {} }),
  sqlite: async () => {
    const dir = await Deno.makeTempDir({ prefix: "evs-sourcing-" });
    const store = new SqliteEventStore(`${dir}/events.db`);
    return { store, dispose: () => Deno.remove(dir, { recursive: true }) };
  },
  files: async () => {
    const dir = await Deno.makeTempDir({ prefix: "evs-sourcing-" });
    const store = new FileEventStore(`${dir}/events`);
    return { store, dispose: () => Deno.remove(dir, { recursive: true }) };
  },
};

for (const [name, create] of Object.entries(stores)) {
  Deno.test(`EventSourcedRepository loads what it saved from ${name}`, async () => {
    const { store, dispose } = await create();
    const broker = new EventBroker({ eventStore: store });
    const accounts = new EventSourcedRepository<Account>(make, { broker });
    assert.equal(await accounts.getById("a"), undefined);
    const account = new Account("a");
    account.open("first");
    account.deposit(5);
    await accounts.save(account);
    assert.deepEqual(account.uncommittedEvents, []);
    // Others' events lie between, more than a page of them.
    for (let n = 0; n < 30; n++) {
      await accounts.update(`other-${n}`, (other) => {
        for (let i = 0; i < 40; i++) other.deposit(1);
      });
    }
    account.withdraw(2);
    await accounts.save(account);
    await accounts.save(account);
    const loaded = await accounts.getById("a");
    assert.deepEqual(loaded?.getState(), { owner: "first", balance: 3 });
    assert.equal(loaded?.version, 3);
    const events = await store.getEvents("aggregates", { eventTypes: ["opened", "withdrawn"] });
    assert.deepEqual(events.map(({ key, seq }) => [key, seq]), [["a", 1], ["a", 1203]]);
    assert.deepEqual(events.map(({ metadata }) => metadata), [
      { aggregateId: "a", aggregateVersion: 1 },
      { aggregateId: "a", aggregateVersion: 3 },
    ]);
    await broker.close();
    await dispose();
  });

  Deno.test(`EventSourcedRepository.save refuses the second of two writers at one version on ${name}`, async () => {
    const { store, dispose } = await create();
    const broker = new EventBroker({ eventStore: store });
    const accounts = new EventSourcedRepository<Account>(make, { broker });
    await accounts.update("a", (account) => account.deposit(5));
    const [one, two] = [(await accounts.getById("a"))!, (await accounts.getById("a"))!];
    one.deposit(1);
    one.deposit(1);
    two.withdraw(5);
    two.deposit(9);
    await accounts.save(one);
    await assert.rejects(accounts.save(two), (error) => {
      assert.ok(error instanceof VersionConflictError && error instanceof ConflictError);
      assert.equal(error.code, "aggregate/conflict");
      assert.match(error.message, /expected version 1, and it is at 3/);
      assert.deepEqual(error.details, { aggregate: "a", expectedVersion: 1, actualVersion: 3 });
      return true;
    });
    assert.equal((await accounts.getById("a"))?.getState().balance, 7);
    assert.equal(two.uncommittedEvents.length, 2);
    const fresh = new Account("a");
    fresh.open("another");
    await assert.rejects(accounts.save(fresh), VersionConflictError);
    await broker.close();
    await dispose();
  });

  Deno.test(`EventSourcedRepository.update loses nothing when many write at once on ${name}`, async () => {
    const { store, dispose } = await create();
    const broker = new EventBroker({ eventStore: store });
    const accounts = new EventSourcedRepository<Account>(make, { broker });
    await Promise.all(
      Array.from(
        { length: 12 },
        () => accounts.update("a", (account) => account.deposit(1), { retries: 50 }),
      ),
    );
    const account = await accounts.getById("a");
    assert.deepEqual([account?.version, account?.getState().balance], [12, 12]);
    await broker.close();
    await dispose();
  });
}

Deno.test("EventSourcedRepository keeps to the default broker, the topic aggregates and the id as key", async () => {
  const accounts = new EventSourcedRepository<Account>(make);
  await accounts.update("of-default", (account) => account.deposit(5));
  const events = await defaultBroker.getEventStore().getEvents("aggregates");
  assert.ok(events.some(({ key, type }) => key === "of-default" && type === "deposited"));
});

Deno.test("EventSourcedRepository.update gives up after its retries, with the last conflict", async () => {
  await using broker = new EventBroker();
  const accounts = new EventSourcedRepository<Account>(make, { broker });
  let runs = 0;
  await assert.rejects(
    accounts.update("a", async (account) => {
      runs++;
      await accounts.update("a", (other) => other.deposit(1));
      account.deposit(100);
    }, { retries: 2 }),
    VersionConflictError,
  );
  assert.equal(runs, 3);
  assert.equal((await accounts.getById("a"))?.getState().balance, 3);
});

Deno.test("EventSourcedRepository.update saves nothing when the command throws or the aggregate must exist", async () => {
  await using broker = new EventBroker();
  const accounts = new EventSourcedRepository<Account>(make, { broker });
  await assert.rejects(
    accounts.update("a", (account) => {
      account.deposit(5);
      account.withdraw(9);
    }),
    RangeError,
  );
  assert.equal(await accounts.getById("a"), undefined);
  await assert.rejects(
    accounts.update("a", (account) => account.deposit(1), { mustExist: true }),
    (error) => {
      assert.ok(error instanceof NotFoundError);
      assert.equal(error.code, "aggregate/not-found");
      return true;
    },
  );
});

Deno.test("EventSourcedRepository.save keeps what was recorded when the store refuses it, and saves it later", async () => {
  /** Throws on its third append. */
  class Third extends MemoryEventStore {
    #calls = 0;
    override append(requests: readonly StoreRequest[]): Promise<AppendOutcome[]> {
      if (++this.#calls === 3) return Promise.reject(new CannotStoreError("the disk is full"));
      return super.append(requests);
    }
  }
  await using broker = new EventBroker({ eventStore: new Third() });
  const accounts = new EventSourcedRepository<Account>(make, { broker });
  const account = new Account("a");
  for (const amount of [1, 2]) {
    account.deposit(amount);
    await accounts.save(account);
  }
  account.deposit(4);
  await assert.rejects(accounts.save(account), { code: "store/unavailable" });
  assert.equal(account.uncommittedEvents.length, 1);
  await accounts.save(account);
  assert.equal((await accounts.getById("a"))?.getState().balance, 7);
});

Deno.test("EventSourcedRepository refuses an event of an unknown type in words, and it stays stored", async () => {
  await using broker = new EventBroker();
  const accounts = new EventSourcedRepository<Account>(make, { broker });
  await accounts.update("a", (account) => account.deposit(5));
  await broker.publish("aggregates", "frozen", {}, { key: "a" });
  for (
    const repository of [
      accounts,
      new EventSourcedRepository<Account>(make, { broker, eventTypes: ["deposited"] }),
    ]
  ) {
    await assert.rejects(repository.getById("a"), (error) => {
      assert.ok(error instanceof UnknownEventTypeError);
      assert.deepEqual(
        [error.code, error.details?.["type"], error.details?.["seq"]],
        ["aggregate/unknown-event", "frozen", 2],
      );
      return true;
    });
  }
  assert.equal((await broker.getEventStore().getEvents("aggregates")).length, 2);
});

Deno.test("EventSourcedRepository refuses a type that eventTypes leaves out, though the aggregate would pass over it", async () => {
  class Lax extends AggregateRoot<{ seen: number }> {
    constructor(id: string) {
      super(id, { seen: 0 });
    }
    protected applyEvent(): void {
      this.state.seen++;
    }
  }
  await using broker = new EventBroker();
  for (const type of ["known", "unknown"]) await broker.publish("lax", type, {}, { key: "a" });
  const repository = (eventTypes?: string[]) =>
    new EventSourcedRepository((id) => new Lax(id), { broker, topic: "lax", eventTypes });
  assert.equal((await repository().getById("a"))?.getState().seen, 2);
  assert.equal((await repository(["known", "unknown"]).getById("a"))?.version, 2);
  await assert.rejects(repository(["known"]).getById("a"), UnknownEventTypeError);
});

Deno.test("EventSourcedRepository reads old events upcast", async () => {
  await using broker = new EventBroker();
  await broker.publish("aggregates", "opened", { name: "first" }, {
    key: "a",
    schemaVersion: "1.0",
  });
  const upcast = new Upcasters()
    .add("opened", { from: "1.0", to: "2.0" }, ({ name }) => ({ owner: name }));
  const accounts = new EventSourcedRepository<Account>(make, { broker, upcast });
  assert.equal((await accounts.getById("a"))?.getState().owner, "first");
});

Deno.test("EventSourcedRepository says so when events of an aggregate are lacking", async () => {
  await using broker = new EventBroker();
  const accounts = new EventSourcedRepository<Account>(make, { broker });
  for (const amount of [1, 2, 3]) await accounts.update("a", (a) => a.deposit(amount));
  await broker.store.truncate("aggregates", 3);
  await assert.rejects(accounts.getById("a"), (error) => {
    assert.ok(error instanceof BrokenHistoryError);
    assert.equal(error.code, "aggregate/broken-history");
    assert.deepEqual([error.details?.["expectedVersion"], error.details?.["actualVersion"]], [
      1,
      3,
    ]);
    return true;
  });
});

Deno.test("EventSourcedRepository says so when two processes wrote one version of an aggregate", async () => {
  await using broker = new EventBroker();
  const accounts = new EventSourcedRepository<Account>(make, { broker });
  await accounts.update("a", (account) => account.deposit(1));
  const [first] = await broker.getEventStore().getEvents("aggregates");
  const { type, payload, metadata } = first!;
  await broker.publish("aggregates", type, payload, { key: "a", metadata });
  await assert.rejects(accounts.getById("a"), (error) => {
    assert.ok(error instanceof BrokenHistoryError);
    assert.match(error.message, /has event 1 twice/);
    return true;
  });
});

Deno.test("EventSourcedRepository refuses a broker and a store at once", () => {
  assert.throws(
    () =>
      new EventSourcedRepository<Account>(make, {
        broker: defaultBroker,
        eventStore: new MemoryEventStore(),
      }),
    InvalidArgumentError,
  );
});

Deno.test("EventSourcedRepository takes a store that no broker has", async () => {
  const eventStore = new MemoryEventStore();
  const accounts = new EventSourcedRepository<Account>(make, { eventStore, topic: "accounts" });
  await accounts.update("a", (account) => account.deposit(5));
  assert.equal((await eventStore.getEvents("accounts")).length, 1);
});

/** Keeps neither seq nor key, and gives back in another order. */
class Forgetful implements EventStore {
  readonly events: Event[] = [];
  saveEvent({ seq: _seq, key: _key, ...event }: Event): Promise<void> {
    this.events.push(structuredClone(event));
    return Promise.resolve();
  }
  getEvents(topic: string): Promise<Event[]> {
    return Promise.resolve(this.events.filter((event) => event.topic === topic).reverse());
  }
  deleteEvents(): Promise<number> {
    return Promise.resolve(0);
  }
}

Deno.test("EventSourcedRepository on a store with three methods reads, and saves only where it may be alone", async () => {
  const eventStore = new Forgetful();
  const strict = new EventSourcedRepository<Account>(make, { eventStore });
  await assert.rejects(strict.update("a", (account) => account.deposit(1)), (error) => {
    assert.ok(error instanceof UnsupportedError);
    assert.match(error.hint!, /singleProcess/);
    return true;
  });
  assert.equal(eventStore.events.length, 0);
  const alone = new EventSourcedRepository<Account>(make, { eventStore, singleProcess: true });
  await Promise.all([1, 2, 3, 4].map((amount) => alone.update("a", (a) => a.deposit(amount))));
  await alone.update("b", (b) => b.deposit(100));
  const account = await strict.getById("a");
  assert.deepEqual([account?.version, account?.getState().balance], [4, 10]);
  // A repository of another broker on the same store sees it too.
  const stale = (await alone.getById("a"))!;
  await new EventSourcedRepository<Account>(make, { eventStore, singleProcess: true })
    .update("a", (a) => a.deposit(1));
  stale.withdraw(10);
  await assert.rejects(alone.save(stale), VersionConflictError);
});

Deno.test("EventSourcedRepository on a store with three methods that throws on the third call tells what is stored", async () => {
  class Third extends Forgetful {
    #calls = 0;
    override saveEvent(event: Event): Promise<void> {
      if (++this.#calls === 3) return Promise.reject(new Error("connection lost"));
      return super.saveEvent(event);
    }
  }
  const eventStore = new Third();
  const accounts = new EventSourcedRepository<Account>(make, { eventStore, singleProcess: true });
  const account = new Account("a");
  for (const amount of [1, 2, 4]) account.deposit(amount);
  await assert.rejects(accounts.save(account), (error) => {
    assert.ok(error instanceof CannotStoreError);
    assert.match(error.message, /connection lost/);
    return true;
  });
  await assert.rejects(accounts.save(account), (error) => {
    assert.ok(error instanceof VersionConflictError);
    assert.deepEqual([error.details?.["expectedVersion"], error.details?.["actualVersion"]], [
      0,
      2,
    ]);
    return true;
  });
  await accounts.update("a", (fresh) => fresh.deposit(4));
  assert.equal((await accounts.getById("a"))?.getState().balance, 7);
});

Deno.test("EventSourcedRepository.save stores nothing twice when it is repeated after an answer that was lost", async () => {
  await using broker = new EventBroker();
  let lost = true;
  const accounts = new EventSourcedRepository<Account>(make, {
    broker: {
      store: broker.store,
      getEventStore: () => broker.getEventStore(),
      publishBatch: async (...args: Parameters<typeof broker.publishBatch>) => {
        const stored = await broker.publishBatch(...args);
        if (!lost) return stored;
        lost = false;
        throw new Error("the line went dead");
      },
    } as SourcingBroker,
  });
  const account = new Account("a");
  for (const amount of [1, 2]) account.deposit(amount);
  await assert.rejects(accounts.save(account), /went dead/);
  await accounts.save(account);
  assert.equal((await broker.getEventStore().getEvents("aggregates")).length, 2);
  account.deposit(4);
  await accounts.save(account);
  assert.equal((await accounts.getById("a"))?.getState().balance, 7);
});

Deno.test("EventSourcedRepository takes a broker of typed events", async () => {
  interface Bank {
    aggregates: { deposited: { amount: number } };
  }
  await using broker = new EventBroker<Bank>();
  const accounts = new EventSourcedRepository<Account>(make, { broker });
  await accounts.update("a", (account) => account.deposit(1));
  assert.equal((await accounts.getById("a"))?.version, 1);
});

Deno.test("EventSourcedRepository gives back the state that the commands led to, whatever they were", async () => {
  const step = fc.record({
    id: fc.constantFrom("a", "b"),
    amounts: fc.array(fc.integer({ min: -50, max: 100 }), { maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const accounts = new EventSourcedRepository<Account>(make, {
        eventStore: new MemoryEventStore(),
      });
      const expected = new Map<string, { balance: number; version: number }>();
      for (const { id, amounts } of steps) {
        const model = expected.get(id) ?? { balance: 0, version: 0 };
        const sum = amounts.reduce((a, b) => a + b, model.balance);
        await accounts.update(id, (account) => {
          for (const amount of amounts) account.deposit(amount);
        });
        if (amounts.length > 0) {
          expected.set(id, { balance: sum, version: model.version + amounts.length });
        }
      }
      for (const [id, { balance, version }] of expected) {
        const account = await accounts.getById(id);
        assert.deepEqual([account?.getState().balance, account?.version], [balance, version]);
      }
    }),
    { numRuns: 100 },
  );
});
