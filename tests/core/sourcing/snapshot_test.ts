/** Snapshots speed up loading and are never trusted. */
import assert from "node:assert/strict";
import {
  AggregateRoot,
  type Event,
  EventBroker,
  EventSourcedRepository,
  FileSnapshotStore,
  InvalidArgumentError,
  MemoryEventStore,
  MemorySnapshotStore,
  type Snapshot,
  SnapshotError,
  type SnapshotPolicy,
  type SnapshotStore,
} from "../../../mod.ts";
import type { KeyQuery } from "../../../core/store/store.ts";
import { Account, errorList } from "./account.ts";

/** Records the position from which it was read. */
class WatchedStore extends MemoryEventStore {
  reads: number[] = [];
  override readKey(topic: string, query: KeyQuery) {
    this.reads.push(query.from);
    return super.readKey(topic, query);
  }
}

function bench(policy: SnapshotPolicy) {
  const store = new WatchedStore();
  const broker = new EventBroker({ eventStore: store });
  const { told, onError } = errorList();
  const open = (snapshots: SnapshotPolicy = policy) =>
    new EventSourcedRepository<Account>((id) => new Account(id), { broker, snapshots, onError });
  return { store, broker, told, open };
}

async function deposit(accounts: EventSourcedRepository<Account>, times: number): Promise<void> {
  for (let n = 0; n < times; n++) await accounts.update("a", (account) => account.deposit(1));
}

Deno.test("EventSourcedRepository begins at the latest snapshot, taken every N events", async () => {
  const snapshots = new MemorySnapshotStore();
  const { store, open, told } = bench({ store: snapshots, every: 4 });
  await deposit(open(), 10);
  const snapshot = await snapshots.load("aggregates", "a");
  assert.deepEqual([snapshot?.version, snapshot?.seq], [8, 8]);
  store.reads = [];
  const account = await open().getById("a");
  assert.deepEqual(store.reads, [9]);
  assert.deepEqual([account?.version, account?.getState().balance], [10, 10]);
  assert.equal(told.length, 0);
});

Deno.test("EventSourcedRepository takes snapshots when the policy's predicate says so", async () => {
  const snapshots = new MemorySnapshotStore();
  const { open } = bench({ store: snapshots, when: ({ version }) => version === 3 });
  await deposit(open(), 5);
  assert.equal((await snapshots.load("aggregates", "a"))?.version, 3);
});

Deno.test("EventSourcedRepository passes over a snapshot of another shape, and takes a new one", async () => {
  const snapshots = new MemorySnapshotStore();
  const { store, open, told } = bench({ store: snapshots, every: 2 });
  await deposit(open(), 4);
  store.reads = [];
  const next = open({ store: snapshots, every: 2, shape: "2" });
  assert.equal((await next.getById("a"))?.getState().balance, 4);
  assert.deepEqual(store.reads, [1]);
  assert.equal(told.length, 0);
  await deposit(next, 1);
  assert.equal((await snapshots.load("aggregates", "a"))?.shape, "2");
});

Deno.test("EventSourcedRepository passes over a snapshot that is ahead of the store or not whole, and says so", async () => {
  const snapshots = new MemorySnapshotStore();
  const { open, told } = bench({ store: snapshots, every: 1 });
  await deposit(open(), 2);
  const good = (await snapshots.load("aggregates", "a"))!;
  const bad: Partial<Snapshot>[] = [
    { seq: 99 },
    { seq: 1 },
    { eventId: "another" },
    { version: -1 },
    { state: null },
    { state: "text" },
    { eventId: undefined },
  ];
  for (const change of bad) {
    await snapshots.save({ ...good, ...change });
    const account = await open().getById("a");
    assert.deepEqual([account?.version, account?.getState().balance], [2, 2]);
    const { error } = told.pop()!;
    assert.ok(error instanceof SnapshotError);
    assert.equal(error.code, "snapshot/unusable");
  }
});

Deno.test("EventSourcedRepository passes over a snapshot when its store came back from a backup and went on with other events", async () => {
  const snapshots = new MemorySnapshotStore();
  const { open, broker } = bench({ store: snapshots, every: 3 });
  await deposit(open(), 3);
  const backup = await broker.getEventStore().getEvents("aggregates", { limit: 2 });
  const restored = new MemoryEventStore();
  for (const event of backup) await restored.saveEvent(event);
  const { told, onError } = errorList();
  const accounts = new EventSourcedRepository<Account>((id) => new Account(id), {
    eventStore: restored,
    snapshots: { store: snapshots, every: 100 },
    onError,
  });
  assert.equal((await accounts.getById("a"))?.getState().balance, 2);
  for (const amount of [10, 100]) await accounts.update("a", (a) => a.deposit(amount));
  const account = await accounts.getById("a");
  assert.deepEqual([account?.version, account?.getState().balance], [4, 112]);
  assert.ok(told.length >= 2 && told.every(({ error }) => error instanceof SnapshotError));
});

Deno.test("EventSourcedRepository takes a snapshot whose events retention took", async () => {
  const { open, broker, told } = bench({ store: new MemorySnapshotStore(), every: 3 });
  await deposit(open(), 4);
  await broker.store.truncate("aggregates", 4);
  const account = await open().getById("a");
  assert.deepEqual([account?.version, account?.getState().balance], [4, 4]);
  assert.equal(told.length, 0);
});

