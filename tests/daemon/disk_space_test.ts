/**
 * What the daemon knows about the space on its disk: when it is full, what the log says, and the
 * reserve.
 */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../core/base/errors.ts";
import { DiskSpace } from "../../daemon/disk_space.ts";
import { SpaceReserve } from "../../daemon/space_reserve.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

const refusal = () => new CannotStoreError("the disk is full", { code: "store/disk-full" });

function tempFolder(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function space(reserve?: SpaceReserve) {
  const clock = new FakeClock();
  const log: string[] = [];
  let store = () => {};
  const room = { there: false };
  const disk = new DiskSpace({
    reserve,
    hasRoom: () => room.there,
    clock,
    onStored(listener) {
      store = listener;
      return () => store = () => {};
    },
    log: {
      began: () => log.push("began"),
      ended: ({ refusals }) => log.push(`ended ${refusals}`),
    },
  });
  return { clock, log, room, disk, stored: () => store() };
}

Deno.test("DiskSpace tells of the beginning and the end when small events fit between refused ones", async () => {
  const { disk, log, clock, stored } = space();
  assert.equal(disk.note(new Error("something else")), false);
  assert.equal(disk.problem(), undefined);
  for (let n = 0; n < 50; n++) {
    assert.equal(disk.note(refusal()), true);
    assert.match(disk.problem()!, /^the disk is full/);
    stored();
    assert.equal(disk.problem(), undefined);
    await clock.pass(100);
  }
  assert.deepEqual(log, ["began"]);
  await clock.pass(20_000);
  assert.deepEqual(log, ["began", "ended 50"]);
  assert.equal(disk.refusals, 50);
  assert.equal(clock.timers, 0, "nothing is looked for while there is room");
});

Deno.test("DiskSpace recovers when nobody stores anything and there is room again", async () => {
  const { disk, log, clock, room } = space();
  disk.note(Object.assign(new Error("No space left on device"), { code: "ENOSPC" }));
  await clock.pass(60_000);
  assert.equal(disk.full, true);
  room.there = true;
  await clock.pass(2000);
  assert.equal(disk.full, false);
  assert.deepEqual(log, ["began", "ended 1"]);
  disk.stop();
  assert.equal(clock.timers, 0);
});

Deno.test("DiskSpace.makeRoom gives the reserve back once, and lets nothing be stored meanwhile", async () => {
  using folder = tempFolder();
  const reserve = new SpaceReserve(`${folder.path}/reserve`, { size: 128 * 1024 });
  const { disk, clock, stored } = space(reserve);
  await clock.pass(0);
  assert.equal(reserve.held, 128 * 1024);
  let tries = 0;
  const result = await disk.makeRoom(() => {
    if (++tries === 1) return Promise.reject(refusal());
    assert.equal(reserve.held, 0);
    assert.throws(() => disk.admit(), { code: "store/disk-full" });
    return Promise.resolve("done");
  });
  assert.deepEqual([result, tries], ["done", 2]);
  disk.admit();
  assert.equal(disk.full, false);
  assert.equal(reserve.held, 128 * 1024, "it is made again at once");
  stored();
  await clock.pass(6000);
  // An error for another reason, or a second one, is passed on unchanged.
  await assert.rejects(disk.makeRoom(() => Promise.reject(new Error("other"))), /other/);
  await assert.rejects(disk.makeRoom(() => Promise.reject(refusal())), { code: "store/disk-full" });
  disk.stop();
  assert.equal(clock.timers, 0);
});

Deno.test("SpaceReserve gives pieces for the log and keeps half for what needs it more", () => {
  using folder = tempFolder();
  const reserve = new SpaceReserve(`${folder.path}/reserve`, { size: 256 * 1024 });
  assert.equal(reserve.release(), false);
  assert.equal(reserve.spare(), false);
  assert.equal(reserve.make(), true);
  assert.deepEqual([reserve.spare(), reserve.spare(), reserve.spare()], [true, true, false]);
  assert.equal(reserve.held, 128 * 1024);
  assert.equal(reserve.hasRoom(), true);
  assert.equal(reserve.make(), true);
  assert.deepEqual([reserve.release(), reserve.held], [true, 0]);
});
