/** Checking SQLite's log, on logs that SQLite wrote. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { walFault } from "../../../../core/store/sqlite/salvage/repair_wal.ts";
import { readWal, turnBits } from "../../../../core/store/sqlite/salvage/wal_frames.ts";
import { dose } from "../../../helpers/dose.ts";
import { randomFrom } from "../../../helpers/flip.ts";
import { inFolder } from "../../../helpers/start.ts";

const PAGE = 4096;
const FRAME = PAGE + 24;

/** A log of a few commits, its writer still open. */
async function withWal(
  work: (wal: Uint8Array<ArrayBuffer>) => void | Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    const database = new DatabaseSync(`${folder}/x.db`);
    database.exec(`PRAGMA page_size = ${PAGE}; PRAGMA journal_mode = WAL; CREATE TABLE t (x)`);
    for (let i = 0; i < 8; i++) {
      database.prepare("INSERT INTO t SELECT randomblob(3000) FROM json_each('[1,2,3]')").run();
    }
    const wal = await Deno.readFile(`${folder}/x.db-wal`);
    database.close();
    await work(wal);
  });
}

function framesOf(wal: Uint8Array): number {
  return (wal.length - 32) / FRAME;
}

function summary(wal: Uint8Array) {
  const { repaired: _repaired, pageSize: _pageSize, ...rest } = readWal(wal)!;
  return rest;
}

Deno.test("readWal finds nothing when the log is as SQLite wrote it", async () => {
  await withWal((wal) => {
    const frames = framesOf(wal);
    assert.deepEqual(summary(wal), {
      frames,
      readable: frames,
      flipped: [],
      accepted: [],
      dropped: 0,
      torn: 0,
    });
    assert.deepEqual(readWal(wal)!.repaired, wal);
  });
});

Deno.test("readWal turns the bit back, or takes the frame as it is, when any one bit of a log flips", async () => {
  await withWal((wal) => {
    const random = randomFrom(3);
    let turned = 0;
    for (let round = 0; round < dose(400); round++) {
      // Half of them in the headers: those of the frames are a small part of the file.
      const inFrame = 32 + random(framesOf(wal)) * FRAME + random(24);
      const byte = [random(32), inFrame, random(wal.length), random(wal.length)][round % 4]!;
      const flip = { byte, bit: random(8) };
      const damaged = wal.slice();
      turnBits(damaged, [flip]);
      const report = readWal(damaged)!;
      assert.equal(report.frames, framesOf(wal), `byte ${byte}, bit ${flip.bit}`);
      assert.equal(report.torn, 0);
      assert.ok(report.readable < report.frames);
      if (report.flipped.length > 0) {
        turned++;
        assert.deepEqual(report.flipped, [flip]);
        assert.deepEqual(report.repaired, wal);
      } else {
        // The sums are modulo 2^32: a high bit leaves fewer traces than there are words that it may
        // have been in.
        assert.deepEqual(report.accepted, [Math.floor((byte - 32) / FRAME)]);
        assert.equal(summary(report.repaired).readable, framesOf(wal), "SQLite reads all of it");
      }
    }
    assert.ok(turned > dose(400) / 2, `most bits are turned back: ${turned}`);
  });
});

Deno.test("readWal tells damage with commits behind it from a torn tail when more than a bit is wrong", async () => {
  await withWal((wal) => {
    const last = framesOf(wal) - 1;
    for (const frame of [0, 3, last - 6]) {
      const damaged = wal.slice();
      damaged.fill(0xa5, 32 + frame * FRAME + 100, 32 + frame * FRAME + 200);
      const { readable, accepted, frames, dropped } = readWal(damaged)!;
      assert.deepEqual({ readable, accepted, frames }, {
        readable: frame,
        accepted: [],
        frames: frame,
      });
      assert.ok(dropped > 1, `${dropped} commits behind frame ${frame}`);
      assert.deepEqual(readWal(damaged)!.repaired, damaged, "nothing is made up");
    }
    const tail = wal.slice();
    tail.fill(0xa5, 32 + last * FRAME + 100, 32 + last * FRAME + 200);
    const { frames, accepted, dropped, torn } = readWal(tail)!;
    assert.deepEqual({ frames, accepted, dropped, torn }, {
      frames: last,
      accepted: [],
      dropped: 0,
      torn: FRAME,
    });
  });
});

Deno.test("readWal calls it a torn tail when the last commit is there without a frame before its end", async () => {
  await withWal((wal) => {
    // The frames of the last commit: the end of the one before it tells how many pages there are.
    const isEnd = (frame: number) =>
      new DataView(wal.buffer, wal.byteOffset).getUint32(32 + frame * FRAME + 4) !== 0;
    const last = framesOf(wal) - 1;
    let first = last;
    while (!isEnd(first - 1)) first--;
    assert.ok(isEnd(last) && first < last, "a commit of several frames");
    for (let frame = first; frame < last; frame++) {
      const torn = wal.slice();
      torn.fill(0, 32 + frame * FRAME + 24, 32 + (frame + 1) * FRAME);
      const report = readWal(torn)!;
      assert.deepEqual([report.frames, report.dropped, report.accepted], [frame, 0, []]);
      assert.equal(walFault(torn), undefined);
    }
    // The same of the commit before it: one of the two behind it was acknowledged.
    assert.ok(!isEnd(first - 2));
    const damaged = wal.slice();
    damaged.fill(0, 32 + (first - 2) * FRAME + 24, 32 + (first - 1) * FRAME);
    assert.match(walFault(damaged)!, /frame \d+ and 2 commits behind it are lost/);
  });
});

Deno.test("readWal calls it a torn tail when a log is cut at any byte", async () => {
  await withWal((wal) => {
    const random = randomFrom(5);
    for (let round = 0; round < dose(100); round++) {
      const length = 33 + random(wal.length - 33);
      const frames = Math.floor((length - 32) / FRAME);
      assert.deepEqual(summary(wal.slice(0, length)), {
        frames,
        readable: frames,
        flipped: [],
        accepted: [],
        dropped: 0,
        torn: length - 32 - frames * FRAME,
      });
    }
    assert.equal(readWal(wal.slice(0, 31)), undefined);
  });
});

Deno.test("readWal reads on no further when frames of an earlier round of the log follow", async () => {
  await inFolder(async (folder) => {
    const database = new DatabaseSync(`${folder}/x.db`);
    database.exec(`PRAGMA page_size = ${PAGE}; PRAGMA journal_mode = WAL; CREATE TABLE t (x)`);
    for (let i = 0; i < 8; i++) database.exec("INSERT INTO t VALUES (randomblob(3000))");
    database.exec("PRAGMA wal_checkpoint(RESTART)");
    database.exec("INSERT INTO t VALUES (1)");
    const wal = await Deno.readFile(`${folder}/x.db-wal`);
    database.close();
    const report = readWal(wal)!;
    assert.ok(report.frames > 0 && report.frames < framesOf(wal) - 3, JSON.stringify(report));
    assert.deepEqual(report.flipped, []);
    assert.deepEqual(report.accepted, []);
    assert.equal(report.torn, 0);
  });
});