Deno.test("EventSourcedRepository.save succeeds when the snapshot cannot be written, and says so", async () => {
  const full: SnapshotStore = {
    load: () => Promise.reject(new Error("no such disk")),
    save: () => Promise.reject(new Error("disk full")),
  };
  const { open, told, broker } = bench({ store: full, every: 1 });
  await deposit(open(), 1);
  assert.equal((await broker.getEventStore().getEvents("aggregates")).length, 1);
  assert.deepEqual(told.map(({ error }) => (error as Error).message), [
    "the snapshot of a (aggregates) is ignored: it cannot be read",
    "disk full",
  ]);
});

Deno.test("EventSourcedRepository.save succeeds when the policy's predicate throws, and says so", async () => {
  const when = () => {
    throw new Error("no idea");
  };
  const { open, told } = bench({ store: new MemorySnapshotStore(), when });
  await deposit(open(), 1);
  assert.equal((told[0]?.error as Error).message, "no idea");
});

Deno.test("EventSourcedRepository refuses a policy that never comes due", () => {
  const { open } = bench({ store: new MemorySnapshotStore() });
  for (const every of [0, -1, 1.5, NaN]) {
    assert.throws(() => open({ store: new MemorySnapshotStore(), every }), InvalidArgumentError);
  }
});

Deno.test("FileSnapshotStore keeps snapshots of any id, and one that is torn is passed over", async () => {
  const dir = await Deno.makeTempDir({ prefix: "evs-snapshots-" });
  const snapshots = new FileSnapshotStore(`${dir}/new`);
  const { open, told } = bench({ store: snapshots, every: 1 });
  for (const id of ["../../etc/passwd", "x".repeat(256), "ü%2e", "a"]) {
    await open().update(id, (account) => account.deposit(3));
    const account = await open().getById(id);
    assert.equal(account?.getState().balance, 3);
    assert.equal((await snapshots.load("aggregates", id))?.id, id);
  }
  const files = [...Deno.readDirSync(`${dir}/new`)].map(({ name }) => name);
  assert.equal(files.length, 4);
  assert.equal(told.length, 0);
  for (const name of files) await Deno.truncate(`${dir}/new/${name}`, 20);
  assert.equal((await open().getById("a"))?.getState().balance, 3);
  assert.ok(told[0]?.error instanceof SnapshotError);
  await Deno.remove(dir, { recursive: true });
});

class Basket extends AggregateRoot<{ parts: unknown[] }> {
  constructor(id: string) {
    super(id, { parts: [] });
  }
  add(what: keyof typeof UNPLAIN | "plain"): void {
    this.recordEvent("added", { what });
  }
  protected applyEvent({ payload }: Event): void {
    this.state.parts.push(payload.what === "plain" ? "plain" : UNPLAIN[payload.what]);
  }
}

const UNPLAIN: Record<string, unknown> = {
  "a Map": new Map([["a", 1]]),
  "a Set": new Set([1]),
  "a Date": new Date(0),
  "a bigint": 1n,
  "undefined": undefined,
  "NaN": NaN,
  "a Uint8Array": new Uint8Array([1]),
  "a RegExp": /x/,
  "an Error": new Error("x"),
};

Deno.test("EventSourcedRepository takes no snapshot of a state that JSON changes, says where it is, and loads it whole", async () => {
  const dir = await Deno.makeTempDir({ prefix: "evs-snapshots-" });
  const kept: Snapshot[] = [];
  const own: SnapshotStore = {
    load: () => Promise.resolve(structuredClone(kept.at(-1))),
    save: (snapshot) => Promise.resolve(void kept.push(snapshot)),
  };
  for (const store of [new MemorySnapshotStore(), new FileSnapshotStore(dir), own]) {
    for (const [name, value] of Object.entries(UNPLAIN)) {
      const { told, onError } = errorList();
      const broker = new EventBroker();
      const snapshots = { store, every: 1, shape: name };
      const open = () =>
        new EventSourcedRepository<Basket>((id) => new Basket(id), { broker, snapshots, onError });
      await open().update("b", (basket) => basket.add("plain"));
      await open().update("b", (basket) => basket.add(name));
      assert.deepEqual((await open().getById("b"))?.getState().parts, ["plain", value]);
      const error = told.at(-1)?.error;
      assert.ok(error instanceof SnapshotError && told.length === 1, String(error));
      assert.equal(
        error.message,
        `no snapshot of b (aggregates) is taken: its state is not plain JSON, /parts/1 is ${name}`,
      );
      assert.deepEqual([error.details?.["pointer"], typeof error.hint], ["/parts/1", "string"]);
    }
  }
  const snapshot = { topic: "t", id: "b", version: 1, seq: 1, eventId: "e", shape: "1" };
  for (const store of [new MemorySnapshotStore(), new FileSnapshotStore(dir)]) {
    await assert.rejects(store.save({ ...snapshot, state: { m: new Map() } }), SnapshotError);
    assert.equal(await store.load("t", "b"), undefined);
  }
  await Deno.remove(dir, { recursive: true });
});
