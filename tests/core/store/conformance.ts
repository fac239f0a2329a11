/** What every store with sequence numbers does, as one suite. */
import assert from "node:assert/strict";
import type { NewEvent } from "../../../core/event.ts";
import { unpack } from "../../../core/store/pack.ts";
import { packedRequest } from "./packed_requests.ts";
import type { AppendOutcome, JournalStore } from "../../../core/store/store.ts";

import { testKeys } from "./conformance_keys.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A store under test, and the clock that it was given. */
export interface StoreUnderTest {
  store: JournalStore;
  /** Moves the store's clock, ms. */
  advance(ms: number): void;
  /** Closes and opens it again; absent where nothing outlives the process. */
  reopen?(): Promise<JournalStore>;
  dispose(): Promise<void>;
}

let made = 0;

/** An event with defaults. */
export function newEvent(
  fields: Partial<Omit<NewEvent, "payload">> & { payload?: string } = {},
): NewEvent {
  const n = ++made;
  return {
    id: fields.id ?? `0190aaaa-0000-7000-8000-${String(n).padStart(12, "0")}`,
    idGiven: fields.id !== undefined,
    type: "user.created",
    timestamp: 1_700_000_000_000 + n,
    schemaVersion: "1.0",
    metadata: "{}",
    ...fields,
    payload: encoder.encode(fields.payload ?? `{"n":${n}}`),
  };
}

function stored(outcome: AppendOutcome | undefined): Extract<AppendOutcome, { ok: true }> {
  assert.ok(outcome?.ok, `the append was refused: ${JSON.stringify(outcome)}`);
  return outcome;
}

async function fill(store: JournalStore, topic: string, count: number): Promise<void> {
  await store.append([{ topic, events: Array.from({ length: count }, () => newEvent()) }]);
}

function seqs(store: JournalStore, topic: string): number[] {
  return store.readPage(topic, { from: 1, to: 1e9, limit: 1e6 }).events.map((event) => event.seq);
}

