/** Syncing the write-ahead log outside of SQLite. */
import assert from "node:assert/strict";
import { WalSyncBehind } from "../../../../core/store/sqlite/wal_syncer.ts";
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
