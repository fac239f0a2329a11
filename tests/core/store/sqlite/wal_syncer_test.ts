/** Syncing the write-ahead log outside of SQLite. */
import assert from "node:assert/strict";
import { WalSyncBehind, WalSyncer } from "../../../../core/store/sqlite/wal_syncer.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";
import { inFolder } from "../../../helpers/start.ts";

Deno.test("WalSyncBehind syncs nothing more after a sync that failed", async () => {
  await inFolder(async (folder) => {
    // A device that cannot be synced: EINVAL.
    await Deno.symlink("/dev/null", `${folder}/x.db-wal`);
    const behind = new WalSyncBehind(`${folder}/x.db`);
    behind.check();
    const [first, second] = await Promise.allSettled([behind.sync(), behind.sync()]);
    assert.ok(first.status === "rejected" && second.status === "rejected");
    assert.match(String(first.reason), /os error 22/);
    assert.equal(second.reason, first.reason, "the second was not tried");
    assert.throws(() => behind.check(), (error) => error === first.reason);
    await assert.rejects(behind.close(), (error) => error === first.reason);
  });
});

Deno.test("WalSyncBehind syncs at once, and nothing more after a sync that failed", async () => {
  await inFolder(async (folder) => {
    await Deno.symlink("/dev/null", `${folder}/x.db-wal`);
    const behind = new WalSyncBehind(`${folder}/x.db`);
    const failures: unknown[] = [];
    for (let n = 0; n < 2; n++) {
      assert.throws(() => behind.syncNow(), (error) => failures.push(error) > 0);
    }
    assert.match(String(failures[0]), /os error 22/);
    assert.equal(failures[1], failures[0], "the second was not tried");
    assert.throws(() => behind.check(), (error) => error === failures[0]);
    await assert.rejects(behind.close(), (error) => error === failures[0]);
  });
});

Deno.test("WalSyncer syncs once per interval, only after a write, and says at once that it failed", async () => {
  await inFolder(async (folder) => {
    // A device that cannot be synced, so that each sync is seen.
    await Deno.symlink("/dev/null", `${folder}/x.db-wal`);
    const clock = new FakeClock();
    const failures: unknown[] = [];
    const syncer = new WalSyncer(`${folder}/x.db`, {
      interval: 50,
      clock,
      onFailure: (error) => failures.push(error),
    });
    await clock.pass(200);
    assert.deepEqual(failures, []);
    syncer.written();
    await clock.pass(40);
    syncer.written();
    assert.deepEqual(failures, []);
    syncer.check();
    await clock.pass(10);
    assert.equal(failures.length, 1, "the second write did not put it off");
    assert.match(String(failures[0]), /os error 22/);
    assert.throws(() => syncer.check(), (error) => error === failures[0]);
    assert.throws(() => syncer.close(), (error) => error === failures[0]);
    assert.equal(clock.timers, 0);
  });
});

Deno.test("WalSyncer syncs what waits when it is closed", async () => {
  await inFolder(async (folder) => {
    await Deno.symlink("/dev/null", `${folder}/x.db-wal`);
    const clock = new FakeClock();
    const syncer = new WalSyncer(`${folder}/x.db`, { interval: 50, clock, onFailure() {} });
    syncer.close();
    syncer.written();
    assert.throws(() => syncer.close(), /os error 22/);
    assert.equal(clock.timers, 0);
  });
});
