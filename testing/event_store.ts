/**
 * Tests for event stores: what the broker expects of every store, and more for stores that claim
 * more.
 *
 * The first part needs only the three methods. A store that assigns sequence numbers
 * (`JournalStore`) claims `sequences` and gets the rest: numbers without gaps, duplicate ids,
 * expectations, pages, keys, times, sizes, removals.
 */
import assert from "node:assert/strict";
import type { Event } from "../core/event/event.ts";
import { type EventStore, isJournalStore, type JournalStore } from "../core/store/store.ts";
import { testExpiry, testExpiryReading } from "./expiry.ts";
import { testAtomicGroups } from "./journal_atomic.ts";
import { testKeyCounts } from "./journal_key_counts.ts";
import { testKeys } from "./journal_keys.ts";
import { testReading } from "./journal_reading.ts";
import { testRedacting } from "./journal_redacting.ts";
import { testDedupWindow, testReopening, testWriting } from "./journal_writing.ts";
import { type Register, registerWith, type TestFunction, type UnderTest } from "./suite.ts";

/** What a store claims to support beyond the three methods. */
export interface StoreCapabilities {
  /** It assigns sequence numbers, that is, it is a `JournalStore`. Default false. */
  sequences?: boolean;
  /** It is `atomic`: an append may be all or nothing over several topics. Default false. */
  atomic?: boolean;
  /** Saved events survive reopening. `create` must return `reopen`. Default false. */
  durable?: boolean;
  /**
   * It forgets given ids after a day, going by the clock it was given. `create` must return
   * `advance`. Default false.
   */
  dedupWindow?: boolean;
  /**
   * It counts the events of each key (`countsKeys`): they have a `keySeq`, in what `append` returns
   * and when they are read. With `sequences`. Default false.
   */
  keyCounts?: boolean;
  /** It redacts events, that is, it has `redact`. With `sequences`. Default false. */
  redaction?: boolean;
  /**
   * It keeps when an event expires (`expiresAt`). Without it, an event that is read from it again is
   * delivered however old it is. Default false.
   */
  expiry?: boolean;
  /**
   * It keeps events with the same timestamp in the order in which they were saved. Implied by
   * `sequences`. Default false.
   */
  stableOrder?: boolean;
}

/** A store to test. */
export interface EventStoreSuite {
  /** Prefix of each test's name. */
  name: string;
  /** Creates an empty store; called for each test. */
  create(): Promise<UnderTest<EventStore>>;
  /** Default: none. */
  capabilities?: StoreCapabilities;
  /** Registers a test. Default: `Deno.test`. */
  test?: TestFunction;
}

/**
 * Registers the tests of a store.
 *
 * ```ts ignore
 * import { testEventStore } from "@env/env-event-stream/testing";
 * import { MyStore } from "./my_store.ts";
 *
 * testEventStore({
 *   name: "MyStore",
 *   create: async () => {
 *     const dir = await Deno.makeTempDir();
 *     return {
 *       store: new MyStore(dir),
 *       reopen: () => Promise.resolve(new MyStore(dir)),
 *       dispose: () => Deno.remove(dir, { recursive: true }),
 *     };
 *   },
 *   capabilities: { durable: true },
 * });
 * ```
 */
export function testEventStore({
  name,
  create,
  capabilities: {
    sequences,
    atomic,
    durable,
    dedupWindow,
    keyCounts,
    redaction,
    expiry,
    stableOrder,
  } = {},
  test = Deno.test,
}: EventStoreSuite): void {
  const register = registerWith(name, { create, test });
  testThreeMethods(register);
  if (stableOrder || sequences) testStableOrder(register);
  if (durable) testDurability(register);
  if (expiry) testExpiry(register);
  if (!sequences) return;
  const journal: Register<JournalStore> = (title, body) =>
    register(title, (under) => {
      assert.ok(isJournalStore(under.store), "a store that claims sequences has `append`");
      return body(under as UnderTest<JournalStore>);
    });
  testWriting(journal);
  testReading(journal);
  testKeys(journal);
  if (atomic) testAtomicGroups(journal);
  if (dedupWindow) testDedupWindow(journal);
  if (keyCounts) testKeyCounts(journal);
  if (redaction) testRedacting(journal);
  if (expiry) testExpiryReading(journal);
  if (durable) testReopening(journal);
}

const START = 1_700_000_000_000;

/** The n-th event, one second after the previous one. */
function event(n: number, fields: Partial<Event> = {}): Event {
  return {
    id: `event-${n}`,
    type: n % 2 === 0 ? "even" : "odd",
    topic: "t",
    timestamp: START + n * 1000,
    schemaVersion: "1.0",
    payload: { n },
    metadata: {},
    ...fields,
  };
}

async function ids(store: EventStore, options?: object): Promise<string[]> {
  const events = await (options ? store.getEvents("t", options) : store.getEvents("t"));
  return events.map(({ id }) => id);
}

const named = (...numbers: number[]) => numbers.map((n) => `event-${n}`);

async function save(store: EventStore, count: number): Promise<void> {
  for (let n = 1; n <= count; n++) await store.saveEvent(event(n));
}

