/**
 * Objects of a class in the state of an aggregate or a projection: a copy would make plain objects
 * of them, so they are refused in words, wherever they are.
 */
import assert from "node:assert/strict";
import {
  AggregateRoot,
  type Event,
  EventBroker,
  EventSourcedRepository,
  FileSnapshotStore,
  InvalidArgumentError,
  MemorySnapshotStore,
  Projection,
} from "../../../mod.ts";
import { ProjectionError, SnapshotError } from "../../../core/base/errors.ts";
import { uncopiedPart } from "../../../core/sourcing/copied_state.ts";
import { errorList } from "./account.ts";

class Money {
  constructor(readonly amount: number) {}
  twice(): number {
    return 2 * this.amount;
  }
}

/** What a copy does not keep, and how it is called. */
const REFUSED: [value: unknown, found: string][] = [
  [new Money(1), "an object of a class"],
  [new (class extends Map {})(), "an object of a class"],
  [new (class extends Array {})(), "an object of a class"],
  [new (class extends Error {})("x"), "an object of a class"],
  [new (class extends Date {})(), "an object of a class"],
  [Object.create({ inherited: 1 }), "an object of a class"],
  [new URL("http://localhost"), "an object of a class"],
  [Promise.resolve(), "an object of a class"],
  [() => 1, "a function"],
  [Symbol("x"), "a symbol"],
];
const KEPT = [
  ...[1, "x", null, undefined, true, 1n, NaN],
  ...[{}, [], { a: [{ b: 1 }] }],
  ...[new Map([[{ a: 1 }, new Set([1])]]), new Date(0), /x/g, new TypeError("x")],
  ...[new Uint8Array(2), new ArrayBuffer(2), new DataView(new ArrayBuffer(2))],
];

Deno.test("uncopiedPart names what a copy does not keep, wherever it is", () => {
  const places: [wrap: (value: unknown) => unknown, pointer: string][] = [
    [(value) => value, ""],
    [(value) => ({ a: [0, value] }), "/a/1"],
    [(value) => ({ "a/b": { "~": value } }), "/a~1b/~0"],
    [(value) => ({ m: new Map([["k", { v: value }]]) }), "/m/k/v"],
    [(value) => [new Map([[value, 1]])], "/0/key"],
    [(value) => new Set([1, [value]]), "/1/0"],
  ];
  for (const [wrap, pointer] of places) {
    for (const [value, found] of REFUSED) {
      if (pointer === "/0/key" && typeof value === "function") continue;
      const part = uncopiedPart(wrap(value));
      assert.deepEqual([part?.pointer, part?.found], [pointer, found], `${pointer} ${found}`);
      assert.ok(part!.hint.length > 0);
    }
    for (const value of KEPT) {
      assert.equal(uncopiedPart(wrap(value)), undefined, pointer);
      assert.deepEqual(structuredClone(wrap(value)), wrap(value), "and it is kept indeed");
    }
  }
  assert.equal(uncopiedPart(Object.create(null)), undefined, "it is a plain object");
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  assert.equal(uncopiedPart(cyclic), undefined, "a copy keeps a cycle");
});

/** An account whose state has an object of a class once something was deposited. */
class Account extends AggregateRoot<{ balance: Money | number; list: unknown[] }> {
  constructor(id: string) {
    super(id, { balance: 0, list: [] });
  }
  deposit(amount: number): void {
    this.recordEvent("deposited", { amount });
  }
  empty(): void {
    this.recordEvent("emptied", {});
  }
  get twice(): number {
    return this.state.balance instanceof Money ? this.state.balance.twice() : 0;
  }
  protected applyEvent({ type, payload }: Event): void {
    this.state.balance = type === "deposited" ? new Money(payload.amount) : 0;
  }
}

function assertRefused(work: () => unknown, message: string): void {
  assert.throws(work, (error) => {
    assert.ok(error instanceof InvalidArgumentError, String(error));
    assert.equal(error.message, message);
    assert.match(error.hint!, /keep a plain object/);
    return true;
  });
}

Deno.test("AggregateRoot refuses to copy a state with an object of a class, at its start and later", () => {
  class Wrong extends AggregateRoot<object> {
    constructor(state: object) {
      super("w-1", state);
    }
    protected applyEvent(): void {}
  }
  const found = "is an object of a class";
  assertRefused(
    () => new Wrong({ total: new Money(0) }),
    `the first state of Wrong w-1 cannot be copied: /total ${found}`,
  );
  assertRefused(
    () => new Wrong(new Money(0)),
    `the first state of Wrong w-1 cannot be copied: it ${found}`,
  );
  const account = new Account("a-1");
  assert.deepEqual(account.getState(), { balance: 0, list: [] });
  account.deposit(5);
  assertRefused(
    () => account.getState(),
    `the state of Account a-1 cannot be copied: /balance ${found}`,
  );
  assert.equal(account.twice, 10, "the aggregate itself goes on");
  account.empty();
  assert.deepEqual(account.getState(), { balance: 0, list: [] });
});

Deno.test("EventSourcedRepository takes no snapshot of a state with an object of a class, and loads it whole", async () => {
  const dir = await Deno.makeTempDir({ prefix: "evs-snapshots-" });
  for (const store of [new MemorySnapshotStore(), new FileSnapshotStore(dir)]) {
    const { told, onError } = errorList();
    const broker = new EventBroker();
    const snapshots = { store, every: 1 };
    const open = () =>
      new EventSourcedRepository<Account>((id) => new Account(id), { broker, snapshots, onError });
    await open().update("a", (account) => account.deposit(5));
    assert.equal(await store.load("aggregates", "a"), undefined);
    const error = told.at(-1)?.error;
    assert.ok(error instanceof SnapshotError && told.length === 1, String(error));
    assert.equal(
      error.message,
      "no snapshot of a (aggregates) is taken: its state is not plain JSON, /balance is an object of a class",
    );
    assert.equal((await open().getById("a"))?.twice, 10, "loaded from its events");
    const kept = await open().update("a", (account) => account.empty());
    assert.equal(kept.version, 2);
    assert.deepEqual((await store.load("aggregates", "a"))?.state, { balance: 0, list: [] });
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("Projection refuses a first state with an object of a class, and tells once of one that comes later", async () => {
  await using broker = new EventBroker();
  const { told, onError } = errorList();
  const on = { n: () => ({ last: new Money(1) as unknown }) };
  const definition = { name: "p", topic: "t", on };
  assertRefused(
    () => new Projection({ ...definition, initial: { last: new Money(0) } }, { broker }),
    "the first state of p cannot be copied: /last is an object of a class",
  );
  const projection = new Projection({ ...definition, initial: { last: 0 as unknown } }, {
    broker,
    onError,
  });
  for (let n = 0; n < 3; n++) {
    await broker.publish("t", "n", n);
    await projection.catchUp();
  }
  const error = told.at(-1)?.error;
  assert.ok(error instanceof ProjectionError && told.length === 1, String(error));
  assert.equal(
    error.message,
    "p does not keep its state as it is: /last is an object of a class",
  );
});
