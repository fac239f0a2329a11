/**
 * The numbers of events within their keys, beyond what every store shows (testing/): events of the
 * time before keys were counted, crashes at any call to the disk, and damage.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../../core/base/clock.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { SqliteKeyCounts } from "../../../core/store/sqlite/key_counts.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { stored } from "../../../testing/new_event.ts";
import { packedRequest } from "../../../testing/packed_requests.ts";
import { dose } from "../../helpers/dose.ts";
import { unpackFixture } from "../../helpers/fixture.ts";
import { randomFrom } from "../../helpers/flip.ts";
import { MemoryDisk } from "../../helpers/memory_disk.ts";
import { inFolder } from "../../helpers/start.ts";
import { newEvent } from "./conformance.ts";

/** Appends an event of each key, and returns their numbers. */
async function next(store: JournalStore, topic: string, ...keys: string[]) {
  const events = keys.map((key) => newEvent({ key }));
  const [outcome] = await store.append([{ topic, events }]);
  return stored(outcome).keySeqs;
}

/** Both have 40 events without numbers in the topic orders; the key of each is its seq modulo 5. */
const OLD: Record<string, (folder: string) => JournalStore> = {
  "format-2": (folder) => new SqliteEventStore(`${folder}/events.db`),
  "files-1": (folder) => new FileEventStore(`${folder}/events`),
};

for (const [fixture, open] of Object.entries(OLD)) {
  Deno.test(`the keys of ${fixture} go on from the seqs of their last events`, async () => {
    await inFolder(async (folder) => {
      await unpackFixture(fixture, folder);
      let store = open(folder);
      const again = async () => {
        await store.close();
        store = open(folder);
      };
      const { events } = await store.readPage("orders", { from: 1, to: 1, limit: 1 });
      assert.equal(events[0]!.keySeq, undefined, "it is as it was stored");
      assert.deepEqual(await next(store, "orders", "0", "new", "0"), [41, 1, 42]);
      await again();
      assert.deepEqual(await next(store, "orders", "0", "1"), [43, 37]);
      const { key, id } = (await store.readPage("orders", { from: 2, to: 2, limit: 1 })).events[0]!;
      const request = { seq: 2, id, key: "digest", metadata: '{"redacted":{"at":1}}' };
      assert.equal(await store.redact!("orders", request), true);
      assert.deepEqual([key, await next(store, "orders", "2")], ["2", [38]]);
      await store.truncate("orders", 20);
      await store.truncate("orders", 30);
      await again();
      assert.deepEqual(await next(store, "orders", "3", "0"), [39, 44]);
      await store.truncate("orders", 1e9);
      await again();
      assert.deepEqual(await next(store, "orders", "4", "3", "2", "1", "0"), [51, 51, 51, 51, 51]);
      await store.close();
    });
  });
}

/** A store in the folder, by its kind. */
const OPEN: Record<string, (folder: string) => JournalStore> = {
  SqliteEventStore: (folder) => new SqliteEventStore(`${folder}/events.db`),
  FileEventStore: (folder) => new FileEventStore(`${folder}/events`),
};

for (const [name, open] of Object.entries(OPEN)) {
  Deno.test(`${name} gives no number that a lost event of the key may have had`, async () => {
    await inFolder(async (folder) => {
      let store = open(folder);
      const again = async () => {
        await store.close();
        store = open(folder);
      };
      assert.deepEqual(await next(store, "t", "a", "b", "a"), [1, 1, 2]);
      await store.raise!("t", 10);
      assert.deepEqual(await next(store, "t", "a", "new", "new"), [11, 1, 2]);
      await again();
      assert.deepEqual(await next(store, "t", "b", "a", "new"), [11, 12, 3]);
      await store.truncate("t", 1e9);
      await store.raise!("t", 30);
      await again();
      assert.deepEqual(await next(store, "t", "b", "a", "other"), [31, 31, 31]);
      await again();
      assert.deepEqual(await next(store, "t", "b", "new", "other"), [32, 31, 32]);
      await store.close();
    });
  });
}