/** Registers the suite for the store that `create` makes. */
export function testJournalStore(name: string, create: () => Promise<StoreUnderTest>): void {
  const test = (title: string, body: (under: StoreUnderTest) => Promise<void>) =>
    Deno.test(`${name} ${title}`, async () => {
      const under = await create();
      try {
        await body(under);
      } finally {
        await under.dispose();
      }
    });

  test("keeps a packed request's events as it keeps others", async ({ store }) => {
    const payloads = ["1.0", '"ü€𝄞"', '{"n":9007199254740993}'];
    const plain = packedRequest(payloads, { keys: "k" });
    const { events } = unpack(structuredClone(plain));
    // A store may use a packed request up.
    const [first] = await store.append([plain]);
    assert.deepEqual(
      [stored(first).count, stored(first).firstSeq, stored(first).lastSeq],
      [3, 1, 3],
    );
    await store.append([{ topic: "u", events }]);
    const [packed, others] = ["t", "u"].map((topic) =>
      store.readPage(topic, { from: 1, to: 9, limit: 9 }).events
    );
    assert.deepEqual(
      packed!.map(({ line: _, ...event }) => event),
      others!.map(({ line: _, ...event }) => ({ ...event, topic: "t" })),
    );
    assert.deepEqual(packed!.map(({ payload }) => decoder.decode(payload)), payloads);
    assert.equal(store.head("t").bytes, store.head("u").bytes);
    assert.equal(store.find("t", packed![1]!.id)?.seq, 2);
    assert.equal(store.seekTime("t", events[0]!.timestamp), 1);
  });

  test("looks up what a packed request's publisher named", async ({ store }) => {
    const given = { ids: "a\nb\na", given: Uint8Array.of(1, 1, 1) };
    const [first] = await store.append([packedRequest(["1", "2", "3"], given)]);
    assert.deepEqual(stored(first).duplicates, [{ index: 2, seq: 1 }]);
    assert.equal(store.head("t").lastSeq, 2);
    const [second] = await store.append([packedRequest(["4"], { expected: "none" })]);
    assert.deepEqual(second, { ok: false, expected: "none", actual: 2, subject: "topic" });
  });

  test("numbers events from 1 without a gap when topics are interleaved", async ({ store }) => {
    const [a, b] = await store.append([
      { topic: "a", events: [newEvent(), newEvent()] },
      { topic: "b", events: [newEvent()] },
    ]);
    const [c] = await store.append([{ topic: "a", events: [newEvent()] }]);
    assert.deepEqual([stored(a).firstSeq, stored(a).lastSeq], [1, 2]);
    assert.equal(stored(b).firstSeq, 1);
    assert.equal(stored(c).firstSeq, 3);
    assert.deepEqual(seqs(store, "a"), [1, 2, 3]);
    assert.deepEqual(store.topics().sort(), ["a", "b"]);
  });

  test("gives back what it was given when every field is set", async ({ store }) => {
    const event = newEvent({
      id: `id"with\\quotes`,
      type: `type "quoted" \\ ü`,
      key: `key"1`,
      metadata: `{"correlationId":"c\\u0000","n":9007199254740993}`,
      schemaVersion: "2.1",
      timestamp: 12,
      payload:
        `{"big":9007199254740993,"f":1.0,"a":1,"a":2,"z":"\\u0000\\ud800","__proto__":{"x":1}}`,
    });
    await store.append([{ topic: "t", events: [event, newEvent({ payload: '"ü€𝄞"' })] }]);
    const [read] = store.readPage("t", { from: 1, to: 1, limit: 10 }).events;
    assert.ok(read);
    const { line, ...rest } = read;
    assert.deepEqual(
      { ...rest, payload: decoder.decode(read.payload) },
      {
        seq: 1,
        topic: "t",
        id: event.id,
        type: event.type,
        timestamp: 12,
        schemaVersion: "2.1",
        key: `key"1`,
        metadata: event.metadata,
        payload: decoder.decode(event.payload),
      },
    );
    const lines = decoder.decode(store.readLines("t", { from: 1, to: 9, limit: 10 }).bytes).split(
      "\n",
    );
    assert.equal(lines.length, 3);
    // A store may give the line itself as well: then it is the very same.
    if (line !== undefined) assert.equal(decoder.decode(line), lines[0]);
    assert.equal(JSON.parse(lines[0]!).id, event.id);
    assert.equal(JSON.parse(lines[0]!).type, event.type);
    assert.equal(JSON.parse(lines[0]!).key, event.key);
    assert.ok(lines[0]!.endsWith(`,"payload":${decoder.decode(event.payload)}}`));
    assert.ok(lines[1]!.endsWith(`,"payload":"ü€𝄞"}`));
  });

  test("reads by page to the end of the range when the page is smaller", async ({ store }) => {
    await fill(store, "t", 2500);
    const got: number[] = [];
    for (let from = 1; from <= 2400;) {
      const page = store.readPage("t", { from, to: 2400, limit: 700 });
      got.push(...page.events.map((event) => event.seq));
      from = page.next;
    }
    assert.equal(got.length, 2400);
    assert.ok(got.every((seq, i) => seq === i + 1));
    let lines = 0;
    for (let from = 2001; from <= 1e9;) {
      const page = store.readLines("t", { from, to: 1e9, limit: 300 });
      lines += page.count;
      if (page.count > 0) assert.ok(page.lastSeq <= 2500);
      from = page.next;
    }
    assert.equal(lines, 500);
  });

  test("reads only the asked types when a page holds none of them", async ({ store }) => {
    await fill(store, "t", 1500);
    await store.append([{ topic: "t", events: [newEvent({ type: "rare" })] }]);
    const page = store.readPage("t", { from: 1, to: 1e9, limit: 1000, types: ["rare"] });
    assert.deepEqual(page.events, []);
    assert.equal(page.next, 1001);
    const rest = store.readLines("t", {
      from: page.next,
      to: 1e9,
      limit: 1000,
      types: ["rare", "other"],
    });
    assert.equal(rest.count, 1);
    assert.equal(rest.lastSeq, 1501);
  });

  test("stores a given id once when it comes again, also within one append", async ({ store }) => {
    const [first] = await store.append([{
      topic: "t",
      events: [newEvent({ id: "x" }), newEvent({ id: "x" }), newEvent({ id: "y" })],
    }]);
    assert.deepEqual(stored(first).duplicates, [{ index: 1, seq: 1 }]);
    assert.equal(stored(first).count, 2);
    const [second] = await store.append([{
      topic: "t",
      events: [newEvent({ id: "y" }), newEvent({ id: "z" })],
    }]);
    assert.deepEqual(stored(second).duplicates, [{ index: 0, seq: 2 }]);
    assert.deepEqual([stored(second).firstSeq, stored(second).lastSeq], [3, 3]);
    const [other] = await store.append([{ topic: "u", events: [newEvent({ id: "x" })] }]);
    assert.equal(stored(other).count, 1);
  });

  test("stores a given id again when the dedup window has passed", async ({ store, advance }) => {
    await store.append([{ topic: "t", events: [newEvent({ id: "x" })] }]);
    advance(86_400_001);
    const [again] = await store.append([{ topic: "t", events: [newEvent({ id: "x" })] }]);
    assert.equal(stored(again).firstSeq, 2);
  });

  test("refuses an append when the expectation does not hold, and stores its neighbours", async ({ store }) => {
    await fill(store, "t", 2);
    const outcomes = await store.append([
      { topic: "t", events: [newEvent()], expected: 1 },
      { topic: "t", events: [newEvent()], expected: 2 },
      { topic: "t", events: [newEvent()], expected: "none" },
      { topic: "t", events: [newEvent()], expected: "exists" },
      { topic: "new", events: [newEvent()], expected: "exists" },
      { topic: "new", events: [newEvent()], expected: "none" },
      { topic: "new", events: [newEvent()], expected: 0 },
    ]);
    assert.deepEqual(outcomes.map((outcome) => outcome.ok), [
      false,
      true,
      false,
      true,
      false,
      true,
      false,
    ]);
    assert.deepEqual(outcomes[0], { ok: false, expected: 1, actual: 2, subject: "topic" });
    assert.deepEqual(seqs(store, "t"), [1, 2, 3, 4]);
  });

  test("compares an expectation with the key's last seq when the event has a key", async ({ store }) => {
    await store.append([{ topic: "t", events: [newEvent({ key: "a" }), newEvent({ key: "b" })] }]);
    const outcomes = await store.append([
      { topic: "t", events: [newEvent({ key: "a" })], expected: 1 },
      { topic: "t", events: [newEvent({ key: "a" })], expected: 1 },
      { topic: "t", events: [newEvent({ key: "c" })], expected: "none" },
      { topic: "t", events: [newEvent({ key: "b" })], expected: 2 },
    ]);
    assert.deepEqual(outcomes.map((outcome) => outcome.ok), [true, false, true, true]);
    assert.deepEqual(outcomes[1], { ok: false, expected: 1, actual: 3, subject: "key" });
  });

  test("answers a repeat as a duplicate when its expectation held the first time", async ({ store }) => {
    const request = { topic: "t", events: [newEvent({ id: "once" })], expected: "none" as const };
    await store.append([request]);
    const [again] = await store.append([request]);
    assert.deepEqual(stored(again).duplicates, [{ index: 0, seq: 1 }]);
  });

  test("removes a prefix and never uses its numbers again when truncated", async (under) => {
    const { store } = under;
    await fill(store, "t", 3000);
    assert.equal(await store.truncate("t", 2001), 2000);
    assert.deepEqual([store.head("t").firstSeq, store.head("t").lastSeq], [2001, 3000]);
    assert.equal(seqs(store, "t")[0], 2001);
    assert.equal(await store.truncate("t", 99_999), 1000);
    assert.deepEqual(store.head("t"), { firstSeq: 3001, lastSeq: 3000, bytes: 0 });
    const reopened = under.reopen ? await under.reopen() : store;
    assert.deepEqual(reopened.head("t"), { firstSeq: 3001, lastSeq: 3000, bytes: 0 });
    const [next] = await reopened.append([{ topic: "t", events: [newEvent()] }]);
    assert.equal(stored(next).firstSeq, 3001);
  });

  test("goes on after the last seq when a removed topic comes back", async ({ store }) => {
    await store.append([{ topic: "t", events: [newEvent({ id: "x" }), newEvent()] }]);
    await store.removeTopic("t");
    assert.deepEqual(seqs(store, "t"), []);
    const [again] = await store.append([{ topic: "t", events: [newEvent({ id: "x" })] }]);
    assert.equal(stored(again).firstSeq, 3);
  });

  test("finds an event by id when the id was given or made", async ({ store }) => {
    await fill(store, "t", 1500);
    const made = newEvent();
    await store.append([{ topic: "t", events: [newEvent({ id: "given" }), made] }]);
    assert.equal(store.find("t", "given")?.seq, 1501);
    assert.equal(store.find("t", made.id)?.seq, 1502);
    assert.equal(store.find("t", "nobody"), undefined);
    assert.equal(store.find("nowhere", "given"), undefined);
  });

  testKeys(test);

  test("seeks the lowest seq at or after a time when timestamps are out of order", async ({ store }) => {
    const at = (timestamp: number) => newEvent({ timestamp });
    await store.append([{ topic: "t", events: [at(100), at(300), at(200), at(400)] }]);
    assert.equal(store.seekTime("t", 0), 1);
    assert.equal(store.seekTime("t", 150), 2);
    assert.equal(store.seekTime("t", 301), 4);
    assert.equal(store.seekTime("t", 401), 5);
    assert.equal(store.seekTime("nowhere", 1), 1);
    await fill(store, "t", 2100);
    await store.append([{ topic: "t", events: [at(1_900_000_000_000)] }]);
    assert.equal(store.seekTime("t", 1_900_000_000_000), 2105);
  });

  test("tells what to keep for a size when topics are limited by bytes", async ({ store }) => {
    const events = Array.from({ length: 2000 }, () => newEvent({ payload: '"12345678"' }));
    await store.append([{ topic: "t", events }]);
    const each = 12; // 10 of the payload, 2 of the metadata
    assert.equal(store.head("t").bytes, 2000 * each);
    for (const keep of [1, 5, 976, 977, 1000, 1500, 1999]) {
      assert.equal(store.seekBytes("t", keep * each), 2001 - keep, `to keep ${keep}`);
      assert.equal(
        store.seekBytes("t", keep * each + each - 1),
        2001 - keep,
        `to keep ${keep} and a part`,
      );
    }
    assert.equal(store.seekBytes("t", 2000 * each), 1);
    assert.equal(store.seekBytes("t", 0), 2001);
    await store.truncate("t", 501);
    assert.equal(store.head("t").bytes, 1500 * each);
  });

  test("answers the seed's three methods when used as a plain store", async ({ store }) => {
    const event = (n: number, type: string) => ({
      id: `e${n}`,
      type,
      topic: "t",
      timestamp: n * 1000,
      schemaVersion: "1.0",
      payload: { n },
      metadata: { source: "test" },
    });
    for (const n of [1, 2, 3]) await store.saveEvent(event(n, n === 2 ? "b" : "a"));
    assert.deepEqual((await store.getEvents("t")).map((e) => e.payload), [{ n: 1 }, { n: 2 }, {
      n: 3,
    }]);
    assert.deepEqual(
      (await store.getEvents("t", { eventTypes: ["a"], limit: 1 })).map((e) => e.id),
      ["e1"],
    );
    const ranged = await store.getEvents("t", { fromTimestamp: 2000, toTimestamp: 3000 });
    assert.deepEqual(ranged.map((e) => e.id), ["e2", "e3"]);
    assert.equal(await store.deleteEvents("t", 2000), 1);
    assert.deepEqual((await store.getEvents("t")).map((e) => e.id), ["e2", "e3"]);
  });

  test("knows everything again when opened anew", async (under) => {
    if (!under.reopen) return;
    await fill(under.store, "t", 1200);
    await under.store.append([{
      topic: "t",
      events: [newEvent({ id: "x", key: "k", type: 'q"' })],
    }]);
    const before = under.store.head("t");
    const store = await under.reopen();
    assert.deepEqual(store.head("t"), before);
    const [again] = await store.append([{
      topic: "t",
      events: [newEvent({ id: "x" }), newEvent({ key: "k" })],
    }]);
    assert.deepEqual(stored(again).duplicates, [{ index: 0, seq: 1201 }]);
    assert.equal(stored(again).firstSeq, 1202);
    assert.equal(
      JSON.parse(decoder.decode(store.readLines("t", { from: 1201, to: 1201, limit: 1 }).bytes))
        .type,
      'q"',
    );
  });
}