function testThreeMethods(test: Register<EventStore>): void {
  test("gives events back as they were saved", async ({ store }) => {
    const payloads = [
      { text: 'it\'s "quoted" \\ ü € 𝄞 \u0000', list: [1, -2.5, null, true], deep: { a: {} } },
      null,
      [],
      "",
      0,
      false,
      "x".repeat(100_000),
    ];
    const saved = payloads.map((payload, i) =>
      event(i + 1, {
        payload,
        type: `type ${i} 'quoted' ü`,
        schemaVersion: `${i}.1`,
        metadata: { correlationId: `c'${i}`, nested: { n: [i] } },
      })
    );
    for (const one of saved) await store.saveEvent(one);
    const read = await store.getEvents("t");
    assert.deepEqual(
      read.map(({ seq: _seq, ...rest }) => rest),
      saved,
    );
  });

  test("keeps an event as it was when its publisher changes it later", async ({ store }) => {
    const changing = event(1, { payload: { n: 1 }, metadata: { a: 1 } });
    await store.saveEvent(changing);
    changing.payload.n = 2;
    changing.metadata["a"] = 2;
    const [read] = await store.getEvents("t");
    assert.deepEqual([read?.payload, read?.metadata], [{ n: 1 }, { a: 1 }]);
    read!.payload.n = 3;
    assert.deepEqual((await store.getEvents("t"))[0]?.payload, { n: 1 });
  });

  test("keeps every event when many are saved at once", async ({ store }) => {
    await Promise.all(Array.from({ length: 100 }, (_, i) => store.saveEvent(event(i + 1))));
    assert.deepEqual((await ids(store)).sort(), named(...range(1, 100)).sort());
  });

  test("gives the oldest first", async ({ store }) => {
    await save(store, 30);
    assert.deepEqual(await ids(store), named(...range(1, 30)));
  });

  test("keeps topics apart", async ({ store }) => {
    await save(store, 2);
    await store.saveEvent(event(3, { topic: "u" }));
    assert.deepEqual(await ids(store), named(1, 2));
    assert.deepEqual(await store.getEvents("nowhere"), []);
    assert.equal(await store.deleteEvents("u", START + 1_000_000), 1);
    assert.deepEqual(await ids(store), named(1, 2));
  });

  test("gives only what was asked for, by time", async ({ store }) => {
    await save(store, 9);
    const at = (n: number) => START + n * 1000;
    assert.deepEqual(await ids(store, { fromTimestamp: at(7) }), named(7, 8, 9));
    assert.deepEqual(await ids(store, { toTimestamp: at(2) }), named(1, 2));
    assert.deepEqual(await ids(store, { fromTimestamp: at(4), toTimestamp: at(5) }), named(4, 5));
    assert.deepEqual(await ids(store, { fromTimestamp: at(9) + 1 }), []);
  });

  test("gives only what was asked for, by type", async ({ store }) => {
    await save(store, 6);
    await store.saveEvent(event(7, { type: "seven" }));
    assert.deepEqual(await ids(store, { eventTypes: ["even"] }), named(2, 4, 6));
    assert.deepEqual(await ids(store, { eventTypes: ["seven", "odd"] }), named(1, 3, 5, 7));
    assert.deepEqual(await ids(store, { eventTypes: ["none"] }), []);
    assert.deepEqual(await ids(store, { eventTypes: [] }), named(...range(1, 7)));
  });

  test("gives no more than the limit, the oldest of what was asked for", async ({ store }) => {
    await save(store, 9);
    assert.deepEqual(await ids(store, { limit: 2 }), named(1, 2));
    assert.deepEqual(await ids(store, { limit: 0 }), named(...range(1, 9)));
    assert.deepEqual(await ids(store, { limit: 99 }), named(...range(1, 9)));
    const options = { fromTimestamp: START + 3000, eventTypes: ["even"], limit: 2 };
    assert.deepEqual(await ids(store, options), named(4, 6));
  });

  test("deletes what is older than a time, and says how much", async ({ store }) => {
    await save(store, 5);
    assert.equal(await store.deleteEvents("t", START + 3000), 2);
    assert.deepEqual(await ids(store), named(3, 4, 5));
    assert.equal(await store.deleteEvents("t", START + 3000), 0);
    assert.equal(await store.deleteEvents("nowhere", START + 3000), 0);
    await store.saveEvent(event(6));
    assert.deepEqual(await ids(store), named(3, 4, 5, 6));
  });
}

function testStableOrder(test: Register<EventStore>): void {
  test("keeps the order of events of one millisecond", async ({ store }) => {
    for (const n of range(1, 50)) await store.saveEvent(event(n, { timestamp: START }));
    assert.deepEqual(await ids(store), named(...range(1, 50)));
  });
}

function testDurability(test: Register<EventStore>): void {
  test("has what was saved when it is opened again", async ({ store, reopen }) => {
    assert.ok(reopen, "a store that claims to be durable is created with `reopen`");
    await save(store, 5);
    await store.deleteEvents("t", START + 2000);
    const opened = await reopen();
    assert.deepEqual(await ids(opened), named(2, 3, 4, 5));
    await opened.saveEvent(event(6));
    assert.deepEqual(await ids(await reopen()), named(2, 3, 4, 5, 6));
  });
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
