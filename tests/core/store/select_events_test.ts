/** `getEvents` from either end of a topic, on each of our stores. */
import assert from "node:assert/strict";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { ThreeMethodStore } from "../../../core/store/basic_store.ts";
import type { EventQuery, JournalStore } from "../../../core/store/store.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { testFolder } from "../../helpers/folder.ts";
import { ThreeMethods } from "../../helpers/three_methods.ts";

const STORES: Record<string, (folder: string) => JournalStore> = {
  MemoryEventStore: () => new MemoryEventStore(),
  SqliteEventStore: (folder) => new SqliteEventStore(`${folder}/events.db`),
  FileEventStore: (folder) => new FileEventStore(`${folder}/events`),
};

for (const [name, open] of Object.entries(STORES)) {
  Deno.test(`${name} returns the newest first when getEvents is asked for that`, async () => {
    const folder = await testFolder("test");
    const store = open(folder);
    const events = Array.from(
      { length: 2500 },
      (_, i) => newEvent({ type: i % 3 ? "x" : "y", timestamp: 1000 + i }),
    );
    await store.append([{ topic: "t", events }]);
    const seqs = async (query: EventQuery) =>
      (await store.getEvents("t", query)).map(({ seq }) => seq!);
    const all = await seqs({});
    assert.deepEqual(all, Array.from({ length: 2500 }, (_, i) => i + 1));
    assert.deepEqual(await seqs({ reverse: true }), all.toReversed());
    assert.deepEqual(await seqs({ reverse: true, limit: 3 }), [2500, 2499, 2498]);
    const early = { eventTypes: ["y"], toTimestamp: 1010 };
    assert.deepEqual(await seqs(early), [1, 4, 7, 10]);
    assert.deepEqual(await seqs({ ...early, reverse: true, limit: 3 }), [10, 7, 4]);
    assert.deepEqual(await store.getEvents("nobody", { reverse: true }), []);
    await store.close();
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("ThreeMethodStore turns what its store returns around", async () => {
  const own = new ThreeMethods();
  const store = new ThreeMethodStore(own);
  await store.append([{ topic: "t", events: [1, 2, 3].map(() => newEvent()) }]);
  const newest = await store.getEvents("t", { reverse: true, limit: 2 });
  assert.deepEqual(newest.map(({ seq }) => seq), [3, 2]);
});
