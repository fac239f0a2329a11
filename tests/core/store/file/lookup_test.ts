/** Given ids of a segment that is still open, when there are too many to be kept as strings. */
import assert from "node:assert/strict";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const BATCH = 5_000;
const BATCHES = 10;

function events(batch: number) {
  return Array.from({ length: BATCH }, (_, i) => newEvent({ id: `given-${batch * BATCH + i}` }));
}

/** Publishes an id of each part of the segment again, and one that is new. */
async function assertKnown(store: FileEventStore, fresh: string): Promise<void> {
  const seqs = [1, 4_999, 5_000, 16_383, 16_384, 16_385, 32_768, 32_769, 49_999, 50_000];
  const again = [
    ...seqs.map((seq) => newEvent({ id: `given-${seq - 1}` })),
    newEvent({ id: fresh }),
  ];
  const [outcome] = await store.append([{ topic: "t", events: again }]);
  assert.ok(outcome?.ok);
  assert.deepEqual(outcome.duplicates, seqs.map((seq, index) => ({ index, seq })));
  assert.equal(outcome.count, 1);
}

Deno.test("FileEventStore knows every given id of an open segment, however many there are", async () => {
  const disk = new MemoryDisk();
  let store = new FileEventStore("/data/events", { disk });
  for (let batch = 0; batch < BATCHES; batch++) {
    const [outcome] = await store.append([{ topic: "t", events: events(batch) }]);
    assert.ok(outcome?.ok && outcome.count === BATCH);
  }
  await assertKnown(store, "new-1");
  await store.close();
  store = new FileEventStore("/data/events", { disk });
  await assertKnown(store, "new-2");
  await store.close();
});
