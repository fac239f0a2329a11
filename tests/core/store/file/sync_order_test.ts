/**
 * Contract rows 1, 3 and 7 for the file store, call by call: what must be on the disk before
 * something else is, and before anybody is answered. Random power cuts (model_test.ts) find a sync
 * that is missing only sometimes; here it is missing from the list.
 */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../../../core/base/errors.ts";
import {
  FileEventStore,
  type FileStoreOptions,
} from "../../../../core/store/file/file_event_store.ts";
import { replaceFile } from "../../../../core/store/file/disk.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
import { type DiskCall, MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/data/events";
const LINES = "t/0000000000000001.ndjson";
const INDEX = "t/0000000000000001.index";

/** A store on a disk that notes its calls, as `sync t/head`. */
function open(options: FileStoreOptions = {}, disk = new MemoryDisk()) {
  const store = new FileEventStore(DIR, { disk, ...options });
  const calls: string[] = [];
  const note = ({ op, path }: DiskCall) => {
    if (op !== "open") calls.push(`${op} ${path === DIR ? "." : path.slice(DIR.length + 1)}`);
  };
  disk.onCall = note;
  return { disk, store, calls, note };
}

const append = (store: FileEventStore, count = 1, topic = "t") =>
  store.append([{ topic, events: Array.from({ length: count }, () => newEvent()) }]);

/** Asserts that the calls contain these, in this order. */
function assertOrder(calls: readonly string[], wanted: readonly string[]): void {
  let at = 0;
  for (const one of wanted) {
    const found = calls.indexOf(one, at);
    assert.ok(
      found >= 0,
      `${one} is missing behind ${calls.slice(0, at).at(-1)} in: ${calls.join(", ")}`,
    );
    at = found + 1;
  }
}

Deno.test("FileEventStore has the folders, the lines and the index on the disk when a new topic's event is acknowledged", async () => {
  const { store, calls } = open();
  await append(store);
  assertOrder(calls, [`write ${LINES}`, `write ${INDEX}`, `sync ${LINES}`]);
  assertOrder(calls, [`write ${INDEX}`, `sync ${INDEX}`]);
  assertOrder(calls, ["syncFolder .", `create ${LINES}`, "syncFolder t"]);
  calls.length = 0;
  await append(store);
  assert.deepEqual(calls.toSorted(), [
    `sync ${INDEX}`,
    `sync ${LINES}`,
    `write ${INDEX}`,
    `write ${LINES}`,
  ]);
  await store.close();
});

Deno.test("FileEventStore has lines and index on the disk when it acknowledges an append beside another", async () => {
  const { store, calls } = open();
  const onWritten = () => calls.push("written");
  await store.appendTelling([{ topic: "t", events: [newEvent()] }], { onWritten });
  assertOrder(calls, [`write ${LINES}`, "written", `sync ${LINES}`]);
  assertOrder(calls, [`write ${INDEX}`, "written", `sync ${INDEX}`]);
  assertOrder(calls, [`create ${LINES}`, "syncFolder t"]);
  await store.close();
});

Deno.test("FileEventStore syncs what waits no later than its interval", async () => {
  const clock = new FakeClock();
  const { store, calls } = open({ clock, durability: "interval:50" });
  await append(store);
  assert.ok(!calls.includes(`sync ${LINES}`));
  await clock.pass(49);
  assert.ok(!calls.includes(`sync ${LINES}`));
  await clock.pass(1);
  assertOrder(calls, [`write ${LINES}`, `sync ${LINES}`]);
  assertOrder(calls, [`write ${INDEX}`, `sync ${INDEX}`]);
  await store.close();
});

Deno.test("FileEventStore has events on the disk before the head that tells of them when it cuts", async () => {
  const { store, calls } = open({ durability: "os" });
  await append(store, 10);
  assert.ok(!calls.includes(`sync ${LINES}`));
  await store.truncate("t", 6);
  assertOrder(calls, [
    `sync ${LINES}`,
    "write t/head.new",
    "sync t/head.new",
    "rename t/head",
    "syncFolder t",
  ]);
  await store.close();
});

Deno.test("FileEventStore writes the head before it removes a segment, and removes its lines last", async () => {
  const { store, calls } = open({ segments: { maxBytes: 100 } });
  await append(store, 10);
  await append(store, 10);
  calls.length = 0;
  await store.truncate("t", 11);
  assertOrder(calls, ["rename t/head", "syncFolder t", `remove ${INDEX}`, `remove ${LINES}`]);
  await store.close();
});

Deno.test("FileEventStore names the newest segment in the head once that is in its folder", async () => {
  const { store, calls, disk } = open({ segments: { maxBytes: 100 } });
  await append(store, 10);
  calls.length = 0;
  await append(store, 10);
  const second = "create t/0000000000000011.ndjson";
  assertOrder(calls, [second, "syncFolder t", "sync t/head.new", "rename t/head", "syncFolder t"]);
  assert.match(new TextDecoder().decode(disk.bytes(`${DIR}/t/head`)), /"newest":11\}\n$/);
  await store.close();
});

