/** Opening a file store that has to be repaired on a full disk. */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../../../core/base/errors.ts";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

/**
 * Takes a topic away with room for `writes` writes, and opens the store again: whether that was
 * refused.
 */
async function refusedToOpen(writes: number): Promise<boolean> {
  const disk = new MemoryDisk();
  const open = () => new FileEventStore("/data/events", { disk, durability: "always" });
  let refused = false;
  const store = open();
  await store.append([{ topic: "t", events: [newEvent({ payload: "1" })] }]);
  let left = writes;
  disk.onCall = ({ op, grows }) => {
    if (op === "write" && grows && left-- <= 0) {
      throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
    }
  };
  await store.removeTopic("t").catch((error) => assert.ok(error instanceof CannotStoreError));
  await store.close();
  try {
    await open().close();
  } catch (error) {
    refused = true;
    assert.ok(error instanceof CannotStoreError);
    assert.equal(error.code, "store/disk-full");
    assert.match(error.message, /^the disk is full, and the store in \/data\/events cannot be op/);
    assert.equal(error.hint, "make room, then open it again");
  }
  disk.onCall = undefined;
  const again = open();
  assert.deepEqual(again.damage(), []);
  const [outcome] = await again.append([{ topic: "t", events: [newEvent({ payload: "2" })] }]);
  assert.ok(outcome?.ok && outcome.firstSeq === 2, "no number is given twice");
  await again.close();
  return refused;
}

Deno.test("FileEventStore says when there is no room to repair what a refused removal left, and opens when there is", async () => {
  const refused = await Promise.all([0, 1, 2, 3, 4].map(refusedToOpen));
  assert.ok(refused.includes(true), "one of them leaves something to repair");
  assert.ok(refused.includes(false), "and one does not");
});