for (const [name, open] of Object.entries(OPEN)) {
  Deno.test(`${name} numbers the keys of a removed topic alike with and without a restart`, async () => {
    await inFolder(async (folder) => {
      let store = open(folder);
      for (const topic of ["at-once", "later"]) {
        assert.deepEqual(await next(store, topic, "a", "b", "a"), [1, 1, 2]);
        await store.removeTopic!(topic);
      }
      const anew = async (topic: string) => {
        const expected = { keySeq: 0 };
        const [outcome] = await store.append([{
          topic,
          events: [newEvent({ key: "a" })],
          expected,
        }]);
        return [...stored(outcome).keySeqs!, ...(await next(store, topic, "a", "b"))!];
      };
      assert.deepEqual(await anew("at-once"), [4, 5, 4]);
      await store.close();
      store = open(folder);
      assert.deepEqual(await anew("later"), [4, 5, 4]);
      await store.close();
    });
  });
}

Deno.test("SqliteKeyCounts holds so many keys of all topics together, and none of a removed one", () => {
  const counts = new SqliteKeyCounts(() => assert.fail("nothing is asked of the database"));
  let most = 0;
  for (let n = 0; n < 200_000; n++) {
    counts.stored(n % 1000, `key-${n}`, n);
    most = Math.max(most, counts.held);
  }
  assert.equal(most, 65_536);
  counts.forget();
  for (let n = 0; n < 100; n++) counts.stored(n % 10, `key-${n % 50}`, n);
  assert.equal(counts.held, 50, "each once");
  counts.removed(3);
  counts.removed(3);
  assert.equal(counts.held, 45);
  counts.forget();
  assert.equal(counts.held, 0);
});

Deno.test("SqliteEventStore goes on from the seq of a key's newest event when that is damaged", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const store = new SqliteEventStore(path);
    assert.deepEqual(await next(store, "t", "b", "a", "a", "a"), [1, 1, 2, 3]);
    await store.close();
    const database = new DatabaseSync(path);
    database.exec(
      "UPDATE log SET line = CAST(replace(line, '\"keySeq\":3', '\"keySeq\":7') AS BLOB)",
    );
    database.close();
    const reopened = new SqliteEventStore(path);
    assert.deepEqual(await next(reopened, "t", "a", "b"), [5, 2]);
    await reopened.close();
  });
});

Deno.test("SqliteEventStore gives no number twice when its file was ruined and salvaged", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const keys = ["a", "b", "c"];
    const store = new SqliteEventStore(path);
    const given = new Map<string, number>();
    for (let n = 0; n < 3_000; n += 100) {
      const many = Array.from({ length: 100 }, (_, i) => keys[(n + i) % 2]!);
      const numbers = await next(store, "t", "c", ...many);
      ["c", ...many].forEach((key, i) => given.set(key, numbers![i]!));
    }
    const [first] = (await store.readPage("t", { from: 1, to: 1, limit: 1 })).events;
    await store.redact("t", { seq: 1, id: first!.id, key: "digest", metadata: "{}" });
    await store.close();
    const made = await Deno.readFile(path);
    const size = 16_384;
    const random = randomFrom(Number(Deno.env.get("EVS_SEED") ?? 49));
    for (let round = 0; round < dose(8); round++) {
      const page = 1 + random(made.length / size - 1);
      const ruined = made.slice();
      ruined.fill(0xe7, 0, size);
      ruined.fill(0xe7, page * size, (page + 1) * size);
      await Deno.writeFile(path, ruined);
      for (const suffix of ["-wal", "-shm"]) await removeIfThere(path + suffix);
      const salvaged = new SqliteEventStore(path);
      const numbers = await next(salvaged, "t", ...keys);
      const { lastSeq } = salvaged.head("t");
      keys.forEach((key, i) => {
        const number = numbers![i]!;
        assert.ok(number > given.get(key)!, `page ${page}: ${key}: ${number}`);
        assert.ok(number <= lastSeq, `page ${page}: ${key}: ${number}, ${lastSeq}`);
      });
      // The first events may be lost; then it looks as if they had been deleted.
      const { firstSeq } = salvaged.head("t");
      assert.deepEqual(await next(salvaged, "t", "new", ...keys), [
        firstSeq,
        ...numbers!.map((number) => number + 1),
      ]);
      await salvaged.close();
    }
  });
});

