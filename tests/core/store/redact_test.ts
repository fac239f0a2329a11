/**
 * Redaction in our stores: the old bytes are in no file of theirs, and a crash at any moment leaves
 * the event as it was or redacted, and everything else as it is.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { verifyFileStore } from "../../../core/store/file/verify.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import { verifyEventDatabase } from "../../../core/store/sqlite/verify.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { FileWorkerEventStore } from "../../../core/store/worker/file_worker_store.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { filesWith } from "../../helpers/leftovers.ts";
import { MemoryDisk } from "../../helpers/memory_disk.ts";
import { inFolder } from "../../helpers/start.ts";
import { newEvent } from "./conformance.ts";

const METADATA = '{"redacted":{"at":5}}';
const decoder = new TextDecoder();
/** Nothing of these may be left: a stale copy may have lost its beginning or its end. */
const PIECES = Array.from({ length: 40 }, (_, i) => `pass${String(i).padStart(4, "0")}word`);
const SECRET = {
  payload: JSON.stringify(PIECES),
  key: "key-of-secret",
  metadata: '{"m":"meta-of-secret"}',
};
const GONE = [...PIECES, SECRET.key, "meta-of-secret"];

/**
 * Several topics that take turns, so that rows move between pages; the secret is event 30 of each
 * of them, removed from all but one by retention.
 */
async function fillAround(store: JournalStore, payload = SECRET.payload): Promise<void> {
  const event = { ...SECRET, payload, id: "secret" };
  for (let round = 0; round < 60; round++) {
    for (const topic of ["a", "b", "c"]) {
      const secret = round === 29 && topic === "b" ? event : {};
      const payload = JSON.stringify("x".repeat(round * 37 % 900));
      await store.append([{
        topic,
        events: [newEvent({ payload, key: `k${round % 7}`, ...secret }), newEvent({ payload })],
      }]);
    }
  }
  await store.truncate("a", 41);
}

/** Redacts event 59 of topic b, the secret one. */
async function redactSecret(store: JournalStore): Promise<void> {
  const request = { seq: 59, id: "secret", key: "redacted:1", metadata: METADATA };
  assert.equal(await store.redact!("b", request), true);
}

const SIZES = { "a small event": 1, "an event on several pages": 200 };

for (const [what, times] of Object.entries(SIZES)) {
  Deno.test(`SqliteEventStore has no byte of ${what} in its files when it was redacted`, () =>
    inFolder(async (folder) => {
      const store = new SqliteEventStore(`${folder}/events.db`);
      await fillAround(store, JSON.stringify(Array(times).fill(PIECES)));
      // Its pages were another large event's before, which retention deleted.
      await store.append([{
        topic: "a",
        events: [newEvent({ payload: JSON.stringify(PIECES.join().repeat(99)) })],
      }]);
      await store.truncate("a", 200);
      await store.append([{
        topic: "c",
        events: [newEvent({ payload: JSON.stringify("y".repeat(20_000)) })],
      }]);
      assert.notDeepEqual(filesWith(folder, GONE), [], "it was there");
      await redactSecret(store);
      assert.deepEqual(filesWith(folder, GONE), []);
      await store.append([{ topic: "b", events: [newEvent()] }]);
      await store.close();
      assert.deepEqual(filesWith(folder, GONE), []);
      const verdict = verifyEventDatabase(`${folder}/events.db`);
      assert.deepEqual([verdict.faults, verdict.found], [[], []]);
    }));
}

Deno.test("SqliteEventStore says who is in the way, and finishes later, when somebody reads while it redacts", () =>
  inFolder(async (folder) => {
    const store = new SqliteEventStore(`${folder}/events.db`);
    await fillAround(store);
    const other = new DatabaseSync(`${folder}/events.db`, { readOnly: true });
    other.exec("BEGIN; SELECT count(*) FROM log");
    await assert.rejects(redactSecret(store), (error: CannotStoreError) => {
      assert.equal(error.code, "store/busy");
      assert.match(error.message, /reading events\.db.*old bytes are still in it/);
      assert.match(error.hint!, /fuser/);
      return true;
    });
    assert.equal(store.find("b", "secret")?.metadata, METADATA);
    other.exec("COMMIT");
    other.close();
    await redactSecret(store);
    assert.deepEqual(filesWith(folder, GONE), []);
    await store.close();
  }));