Deno.test("FileEventStore records a batch of several topics on the disk before it writes to them, and empties it behind", async () => {
  for (const durability of ["always", "os"] as const) {
    const { store, calls } = open({ durability });
    await append(store, 1, "t");
    await append(store, 1, "u");
    calls.length = 0;
    const both = ["t", "u"].map((topic) => ({ topic, events: [newEvent()] }));
    await store.append(both, { groups: [{ from: 0, to: 2, conditions: [] }] });
    const lines = ["t", "u"].map((topic) => `write ${topic}/0000000000000001.ndjson`);
    assertOrder(calls, ["write %batch", "sync %batch", lines[0]!, lines[1]!]);
    assertOrder(calls, [lines[0]!, `sync ${LINES}`, "truncate %batch"]);
    assertOrder(calls, [lines[1]!, "sync u/0000000000000001.ndjson", "truncate %batch"]);
    await store.close();
  }
});

Deno.test("FileEventStore takes back on the disk what found no room, lines and index", async () => {
  const { disk, store, calls, note } = open();
  await append(store, 5);
  const [lines, index] = [LINES, INDEX].map((path) => disk.bytes(`${DIR}/${path}`).slice());
  // The lines are written, and their slots only in part.
  disk.onCall = (call) => {
    note(call);
    if (call.op !== "write" || !call.path.endsWith(INDEX)) return;
    disk.onCall = (call) => {
      note(call);
      const isAgain = call.op === "write" && call.path.endsWith(INDEX);
      if (isAgain && calls.at(-2) === `write ${INDEX}`) {
        throw Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
      }
    };
    return 10;
  };
  calls.length = 0;
  await assert.rejects(append(store, 5), CannotStoreError);
  assert.deepEqual(disk.bytes(`${DIR}/${LINES}`), lines);
  assert.deepEqual(disk.bytes(`${DIR}/${INDEX}`), index);
  assertOrder(calls, [`truncate ${LINES}`, `sync ${INDEX}`, `sync ${LINES}`]);
  await store.close();
});

Deno.test("FileEventStore acknowledges nothing more when files that it writes to are gone", async () => {
  for (const path of [LINES, INDEX]) {
    for (const durability of ["always", "os"] as const) {
      const { disk, store } = open({ durability });
      await append(store);
      disk.remove(`${DIR}/${path}`);
      const gone = /was taken away|was removed|replaced/;
      await assert.rejects(append(store), gone, `${path} ${durability}`);
      await assert.rejects(append(store), gone);
      await store.close();
    }
  }
});

Deno.test("FileEventStore refuses everything when a sync has failed once", async () => {
  const { disk, store } = open();
  await append(store);
  disk.onCall = ({ op, path }) => {
    if (op === "sync" && path.endsWith(LINES)) throw new Error("Input/output error");
  };
  await assert.rejects(append(store), /Input\/output error/);
  disk.onCall = undefined;
  await assert.rejects(append(store), /Input\/output error/);
  await assert.rejects(append(store, 1, "u"), /Input\/output error/);
  await assert.rejects(store.truncate("t", 2), /Input\/output error/);
  await store.close();
});

Deno.test("FileEventStore writes all of it when the disk takes a few bytes at a time", async () => {
  const { disk, store } = open();
  disk.onCall = ({ op, bytes = 0 }) => op === "write" ? Math.min(bytes, 7) : undefined;
  await append(store, 3);
  await store.close();
  const again = new FileEventStore(DIR, { disk: disk.kill() });
  assert.deepEqual(again.readPage("t", { from: 1, to: 9, limit: 9 }).events.map(({ seq }) => seq), [
    1,
    2,
    3,
  ]);
  assert.deepEqual(again.found.notes, []);
  await again.close();
});

Deno.test("FileEventStore refuses a folder that another one has, and takes it once that is closed", async () => {
  const { disk, store } = open();
  assert.throws(() => new FileEventStore(DIR, { disk }), { code: "datadir/locked" });
  await append(store);
  await store.close();
  await new FileEventStore(DIR, { disk }).close();
});

Deno.test("replaceFile has the new file on the disk before it takes the old one's place, and then its name", () => {
  const disk = new MemoryDisk();
  disk.makeFolder("/d");
  disk.put("/d/f", Uint8Array.of(1));
  // A crash left it.
  disk.put("/d/f.new", Uint8Array.of(9, 9, 9));
  const calls: string[] = [];
  disk.onCall = ({ op, path }) => void calls.push(`${op} ${path}`);
  replaceFile(disk, { folder: "/d", name: "f" }, Uint8Array.of(2, 3));
  assert.deepEqual(calls, [
    "remove /d/f.new",
    "create /d/f.new",
    "write /d/f.new",
    "sync /d/f.new",
    "rename /d/f",
    "syncFolder /d",
  ]);
  assert.deepEqual(disk.bytes("/d/f"), Uint8Array.of(2, 3));
});
