/**
 * Given ids: of a segment that is still open with very many, of a topic that was removed, and of
 * events that retention deleted.
 */
import assert from "node:assert/strict";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
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

Deno.test("FileEventStore does not know the ids of a removed topic when the power was cut", async () => {
  for (const survives of [0, 0.5, 0.99]) {
    const disk = new MemoryDisk();
    const event = newEvent({ id: "once" });
    let store = new FileEventStore("/data/events", { disk });
    await store.append([{ topic: "t", events: [event, newEvent()] }]);
    await store.removeTopic("t");
    store = new FileEventStore("/data/events", { disk: disk.powerCut(() => survives) });
    assert.equal(store.head("t").lastSeq, 2);
    const [outcome] = await store.append([{ topic: "t", events: [event] }]);
    assert.deepEqual(outcome?.ok && outcome.duplicates, [], "it is not there any more");
    await store.close();
  }
});

Deno.test("FileEventStore knows the id of a deleted event as long as that of any other", async () => {
  const disk = new MemoryDisk();
  const clock = new FakeClock();
  const open = () => new FileEventStore("/data/events", { disk, clock, dedupWindow: 10_000 });
  let store = open();
  const append = async (id: string) => {
    const [outcome] = await store.append([{ topic: "t", events: [newEvent({ id })] }]);
    assert.ok(outcome?.ok);
    return outcome.duplicates.map(({ seq }) => seq);
  };
  for (const id of ["first", "second", "third"]) {
    await append(id);
    await clock.pass(4000);
  }
  // 12, 8 and 4 seconds old.
  await store.truncate("t", 4);
  for (const reopens of [false, true]) {
    if (reopens) {
      await store.close();
      store = open();
    }
    assert.deepEqual(await append("second"), [2]);
    assert.deepEqual(await append("third"), [3]);
  }
  assert.deepEqual(await append("first"), [], "its time is over, and the event is not there");
  await clock.pass(3000);
  assert.deepEqual(await append("second"), []);
  assert.deepEqual(await append("third"), [3]);
  await store.close();
});
