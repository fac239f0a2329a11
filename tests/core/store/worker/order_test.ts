/**
 * What a store with its writer in a worker knows about its topics while an append is synced
 * concurrently with others.
 */
import assert from "node:assert/strict";
import { FileWorkerEventStore } from "../../../../core/store/worker/file_worker_store.ts";
import type { JournalStore } from "../../../../core/store/store.ts";
import { WorkerEventStore } from "../../../../core/store/worker/sqlite_worker_store.ts";
import { inFolder } from "../../../helpers/start.ts";
import { newEvent } from "../conformance.ts";

const ROUNDS = 10;

const stores: Record<string, (folder: string) => Promise<JournalStore>> = {
  WorkerEventStore: (folder) =>
    WorkerEventStore.open(`${folder}/events.db`, {
      script: new URL("../../../../daemon/journal_worker.ts", import.meta.url),
    }),
  FileWorkerEventStore: (folder) =>
    FileWorkerEventStore.open(`${folder}/events`, {
      script: new URL("../../../../daemon/file_worker.ts", import.meta.url),
    }),
};

for (const [name, open] of Object.entries(stores)) {
  Deno.test(`${name} knows a topic as the last call has left it when others come while an append is synced`, async () => {
    await inFolder(async (folder) => {
      const store = await open(folder);
      const answered: string[] = [];
      const large = () =>
        store.append([{ topic: "t", events: Array.from({ length: 100 }, () => newEvent()) }], {
          onWritten: () => {},
        }).then(() => answered.push("large"));
      for (let round = 1; round <= ROUNDS; round++) {
        answered.length = 0;
        const small = { topic: "t", events: [newEvent()] };
        await Promise.all([
          large(),
          store.append([small]).then(() => answered.push("small")),
        ]);
        assert.deepEqual(answered, ["large", "small"]);
        const { firstSeq, lastSeq } = store.head("t");
        assert.equal(lastSeq, round * 201 - 100, "the small one is there");
        await Promise.all([large(), store.truncate("t", firstSeq + 150)]);
        assert.equal(store.head("t").lastSeq, round * 201);
        assert.equal(store.head("t").firstSeq, firstSeq + 150, "what was removed stays so");
        const { events } = await store.readPage("t", { from: 1, to: Infinity, limit: 1 });
        assert.deepEqual(events.map(({ seq }) => seq), [firstSeq + 150]);
      }
      await store.close();
    });
  });
}
