/**
 * A store with many topics starts from its checkpoint: what it says about a topic is true, whatever
 * has happened since; everything else is inspected. (Crashes are covered by model_test.ts.)
 */
import assert from "node:assert/strict";
import { systemClock } from "../../../../core/base/clock.ts";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/events";
const CHECKPOINT = `${DIR}/checkpoint`;
const TOPICS = ["a", "B", "c.d"];

/** Opens the store; `lookedAt` gets the folders that it opens a file in. */
function open(disk: MemoryDisk, options: { lookedAt?: Set<string>; now?: () => number } = {}) {
  const { lookedAt, now = systemClock.now } = options;
  disk.onCall = ({ op, path }) => {
    const [, folder] = /^\/events\/([^/]+)\//.exec(path) ?? [];
    if (op === "open" && folder !== undefined) lookedAt?.add(folder);
  };
  return new FileEventStore(DIR, { disk, lookAtMost: 2, clock: { ...systemClock, now } });
}

async function append(store: FileEventStore, topic: string, count = 3): Promise<number> {
  const events = Array.from({ length: count }, () => newEvent({ key: "k" }));
  const [outcome] = await store.append([{ topic, events }]);
  assert.ok(outcome?.ok);
  return outcome.lastSeq;
}

async function filled(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = open(disk);
  for (const topic of TOPICS) await append(store, topic);
  await store.close();
  return disk;
}

function countOf(store: FileEventStore, topic: string): number {
  return store.readLines(topic, { from: 1, to: Infinity, limit: 1000 }).count;
}

Deno.test("FileEventStore looks into no folder at a start when it was closed in order", async () => {
  const disk = await filled();
  const lookedAt = new Set<string>();
  const store = open(disk, { lookedAt });
  assert.deepEqual([...lookedAt], []);
  for (const topic of TOPICS) {
    assert.deepEqual([store.head(topic).firstSeq, store.head(topic).lastSeq], [1, 3]);
    assert.equal(countOf(store, topic), 3);
  }
  await store.close();
});

Deno.test("FileEventStore looks after a kill only at what was written to", async () => {
  const disk = await filled();
  assert.equal(await append(open(disk), "B"), 6);
  const lookedAt = new Set<string>();
  const store = open(disk.kill(), { lookedAt });
  assert.deepEqual([...lookedAt], ["b%1"]);
  assert.equal(store.head("B").lastSeq, 6);
  assert.equal(await append(store, "a"), 6);
  await store.close();
});

Deno.test("FileEventStore knows after a power cut what was acknowledged behind its checkpoint", async () => {
  const disk = await filled();
  await append(open(disk), "a");
  // Nothing that was not synced is left.
  const store = open(disk.powerCut(() => 0));
  assert.equal(store.head("a").lastSeq, 6);
  assert.equal(countOf(store, "a"), 6);
  await store.close();
});

Deno.test("FileEventStore knows what retention took behind its checkpoint", async () => {
  const disk = await filled();
  await open(disk).truncate("a", 3);
  const store = open(disk.powerCut(() => 0));
  assert.equal(store.head("a").firstSeq, 3);
  await store.close();
});

Deno.test("FileEventStore looks at everything when any byte of its checkpoint is damaged", async () => {
  const disk = await filled();
  await append(open(disk), "a");
  const sound = disk.bytes(CHECKPOINT).slice();
  for (let at = 0; at < sound.length; at++) {
    for (
      const bytes of [
        sound.subarray(0, at),
        sound.map((byte, i) => i === at ? byte ^ 4 : byte),
      ]
    ) {
      const copy = disk.kill();
      copy.put(CHECKPOINT, bytes);
      const store = open(copy);
      const heads = TOPICS.map((topic) => store.head(topic).lastSeq);
      // Cut before the stroke it would be an old checkpoint: no file system does that to what was
      // synced.
      if (bytes.length === sound.length || sound[at - 1] !== 0x0a) {
        assert.deepEqual(heads, [6, 3, 3], `at byte ${at}`);
      }
    }
  }
});

Deno.test("FileEventStore finds on reading what was damaged under its checkpoint", async () => {
  const disk = await filled();
  const path = `${DIR}/a/0000000000000001.ndjson`;
  disk.put(path, disk.bytes(path).map((byte, i) => i === 20 ? byte ^ 1 : byte));
  const store = open(disk);
  assert.equal(countOf(store, "a"), 0);
  assert.deepEqual(store.damage().map(({ topic, firstSeq }) => [topic, firstSeq]), [["a", 1]]);
  await store.close();
});

Deno.test("FileEventStore cuts a torn tail under its checkpoint before it writes behind it", async () => {
  const disk = await filled();
  const path = `${DIR}/a/0000000000000001.ndjson`;
  const sound = disk.bytes(path);
  // A live copy of the folder that ended in the middle of an append.
  const torn = new TextEncoder().encode('{"seq":4,"topic":"a","ty');
  disk.put(path, Uint8Array.from([...sound, ...torn]));
  const store = open(disk);
  assert.equal(countOf(store, "a"), 3);
  assert.equal(await append(store, "a"), 6);
  assert.equal(countOf(store, "a"), 6);
  await store.close();
  const lines = new TextDecoder().decode(disk.bytes(path)).trimEnd().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line).seq), [1, 2, 3, 4, 5, 6]);
});