for (const where of ["the open segment", "a full segment"]) {
  Deno.test(`FileEventStore has no byte of an event in ${where} when it was redacted`, () =>
    inFolder(async (folder) => {
      const dir = `${folder}/events`;
      const segments = where === "a full segment" ? { maxBytes: 9000 } : {};
      const store = new FileEventStore(dir, { segments });
      await fillAround(store);
      await redactSecret(store);
      assert.deepEqual(filesWith(folder, GONE), []);
      await store.append([{ topic: "b", events: [newEvent()] }]);
      await store.close();
      assert.deepEqual(filesWith(folder, GONE), []);
      const topic = verifyFileStore(dir).topics.find(({ name }) => name === "b");
      assert.deepEqual([topic!.intact, topic!.damage, topic!.notes], [121, [], []]);
    }));
}

Deno.test("FileWorkerEventStore reads on while its worker redacts", () =>
  inFolder(async (folder) => {
    const script = new URL("../../../daemon/file_worker.ts", import.meta.url);
    const store = await FileWorkerEventStore.open(`${folder}/events`, { script });
    await fillAround(store);
    let done = false;
    const redacting = redactSecret(store).finally(() => done = true);
    while (!done) {
      const { events } = store.readPage("b", { from: 1, to: 120, limit: 120 });
      assert.equal(events.length, 120);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await redacting;
    assert.equal(store.readPage("b", { from: 59, to: 59, limit: 1 }).events[0]!.metadata, METADATA);
    assert.deepEqual(store.damage(), []);
    await store.append([{ topic: "b", events: [newEvent()] }]);
    assert.equal(store.readPage("b", { from: 1, to: 121, limit: 200 }).events.length, 121);
    await store.close();
  }));

const DIR = "/data/events";

function open(disk: MemoryDisk, lookAtMost: number): FileEventStore {
  return new FileEventStore(DIR, { disk, lookAtMost, segments: { maxBytes: 4000 } });
}

/** All lines of the topics, without the one that may have changed. */
function others(store: FileEventStore): string {
  return ["a", "b"].flatMap((topic) => {
    const { bytes } = store.readLines(topic, { from: 1, to: 99, limit: 99 });
    return decoder.decode(bytes).split("\n").filter((line) => !line.includes('"id":"secret"'));
  }).join("\n");
}

/** Redacts an event, interrupted at call number `at` to the disk; true if it was. */
async function interrupted(
  { seq, at, lookAtMost, crash }: {
    seq: number;
    at: number;
    lookAtMost: number;
    crash: (disk: MemoryDisk) => MemoryDisk;
  },
): Promise<boolean> {
  let disk = new MemoryDisk();
  let store = open(disk, lookAtMost);
  for (let n = 1; n <= 30; n++) {
    const event = newEvent(
      n === seq ? { ...SECRET, id: "secret" } : { key: `k${n % 3}`, id: `i${n}` },
    );
    await store.append([{ topic: "b", events: [event] }, { topic: "a", events: [newEvent()] }]);
  }
  const before = others(store);
  if (lookAtMost === 0) {
    await store.close();
    store = open(disk, lookAtMost);
  }
  let left = at;
  let isDown = false;
  disk.onCall = () => {
    if (left-- > 0) return;
    isDown = true;
    throw new Error("down");
  };
  const request = { seq, id: "secret", key: "redacted:1", metadata: METADATA };
  const done = await store.redact("b", request).catch((error) => {
    assert.ok(isDown, String(error));
  });
  disk.onCall = undefined;
  disk = crash(disk);
  const mirror = disk.files().map((path) => [path, disk.bytes(path)] as const);
  const { topics } = verifyFileStore(DIR, { disk });
  assert.deepEqual(topics.flatMap(({ damage }) => damage), [], "doctor finds no damage in between");
  assert.deepEqual(disk.files().map((path) => [path, disk.bytes(path)] as const), mirror);
  store = open(disk, lookAtMost);
  assert.deepEqual(store.damage(), []);
  const found = store.find("b", "secret")!;
  const isRedacted = found.metadata === METADATA;
  if (done) assert.ok(isRedacted, "acknowledged and kept");
  assert.equal(decoder.decode(found.payload), isRedacted ? "null" : SECRET.payload);
  assert.equal(others(store), before);
  assert.deepEqual(disk.files().filter((path) => /\.(new|redacted)$/.test(path)), []);
  assert.equal(await store.redact("b", request), true);
  const [next] = await store.append([{ topic: "b", events: [newEvent({ id: "i7" }), newEvent()] }]);
  assert.ok(next?.ok && next.lastSeq === 31 && next.duplicates[0]?.seq === 7);
  assert.equal(others(store).split("\n").length, before.split("\n").length + 1);
  assert.deepEqual(holding(disk), []);
  await store.close();
  return isDown;
}

for (const lookAtMost of [100, 0]) {
  const how = lookAtMost === 0 ? "is opened from its checkpoint" : "looks at every topic";
  Deno.test(`FileEventStore leaves an event as it was or redacted when it is interrupted at any call and ${how}`, async () => {
    const random = randomFrom(42);
    const power = (disk: MemoryDisk) => disk.powerCut(() => random(1_000_000) / 1_000_000);
    for (const seq of [3, 30]) {
      for (const crash of [(disk: MemoryDisk) => disk.kill(), power]) {
        let at = 0;
        while (await interrupted({ seq, at, lookAtMost, crash })) at++;
        assert.ok(at > 12, `it was interrupted ${at} times`);
      }
    }
  });
}

/** The secret in topic b, stored together with an event of topic a or not at all. */
const BATCH = [
  { topic: "a", events: [newEvent()] },
  { topic: "b", events: [newEvent({ ...SECRET, id: "secret" })] },
];
const TOGETHER = { groups: [{ from: 0, to: 2, conditions: [] }] };
const OF_BATCH = { seq: 1, id: "secret", key: "redacted:1", metadata: METADATA };

/** The files of the disk that have something of the secret. */
function holding(disk: MemoryDisk): string[] {
  return disk.files().filter((path) =>
    GONE.some((text) => decoder.decode(disk.bytes(path)).includes(text))
  );
}

Deno.test("FileEventStore has no byte of an event of a batch when it was redacted and the power fails", async () => {
  for (const isRedacted of [false, true]) {
    const disk = new MemoryDisk();
    const store = open(disk, 100);
    await store.append(BATCH, TOGETHER);
    assert.equal(disk.bytes(`${DIR}/%batch`).length, 0, "it is empty, and nobody has synced that");
    if (isRedacted) assert.equal(await store.redact("b", OF_BATCH), true);
    const found = holding(disk.powerCut(() => 0)).map((path) => path.slice(DIR.length + 1));
    assert.equal(found.includes("%batch"), !isRedacted, found.join());
    if (isRedacted) assert.deepEqual(found, []);
  }
});

Deno.test("FileEventStore redacts an event of a batch after all when it was interrupted at any call", async () => {
  const random = randomFrom(43);
  for (let at = 0, isDown = true; isDown; at++) {
    const disk = new MemoryDisk();
    const store = open(disk, 100);
    await store.append(BATCH, TOGETHER);
    let left = at;
    isDown = false;
    disk.onCall = () => {
      if (left-- > 0) return;
      isDown = true;
      throw new Error("down");
    };
    await store.redact("b", OF_BATCH).catch((error) => assert.ok(isDown, String(error)));
    disk.onCall = undefined;
    const after = disk.powerCut(() => random(1_000_000) / 1_000_000);
    const reopened = open(after, 100);
    assert.deepEqual(reopened.damage(), []);
    assert.equal(await reopened.redact("b", OF_BATCH), true);
    assert.deepEqual(holding(after.powerCut(() => random(1_000_000) / 1_000_000)), []);
  }
});

for (const kind of ["sqlite", "file"] as const) {
  Deno.test(`a ${kind} store has no byte of an event of a batch in its files when it was redacted`, () =>
    inFolder(async (folder) => {
      const store = kind === "file"
        ? new FileEventStore(`${folder}/events`)
        : new SqliteEventStore(`${folder}/events.db`);
      await store.append(BATCH, TOGETHER);
      assert.notDeepEqual(filesWith(folder, GONE), []);
      assert.equal(await store.redact("b", OF_BATCH), true);
      assert.deepEqual(filesWith(folder, GONE), []);
      const next = ["a", "b"].map((topic) => ({ topic, events: [newEvent()] }));
      await store.append(next, TOGETHER);
      assert.deepEqual([store.head("a").lastSeq, store.head("b").lastSeq], [2, 2]);
      await store.close();
      assert.deepEqual(filesWith(folder, GONE), []);
    }));
}

Deno.test("FileEventStore changes nothing when the disk is too full to redact", async () => {
  for (let room = 0; room < 3; room++) {
    const disk = new MemoryDisk();
    const store = open(disk, 100);
    await store.append([{
      topic: "b",
      events: [newEvent({ ...SECRET, id: "secret" }), newEvent()],
    }]);
    let left = room;
    disk.onCall = ({ op, grows }) => {
      if (op !== "write" || !grows || left-- > 0) return;
      throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
    };
    const request = { seq: 1, id: "secret", metadata: METADATA };
    await assert.rejects(store.redact("b", request), { code: "store/disk-full" });
    disk.onCall = undefined;
    assert.equal(decoder.decode(store.find("b", "secret")!.payload), SECRET.payload);
    const [next] = await store.append([{ topic: "b", events: [newEvent()] }]);
    assert.ok(next?.ok && next.lastSeq === 3);
    assert.equal(await store.redact("b", request), true);
    await store.close();
  }
});
