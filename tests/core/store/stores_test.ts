/** One suite for every store, and the features of individual stores. */
import { anyEvent } from "../../helpers/any_event.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { inSomeTurns, LateStore } from "../../helpers/late_store.ts";
import { defined } from "../../../core/base/defined.ts";
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "../../packages/fast_check.ts";
import { type Clock, systemClock } from "../../../core/base/clock.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { pack, unpack } from "../../../core/store/pack.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import type { AppendRequest } from "../../../core/store/store.ts";
import { WorkerEventStore } from "../../../core/store/worker/sqlite_worker_store.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { newEvent, testJournalStore } from "./conformance.ts";
import { packedRequest } from "../../../testing/packed_requests.ts";

const script = new URL("../../../daemon/journal_worker.ts", import.meta.url);

function movedClock(): Clock & { advance(ms: number): void } {
  let now = 1_800_000_000_000;
  return {
    ...systemClock,
    now: () => now,
    monotonic: () => now,
    advance: (ms) => void (now += ms),
  };
}

testJournalStore("MemoryEventStore", () => {
  const clock = movedClock();
  const store = new MemoryEventStore({ clock });
  return Promise.resolve({ store, advance: clock.advance, dispose: () => store.close() });
}, { durable: false });

testJournalStore("LateStore", () => {
  const clock = movedClock();
  const inner = new MemoryEventStore({ clock });
  const store = new LateStore(inner, inSomeTurns(randomFrom(1)));
  return Promise.resolve({ store, advance: clock.advance, dispose: () => store.close() });
}, { durable: false });

/** A store in a folder of its own, which is opened again where a test asks for that. */
async function inFolder<S extends JournalStore>(
  open: (dir: string, clock: ReturnType<typeof movedClock>) => S,
) {
  const dir = await Deno.makeTempDir({ prefix: "evs-store-" });
  const clock = movedClock();
  let store = open(dir, clock);
  return {
    store,
    advance: clock.advance,
    reopen: async () => {
      await store.close();
      return store = open(dir, clock);
    },
    dispose: async () => {
      await store.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

testJournalStore(
  "SqliteEventStore",
  () => inFolder((dir, clock) => new SqliteEventStore(`${dir}/events.db`, { clock })),
);

testJournalStore("FileEventStore", () =>
  inFolder((dir, clock) =>
    // Small segments: the suite goes over the borders of some.
    new FileEventStore(`${dir}/events`, { clock, segments: { maxBytes: 40_000 } })
  ));

Deno.test("WorkerEventStore reads what its worker wrote when opened again", async () => {
  const dir = await Deno.makeTempDir({ prefix: "evs-store-" });
  const path = `${dir}/events.db`;
  const first = await WorkerEventStore.open(path, { script });
  const events = Array.from(
    { length: 50 },
    (_, i) => newEvent({ key: `k${i % 3}`, type: i % 2 ? "a" : "b" }),
  );
  const [outcome] = await first.append([{ topic: "t", events }]);
  assert.ok(outcome?.ok && outcome.lastSeq === 50);
  assert.equal(first.head("t").lastSeq, 50);
  const large = JSON.stringify("x".repeat(10_000));
  const request = packedRequest(["1.0", large]);
  const [packed] = await first.append([request]);
  assert.ok(packed?.ok && packed.lastSeq === 52);
  assert.equal(request.payloads.length, 0, "its bytes moved to the worker");
  const lines = new TextDecoder().decode(
    first.readLines("t", { from: 51, to: 52, limit: 9 }).bytes,
  );
  assert.match(lines, /"payload":1\.0\}\n.*"payload":"x{10000}"\}\n$/);
  assert.equal(await first.truncate("t", 11), 10);
  assert.equal(first.readPage("t", { from: 1, to: 99, limit: 99 }).events[0]?.seq, 11);
  await first.close();
  const second = await WorkerEventStore.open(path, { script, durability: "interval:5" });
  assert.equal(second.durable, false);
  assert.deepEqual([second.head("t").firstSeq, second.head("t").lastSeq], [11, 52]);
  await second.append([{ topic: "t", events: [newEvent()] }]);
  await second.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("WorkerEventStore refuses in words when the file is not an event database", async () => {
  const dir = await Deno.makeTempDir({ prefix: "evs-store-" });
  await Deno.writeTextFile(`${dir}/events.db`, "this is a letter to a friend".repeat(100));
  const before = await Deno.readTextFile(`${dir}/events.db`);
  await assert.rejects(WorkerEventStore.open(`${dir}/events.db`, { script }), {
    code: "datadir/damaged",
  });
  assert.equal(await Deno.readTextFile(`${dir}/events.db`), before);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("SqliteEventStore refuses a newer format and leaves the file as it is", async () => {
  const dir = await Deno.makeTempDir({ prefix: "evs-store-" });
  const path = `${dir}/events.db`;
  await new SqliteEventStore(path).close();
  const bytes = await Deno.readFile(path);
  new DataView(bytes.buffer).setUint32(60, 99); // user_version, https://sqlite.org/fileformat2.html#the_database_header
  await Deno.writeFile(path, bytes);
  assert.throws(() => new SqliteEventStore(path), { code: "datadir/newer-format" });
  assert.deepEqual(await Deno.readFile(path), bytes);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("the view events shows every column, the payload byte for byte", async () => {
  const dir = await Deno.makeTempDir({ prefix: "evs-store-" });
  const store = new SqliteEventStore(`${dir}/events.db`);
  const payload = '{"big":9007199254740993,"one":1.0,"a":1,"a":2,"nul":"\\u0000","half":"\\ud800"}';
  await store.append([{
    topic: "t",
    events: [newEvent({
      id: 'a"b',
      type: "x,",
      key: "k",
      timestamp: 1_800_000_000_123,
      metadata: '{"a":1}',
      payload,
    })],
  }]);
  await store.close();
  const database = new DatabaseSync(`${dir}/events.db`, { readOnly: true });
  assert.deepEqual({ ...database.prepare("SELECT * FROM events").get() }, {
    topic: "t",
    seq: 1,
    id: 'a"b',
    type: "x,",
    timestamp: 1_800_000_000_123,
    time: "2027-01-15T08:00:00.123Z",
    schema_version: "1.0",
    key: "k",
    metadata: '{"a":1}',
    payload,
  });
  database.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("unpack gives back what pack was given", () => {
  fc.assert(
    fc.property(
      fc.array(anyEvent(fc.uint8Array({ maxLength: 20 })), { minLength: 1 }),
      fc.constantFrom(undefined, 3, "none" as const),
      (events, expected) => {
        const request: AppendRequest = {
          topic: "t",
          events,
          ...defined({ expected }),
        };
        assert.deepEqual(unpack(structuredClone(pack(request))), request);
      },
    ),
  );
});