Deno.test("FileEventStore names the events of a topic of its checkpoint whose folder was taken away", async () => {
  const disk = await filled();
  const before = open(disk);
  await append(before, "d");
  await before.close();
  for (const kind of ["ndjson", "index"]) disk.remove(`${DIR}/a/0000000000000001.${kind}`);
  disk.remove(`${DIR}/a`);
  const store = open(disk);
  assert.deepEqual(store.topics().sort(), ["B", "a", "c.d", "d"]);
  assert.deepEqual(store.head("a"), { firstSeq: 4, lastSeq: 3, bytes: 0 });
  const [lost] = store.damage();
  assert.deepEqual([lost?.topic, lost?.firstSeq, lost?.lastSeq, lost?.lost], ["a", 1, 3, true]);
  assert.equal(await append(store, "a"), 6, "their numbers are not used again");
  await store.close();
});

Deno.test("FileEventStore keeps in its next checkpoint what nobody asked for and what was changed", async () => {
  const disk = await filled();
  const store = open(disk);
  await append(store, "B");
  await append(store, "new");
  await store.close();
  const lookedAt = new Set<string>();
  const again = open(disk.powerCut(() => 0), { lookedAt });
  assert.deepEqual([...lookedAt], []);
  assert.deepEqual(
    again.topics().sort().map((topic) => [topic, again.head(topic).lastSeq, countOf(again, topic)]),
    [["B", 6, 6], ["a", 3, 3], ["c.d", 3, 3], ["new", 3, 3]],
  );
  await again.close();
});

Deno.test("FileEventStore gives no seq again when a segment went away under its checkpoint", async () => {
  const disk = await filled();
  for (const kind of ["ndjson", "index"]) disk.remove(`${DIR}/a/0000000000000001.${kind}`);
  const store = open(disk);
  assert.equal(await append(store, "a"), 6);
  await store.close();
});

Deno.test("FileEventStore goes on behind lines that came into a folder under its checkpoint", async () => {
  const disk = await filled();
  const checkpoint = disk.bytes(CHECKPOINT).slice();
  const other = open(disk);
  await append(other, "a");
  await other.close();
  // A live copy: the checkpoint was copied first, the lines later.
  disk.put(CHECKPOINT, checkpoint);
  const store = open(disk);
  assert.equal(store.head("a").lastSeq, 3);
  assert.equal(await append(store, "a"), 9);
  assert.equal(countOf(store, "a"), 9);
  await store.close();
});

Deno.test("FileEventStore keeps the old checkpoint when there is no room for a new one", async () => {
  const disk = await filled();
  const store = open(disk);
  await append(store, "a");
  disk.onCall = ({ op, path }) => {
    if (op !== "write" || !path.startsWith(CHECKPOINT)) return;
    throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
  };
  await store.close();
  const again = open(disk);
  assert.equal(again.head("a").lastSeq, 6);
  assert.equal(again.head("B").lastSeq, 3);
  await again.close();
});

Deno.test("FileEventStore drops a checkpoint that it does not read", async () => {
  const disk = await filled();
  // Few topics enough to look at all: nothing is struck off, so it must go.
  const store = new FileEventStore(DIR, { disk, lookAtMost: 3 });
  await append(store, "a");
  await store.close();
  assert.ok(!disk.files().includes(CHECKPOINT));
  const again = open(disk);
  assert.equal(again.head("a").lastSeq, 6);
  await again.close();
});

Deno.test("FileEventStore has a topic struck off its checkpoint before anything of it is on the disk", async () => {
  for (const durability of ["always", "os"] as const) {
    const disk = await filled();
    const calls: string[] = [];
    const store = new FileEventStore(DIR, { disk, lookAtMost: 2, durability });
    disk.onCall = ({ op, path }) => {
      if (op === "write" || op === "sync") calls.push(`${op} ${path.split("/").at(-1)}`);
    };
    await append(store, "a");
    const lines = calls.findIndex((call) => call === "write 0000000000000001.ndjson");
    assert.deepEqual(calls.slice(0, 2), ["write checkpoint", "sync checkpoint"], durability);
    assert.ok(lines >= 2, calls.join());
    disk.onCall = undefined;
    await store.close();
  }
});

Deno.test("FileEventStore takes nothing more when its checkpoint could not be synced", async () => {
  const disk = await filled();
  const store = open(disk);
  disk.onCall = ({ op, path }) => {
    if (op === "sync" && path === CHECKPOINT) throw new Error("EIO");
  };
  await assert.rejects(append(store, "a"), /could not be synced/);
  disk.onCall = undefined;
  await assert.rejects(append(store, "B"), /could not be synced/);
  await store.close();
  const again = open(disk.kill());
  assert.deepEqual(TOPICS.map((topic) => countOf(again, topic)), [3, 3, 3]);
  await again.close();
});
