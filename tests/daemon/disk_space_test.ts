/**
 * What the daemon knows about the space on its disk: when it is full, what the log says, and the
 * reserve.
 */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../core/base/errors.ts";
import { DiskSpace } from "../../daemon/disk_space.ts";
import { isNoSpace, SpaceReserve } from "../../daemon/space_reserve.ts";
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

Deno.test("SpaceReserve grows to what it is asked for, keeps what it has, and is for its owner alone", () => {
  using folder = tempFolder();
  const reserve = new SpaceReserve(`${folder.path}/reserve`, { size: 100_000 });
  const umask = Deno.umask(0);
  try {
    assert.equal(reserve.make(), true);
  } finally {
    Deno.umask(umask);
  }
  assert.equal(reserve.held, 100_000);
  assert.equal(Deno.statSync(reserve.path).mode! & 0o777, 0o600);
  assert.equal(reserve.grow(50_000), true);
  assert.equal(reserve.held, 100_000, "it does not shrink");
  assert.equal(reserve.grow(250_000), true);
  assert.equal(reserve.held, 250_000);
  assert.equal(reserve.lendIfFull(), 0, "there is room");
  assert.equal(reserve.held, 250_000);
});

/** A disk that has room for so many bytes more, while `work` runs. */
function withRoomFor(room: number, work: () => void): void {
  const write = Deno.FsFile.prototype.writeSync;
  Deno.FsFile.prototype.writeSync = function (bytes: Uint8Array): number {
    if (bytes.length > room) {
      throw Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
    }
    room -= bytes.length;
    return write.call(this, bytes);
  };
  try {
    work();
  } finally {
    Deno.FsFile.prototype.writeSync = write;
  }
}

Deno.test("SpaceReserve takes half of what is free when there is less than it asks for, and nearly all when it was lent", () => {
  using folder = tempFolder();
  const MIB = 1024 * 1024;
  const reserve = new SpaceReserve(`${folder.path}/reserve`, { size: 4 * MIB });
  withRoomFor(2 * MIB, () => assert.equal(reserve.make(), false));
  assert.equal(reserve.held, MIB);
  withRoomFor(2 * MIB, () => assert.equal(reserve.takeBack(8 * MIB), false));
  assert.equal(reserve.held, 3 * MIB - 256 * 1024);
  withRoomFor(MIB / 2, () => assert.equal(reserve.hasRoom(), false));
  withRoomFor(MIB, () => assert.equal(reserve.hasRoom(), true));
  assert.deepEqual(Array.from(Deno.readDirSync(folder.path), ({ name }) => name), ["reserve"]);
  withRoomFor(0, () => assert.equal(reserve.lendIfFull(), 3 * MIB - 256 * 1024));
  assert.equal(reserve.held, 0);
  withRoomFor(0, () => assert.equal(reserve.make(), false));
  assert.equal(reserve.held, 0);
  assert.deepEqual([...Deno.readDirSync(folder.path)], [], "no empty file stays");
});

Deno.test("isNoSpace knows a full disk, a quota and a limit on the size of files, and nothing else", () => {
  for (const code of ["ENOSPC", "EDQUOT"]) {
    assert.ok(isNoSpace(Object.assign(new Error(), { code })));
  }
  assert.ok(isNoSpace(new Error("File too large (os error 27)")));
  assert.ok(!isNoSpace(Object.assign(new Error("(os error 5)"), { code: "EIO" })));
  assert.ok(!isNoSpace(undefined));
});
