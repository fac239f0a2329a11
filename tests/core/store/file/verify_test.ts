/** What a file store reports to `evs doctor`. */
import assert from "node:assert/strict";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { verifyFileStore } from "../../../../core/store/file/verify.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/events";

async function filled(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = new FileEventStore(DIR, { disk, segments: { maxBytes: 20_000 } });
  for (let n = 0; n < 8; n++) {
    await store.append([{ topic: "t", events: Array.from({ length: 40 }, () => newEvent()) }]);
  }
  await store.truncate("t", 11);
  await store.close();
  return disk;
}

Deno.test("verifyFileStore counts what is intact and names nothing when all is sound", async () => {
  const { topics, foreign } = verifyFileStore(DIR, { disk: await filled() });
  assert.deepEqual(foreign, []);
  const [topic] = topics;
  assert.ok(topic && topic.segments > 1);
  assert.deepEqual(
    [topic.name, topic.firstSeq, topic.lastSeq, topic.intact, topic.damage, topic.notes],
    ["t", 11, 320, 310, [], []],
  );
});

Deno.test("verifyFileStore names the damaged events, torn tails and files that are not ours, and changes nothing", async () => {
  const disk = await filled();
  const files = disk.files().filter((path) => path.endsWith(".ndjson")).sort();
  const [first, last] = [files[0]!, files.at(-1)!];
  const flipped = disk.bytes(first).slice();
  flipped[flipped.length - 10]! ^= 1;
  disk.put(first, flipped);
  disk.put(last, new Uint8Array([...disk.bytes(last), 0x7b, 0x22]));
  disk.put(`${DIR}/t/notes.txt`, new Uint8Array(3));
  disk.put(`${DIR}/readme.md`, new Uint8Array(3));
  const before = disk.files().map((path) => [path, disk.bytes(path).slice()]);
  const { topics: [topic], foreign } = verifyFileStore(DIR, { disk, now: 7 });
  assert.ok(topic);
  assert.deepEqual(foreign.sort(), ["readme.md", "t/notes.txt"]);
  const [damage, ...others] = topic.damage;
  assert.ok(damage && others.length === 0 && damage.lost && damage.foundAt === 7);
  assert.ok(damage.what.includes(first));
  assert.equal(topic.intact, 310 - (damage.lastSeq - Math.max(11, damage.firstSeq) + 1));
  assert.match(topic.notes.join(), /cut 2 bytes of an unfinished write/);
  assert.deepEqual(disk.files().map((path) => [path, disk.bytes(path)]), before);
});
