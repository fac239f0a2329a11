/**
 * A clock that was stepped while the disk is full: the store goes on, and what it knows of the step
 * is written down when there is room.
 */
import assert from "node:assert/strict";
import { FileEventStore } from "../../../../core/store/file/file_event_store.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
import { MemoryDisk } from "../../../helpers/memory_disk.ts";
import { newEvent } from "../conformance.ts";

const DIR = "/events";
const HOUR = 3_600_000;

function noRoomForSkew(disk: MemoryDisk): void {
  disk.onCall = ({ op, path }) => {
    if (!path.includes("%skew") || (op !== "create" && op !== "write")) return;
    throw Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
  };
}

const publish = (store: FileEventStore) => store.append([{ topic: "t", events: [newEvent()] }]);

Deno.test("FileEventStore stores, knows ages, and writes a step of the clock down later, when there was no room for it", async () => {
  const clock = new FakeClock();
  const disk = new MemoryDisk();
  const store = new FileEventStore(DIR, { disk, clock });
  await publish(store);
  clock.jump(1000 * HOUR);
  noRoomForSkew(disk);
  assert.equal(await store.seekAge("t", HOUR), 1);
  const [outcome] = await publish(store);
  assert.ok(outcome!.ok && outcome!.lastSeq === 2);
  assert.equal(await store.seekAge("t", HOUR), 1);
  disk.onCall = undefined;
  await publish(store);
  const again = new FileEventStore(DIR, { disk: disk.kill(), clock });
  assert.equal(await again.seekAge("t", HOUR), 1, "none of them is old");
});

Deno.test("FileEventStore opens when the clock was set back and there is no room to write that down", async () => {
  const clock = new FakeClock();
  const before = new MemoryDisk();
  await publish(new FileEventStore(DIR, { disk: before, clock }));
  clock.jump(-1000 * HOUR);
  const disk = before.kill();
  noRoomForSkew(disk);
  const store = new FileEventStore(DIR, { disk, clock });
  const [outcome] = await publish(store);
  assert.ok(outcome!.ok && outcome!.lastSeq === 2);
  assert.equal(await store.seekAge("t", HOUR), 1);
  await store.close();
});
