/** A folder is opened only if it is a store of this version or an older one; else it stays as it is. */
import assert from "node:assert/strict";
import { crc32 } from "../../../../core/base/checksum.ts";
import { SLOT } from "../../../../core/store/file/block.ts";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/events";
const encoder = new TextEncoder();

/** A store of one event, closed. */
async function filled(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = new FileEventStore(DIR, { disk });
  await store.append([{ topic: "t", events: [newEvent()] }]);
  await store.close();
  return disk.kill();
}

function contentOf(disk: MemoryDisk): Record<string, string> {
  const texts = disk.files().toSorted().map((path) => [path, disk.bytes(path).join()]);
  return Object.fromEntries(texts);
}

for (
  const [what, text, code] of [
    ["of a newer format", "env-event-stream file store, format 2\n", "datadir/newer-format"],
    ["of something else", "my notes\n", "datadir/unsafe"],
  ] as const
) {
  Deno.test(`FileEventStore refuses a folder ${what}, leaves it as it is, and holds no lock`, async () => {
    const disk = await filled();
    disk.put(`${DIR}/format`, encoder.encode(text));
    const before = contentOf(disk);
    for (let round = 0; round < 2; round++) {
      assert.throws(() => new FileEventStore(DIR, { disk }), { code });
    }
    assert.deepEqual(contentOf(disk), before);
  });
}

Deno.test("FileEventStore serves its events and marks its folder anew when any bit of the mark has flipped", async () => {
  const whole = await filled();
  const mark = whole.bytes(`${DIR}/format`).slice();
  let newer = 0;
  for (let bit = 0; bit < mark.length * 8; bit++) {
    const disk = whole.kill();
    const flipped = mark.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    disk.put(`${DIR}/format`, flipped);
    let store: FileEventStore;
    try {
      store = new FileEventStore(DIR, { disk });
    } catch (error) {
      // A digit of the number became a higher one: nothing tells that from a newer version.
      assert.equal((error as { code?: string }).code, "datadir/newer-format");
      newer++;
      continue;
    }
    assert.equal((await store.getEvents("t")).length, 1);
    assert.deepEqual(disk.bytes(`${DIR}/format`), mark);
    assert.match(store.found.notes.join(), /format: was damaged/);
    await store.close();
  }
  assert.ok(newer <= 3, `${newer} bits were taken for a newer version`);
});

Deno.test("FileEventStore takes a mark for its own while nine of ten of its bytes are as they were", async () => {
  const whole = await filled();
  const mark = whole.bytes(`${DIR}/format`).slice();
  const most = Math.floor(mark.length / 10);
  for (const [count, isOurs] of [[3, true], [most, true], [most + 1, false]] as const) {
    const disk = whole.kill();
    const flipped = mark.slice();
    for (let at = 0; at < count; at++) flipped[at]! ^= 4;
    disk.put(`${DIR}/format`, flipped);
    if (!isOurs) {
      assert.throws(() => new FileEventStore(DIR, { disk }), { code: "datadir/unsafe" });
      assert.deepEqual(disk.bytes(`${DIR}/format`), flipped);
      continue;
    }
    const store = new FileEventStore(DIR, { disk });
    assert.equal((await store.getEvents("t")).length, 1, `${count} bytes`);
    assert.deepEqual(disk.bytes(`${DIR}/format`), mark);
    await store.close();
  }
});

Deno.test("FileEventStore refuses a folder with the mark of a newer format when a bit of its words has flipped", async () => {
  const disk = await filled();
  const mark = new TextDecoder().decode(disk.bytes(`${DIR}/format`));
  disk.put(`${DIR}/format`, encoder.encode(mark.replace("format 1", "fosmat 2")));
  const before = contentOf(disk);
  assert.throws(() => new FileEventStore(DIR, { disk }), { code: "datadir/unsafe" });
  assert.deepEqual(contentOf(disk), before);
});

Deno.test("FileEventStore refuses an index of a newer format before it repairs anything", async () => {
  const disk = await filled();
  const path = `${DIR}/t/0000000000000001.index`;
  const bytes = disk.bytes(path).slice();
  const view = new DataView(bytes.buffer);
  view.setUint32(12, 2, true);
  view.setUint32(0, crc32(bytes.subarray(4, SLOT)), true);
  disk.put(path, bytes);
  // It would be cut off.
  disk.put(`${DIR}/t/0000000000000001.ndjson`, encoder.encode('{"seq":1,'));
  const before = contentOf(disk);
  assert.throws(() => new FileEventStore(DIR, { disk }), { code: "datadir/newer-format" });
  assert.deepEqual(contentOf(disk), before);
});

Deno.test("FileEventStore says in words that the disk is full when its folder cannot be made", () => {
  const disk = new MemoryDisk();
  disk.makeFolder = () => {
    throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
  };
  assert.throws(() => new FileEventStore(DIR, { disk }), { code: "store/disk-full" });
});
