/**
 * Contract row 15: the cost of one page of a store is limited in bytes, whatever the size of its
 * events.
 */
import assert from "node:assert/strict";
import { pagesAtOnce } from "../../helpers/at_once.ts";
import { lastOf, replay } from "../../../core/reading/replay.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { type JournalStore, PAGE_BYTES } from "../../../core/store/store.ts";
import { newEvent } from "./conformance.ts";

const EACH = 300_000;
const COUNT = 40;
/** One event that is larger than a page by itself. */
const HUGE = 17;

async function filled(store: JournalStore): Promise<void> {
  for (let n = 1; n <= COUNT; n++) {
    const payload = JSON.stringify("x".repeat(n === HUGE ? 2 * PAGE_BYTES : EACH));
    await store.append([{ topic: "t", events: [newEvent({ payload, timestamp: n })] }]);
  }
}

async function inEach(work: (store: JournalStore) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "evs-page-" });
  const stores = [
    new MemoryEventStore(),
    new SqliteEventStore(`${folder}/events.db`),
    new FileEventStore(`${folder}/events`),
  ];
  for (const store of stores) {
    await filled(store);
    await work(store);
    await store.close();
  }
  await Deno.remove(folder, { recursive: true });
}

Deno.test("readPage and readLines end at PAGE_BYTES and reach every event when events are large", async () => {
  await inEach(async (store) => {
    const seqs: number[] = [];
    for (let from = 1; from <= COUNT;) {
      const query = { from, to: COUNT, limit: 1000 };
      const page = await store.readPage("t", query);
      const lines = await store.readLines("t", query);
      assert.equal(lines.next, page.next);
      assert.equal(lines.count, page.events.length);
      const most = page.events.length === 1 ? 3 * PAGE_BYTES : PAGE_BYTES + 4096;
      assert.ok(lines.bytes.length <= most, `${lines.bytes.length} bytes from ${from}`);
      seqs.push(...page.events.map((event) => event.seq));
      from = page.next;
    }
    assert.deepEqual(seqs, Array.from({ length: COUNT }, (_, i) => i + 1));
  });
});

Deno.test("find, seekTime, seekBytes and getEvents see past a page's end when events are large", async () => {
  await inEach(async (store) => {
    const { id } = (await store.readPage("t", { from: COUNT, to: COUNT, limit: 1 })).events[0]!;
    assert.equal((await store.find("t", id))?.seq, COUNT);
    assert.equal(await store.seekTime("t", COUNT - 1), COUNT - 1);
    assert.equal(await store.seekBytes("t", 2 * (EACH + 10)), COUNT - 1);
    assert.equal((await store.getEvents("t")).length, COUNT);
  });
});

Deno.test("lastOf and replay give all of the last events when they are large", async () => {
  await inEach((store) => {
    for (const types of [undefined, ["user.created"]]) {
      const steps = lastOf(store, { topics: ["t"], count: 25, ...(types ? { types } : {}) });
      let step = steps.next();
      while (!step.done) step = steps.next();
      assert.deepEqual(step.value, [{ topic: "t", from: COUNT - 24, to: COUNT }]);
    }
    // A merged replay has pages of its own.
    const pages = pagesAtOnce(replay(store, {
      ranges: [{ topic: "t", from: 1, to: COUNT }, { topic: "none", from: 1, to: 0 }],
    }));
    assert.ok(pages.every((page) => page.length < 4 * PAGE_BYTES));
    const lines = pages.map((page) => new TextDecoder().decode(page)).join("").trim().split("\n");
    assert.equal(lines.length, COUNT);
  });
});