async function removeIfThere(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

const DIR = "/data/events";
const KEYS = ["a", "b", "c"];

function onDisk(disk: MemoryDisk): FileEventStore {
  return new FileEventStore(DIR, {
    disk,
    clock: { ...systemClock, setTimer: () => () => {} },
    // A few appends fill a segment.
    segments: { maxBytes: 2_000 },
  });
}

/** The numbers of the acknowledged events of each key, which must not be given again. */
type Given = Map<string, number>;

/** Appends, deletes and redacts until the disk fails. */
async function work(store: FileEventStore, given: Given): Promise<void> {
  for (let n = 0; n < 12; n++) {
    const keys = [KEYS[n % 3]!, "often", ...n < 2 ? ["rare"] : []];
    const numbers = await next(store, "t", ...keys);
    keys.forEach((key, i) => {
      assert.equal(numbers![i], (given.get(key) ?? 0) + 1, `${n}: ${key}`);
      given.set(key, numbers![i]!);
    });
    const { firstSeq, lastSeq } = store.head("t");
    if (n % 4 === 3) await store.truncate("t", Math.ceil((firstSeq + lastSeq) / 2));
    if (n % 5 === 4) {
      const [event] = (await store.readPage("t", { from: lastSeq, to: lastSeq, limit: 1 })).events;
      const request = { seq: lastSeq, id: event!.id, key: "digest", metadata: "{}" };
      await store.redact("t", request);
    }
  }
}

Deno.test("FileEventStore gives no number of a key twice, wherever a crash comes", async () => {
  const random = randomFrom(Number(Deno.env.get("EVS_SEED") ?? 49));
  let crashes = 0;
  for (let call = 0;; call += 1 + random(9)) {
    const disk = new MemoryDisk();
    const given: Given = new Map();
    let left = call;
    disk.onCall = () => {
      if (left-- <= 0) throw new Error("down");
    };
    let isDown = false;
    try {
      const store = onDisk(disk);
      await work(store, given);
      await store.close();
    } catch (error) {
      if (left >= 0) throw error;
      isDown = true;
    }
    if (!isDown) break;
    disk.onCall = undefined;
    const cuts = Array.from(
      { length: dose(1) },
      () => disk.powerCut(() => random(1_000_000) / 1_000_000),
    );
    for (const after of [...cuts, disk.kill()]) {
      crashes++;
      let store = onDisk(after);
      const keys = [...KEYS, "often", "rare"];
      const { firstSeq } = store.head("t");
      const first = await next(store, "t", ...keys);
      keys.forEach((key, i) => {
        const [number, known] = [first![i]!, given.get(key) ?? 0];
        // An event whose append was cut short may be there, and none of a key may be left.
        const isNext = [1, 2].includes(number - known) || number > known && number === firstSeq;
        assert.ok(isNext, `${call}: ${key}: ${number}, ${known}, ${firstSeq}`);
      });
      await store.close();
      store = onDisk(after);
      assert.deepEqual(await next(store, "t", ...keys), first!.map((number) => number + 1));
      await store.close();
    }
  }
  assert.ok(crashes > 30, `${crashes} crashes`);
});

Deno.test("FileEventStore goes on from the seqs in full segments when its file of keys is damaged", async () => {
  await inFolder(async (folder) => {
    const open = (notes: string[] = []) =>
      new FileEventStore(`${folder}/events`, {
        onNote: (note) => notes.push(note),
        segments: { maxBytes: 2_000 },
      });
    let store = open();
    assert.deepEqual(await next(store, "t", "b", "old"), [1, 1]);
    for (let n = 1; n <= 30; n++) assert.deepEqual(await next(store, "t", "a"), [n]);
    assert.deepEqual(await next(store, "t", "b"), [2]);
    await store.close();
    const path = `${folder}/events/t/counts`;
    const bytes = await Deno.readFile(path);
    bytes[bytes.length - 1]! ^= 1;
    await Deno.writeFile(path, bytes);
    const notes: string[] = [];
    store = open(notes);
    // The last events of a and b are in the open segment, which is read; that of old is not.
    assert.deepEqual(await next(store, "t", "a", "b", "old", "new"), [31, 3, 3, 1]);
    assert.match(notes.join("\n"), /counts is damaged: keys go on from the seqs of their last/);
    await store.close();
  });
});

Deno.test("FileEventStore gives no number that a damaged event in its open segment may have had", async () => {
  await inFolder(async (folder) => {
    const open = () => new FileEventStore(`${folder}/events`);
    let store = open();
    await next(store, "t", "b", "a", "a");
    // What follows is in another block.
    const payload = JSON.stringify("x".repeat(300_000));
    await store.append([{ topic: "t", events: [newEvent({ payload })] }]);
    await next(store, "t", "a");
    await store.close();
    const path = `${folder}/events/t/0000000000000001.ndjson`;
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace(`"keySeq":3`, `"keySeq":2`));
    store = open();
    const numbers = await next(store, "t", "a", "b", "new");
    assert.ok(numbers![0]! > 3, `${numbers}`);
    assert.equal(numbers![2], 1);
    await store.close();
    store = open();
    const after = numbers!.map((number) => number + 1);
    assert.deepEqual(await next(store, "t", "a", "b", "new"), after);
    await store.close();
  });
});

Deno.test("FileEventStore goes on from its events when they are older than its file of keys", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/events/t`;
    let store = new FileEventStore(`${folder}/events`);
    assert.deepEqual(await next(store, "t", "a", "b", "a"), [1, 1, 2]);
    await store.close();
    const older = new Map<string, Uint8Array>();
    for await (const { name } of Deno.readDir(path)) {
      older.set(name, await Deno.readFile(`${path}/${name}`));
    }
    store = new FileEventStore(`${folder}/events`);
    for (let n = 3; n <= 40; n++) assert.deepEqual(await next(store, "t", "a"), [n]);
    const [event] = (await store.readPage("t", { from: 40, to: 40, limit: 1 })).events;
    await store.redact("t", { seq: 40, id: event!.id, key: "digest", metadata: "{}" });
    await store.close();
    for (const [name, bytes] of older) await Deno.writeFile(`${path}/${name}`, bytes);
    store = new FileEventStore(`${folder}/events`);
    // No number is above its seq.
    const { lastSeq } = store.head("t");
    const numbers = await next(store, "t", "a", "b", "new");
    assert.ok(numbers![0]! > 2 && numbers![0]! <= lastSeq + 1, `${numbers} after ${lastSeq}`);
    assert.equal(numbers![2], 1);
    await store.close();
    store = new FileEventStore(`${folder}/events`);
    const after = numbers!.map((number) => number + 1);
    assert.deepEqual(await next(store, "t", "a", "b", "new"), after);
    await store.close();
  });
});

Deno.test("FileEventStore numbers the events of more keys than it holds as texts", async () => {
  await inFolder(async (folder) => {
    let store = new FileEventStore(`${folder}/events`);
    const keys = Array.from({ length: 20_000 }, (_, i) => `key-${i}`);
    const ones = keys.map(() => 1);
    assert.deepEqual(await next(store, "t", ...keys), ones);
    assert.deepEqual(await next(store, "t", ...keys.toReversed()), ones.map(() => 2));
    await store.close();
    store = new FileEventStore(`${folder}/events`);
    assert.deepEqual(await next(store, "t", ...keys, "new"), [...ones.map(() => 3), 1]);
    await store.close();
  });
});

Deno.test("FileEventStore forgets keys of which nothing is left when there are many", async () => {
  await inFolder(async (folder) => {
    const open = () =>
      new FileEventStore(`${folder}/events`, {
        durability: "os",
        segments: { maxBytes: 1_000_000 },
      });
    let store = open();
    const count = 10_000;
    const payloads = Array.from({ length: count }, () => "1");
    for (let n = 0; n < 20; n++) {
      const keys = payloads.map((_, i) => `key-${n * count + i}`);
      const [outcome] = await store.append([packedRequest(payloads, { topic: "t", keys })]);
      const { firstSeq } = store.head("t");
      assert.deepEqual(new Set(stored(outcome).keySeqs), new Set([firstSeq]));
      await store.truncate("t", (n + 1) * count - 5_000);
    }
    const { size } = await Deno.stat(`${folder}/events/t/counts`);
    // All of them would be 200,000.
    assert.ok(size < 100_000 * 24, `${size} bytes`);
    const { firstSeq } = store.head("t");
    const numbers = await next(store, "t", "key-0", "key-199999");
    await store.close();
    store = open();
    assert.ok(numbers![0]! > 1 && numbers![0]! <= firstSeq, `${numbers}`);
    assert.deepEqual(await next(store, "t", "key-0", "key-199999"), numbers!.map((n) => n + 1));
    await store.close();
  });
});
