/**
 * A daemon that replaces another is seen by clients at every moment, also between the locks: the
 * kernel lets the data dir go before the one that waits for it runs.
 */
import assert from "node:assert/strict";
import { holding, isLocked, processorWait } from "../../core/client/daemon_process.ts";
import { holderFile, socketLockFile, successorLock } from "../../core/protocol/holder.ts";
import type { Paths } from "../../core/protocol/paths.ts";
import { takeOverDataDir } from "../../daemon/lock.ts";
import { testFolder } from "../helpers/folder.ts";
import { evs } from "../helpers/evs.ts";
import { startDaemon } from "../helpers/daemon.ts";

/** A data dir with a log folder, and the paths of a client. */
async function place(chosen: Paths["chosen"]): Promise<{ paths: Paths; folder: string }> {
  const folder = await testFolder("test");
  const dataDir = `${folder}/data`;
  await Deno.mkdir(successorLock(dataDir), { recursive: true });
  const paths = { chosen, dataDir, socket: `${folder}/evs.sock`, config: `${folder}/c.toml` };
  return { paths, folder };
}

/** What a daemon that has ended leaves in the lock file of its socket. */
async function leaveSocketLock({ socket, dataDir, config }: Paths): Promise<void> {
  const left = { pid: 2 ** 22 + 1, socket, dataDir, config };
  await Deno.writeTextFile(socketLockFile(socket), JSON.stringify(left));
}

for (const chosen of ["nothing", "data-dir", "socket"] as const) {
  Deno.test(`holding sees a successor between the locks, and nobody before and after it: ${chosen}`, async () => {
    const { paths, folder } = await place(chosen);
    if (chosen === "socket") await leaveSocketLock(paths);
    assert.equal(holding(paths), undefined);
    const old = Deno.openSync(paths.dataDir, { read: true });
    old.lockSync(true);
    const waiting = Promise.withResolvers<void>();
    const taken = takeOverDataDir(paths.dataDir, waiting.resolve);
    await waiting.promise;
    assert.ok(isLocked(successorLock(paths.dataDir)), "it is seen before the old one ends");
    assert.deepEqual(holding(paths), {});
    old.close();
    const lock = await taken;
    assert.ok(isLocked(paths.dataDir) && !isLocked(successorLock(paths.dataDir)));
    assert.deepEqual(holding(paths), {});
    lock.release();
    assert.equal(holding(paths), undefined);

    // The moment itself: the data dir is let go, and the successor does not run yet.
    const successor = Deno.openSync(successorLock(paths.dataDir), { read: true });
    successor.lockSync(true);
    assert.deepEqual(holding(paths), {});
    successor.close();
    assert.equal(holding(paths), undefined);
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("takeOverDataDir waits for a data dir without a log folder, too", async () => {
  const { paths, folder } = await place("data-dir");
  await Deno.remove(successorLock(paths.dataDir));
  const old = Deno.openSync(paths.dataDir, { read: true });
  old.lockSync(true);
  const waiting = Promise.withResolvers<void>();
  const taken = takeOverDataDir(paths.dataDir, waiting.resolve);
  await waiting.promise;
  old.close();
  (await taken).release();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("holding takes no daemon of the same data dir for one at a socket that it has left", async () => {
  const { paths, folder } = await place("socket");
  await leaveSocketLock(paths);
  const other = Deno.openSync(paths.dataDir, { read: true });
  other.lockSync(true);
  const { dataDir, config } = paths;
  const elsewhere = { pid: Deno.pid, socket: `${folder}/other.sock`, dataDir, config };
  await Deno.writeTextFile(holderFile(dataDir), JSON.stringify(elsewhere));
  assert.equal(holding(paths), undefined);
  other.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("evs takes a successor between the locks for a daemon that does not answer yet", async () => {
  await using daemon = await startDaemon();
  await daemon.stop();
  const publish = () => evs(["publish", "t", "n", "1"], { at: daemon });
  assert.match((await publish()).stderr, /^evs: no daemon answers/);
  const successor = Deno.openSync(successorLock(daemon.dataDir), { read: true });
  successor.lockSync(true);
  const { code, stderr } = await publish();
  successor.close();
  assert.equal(code, 5);
  assert.match(stderr, /^evs: a daemon holds .* it may be starting or stopping/);
  await daemon.start();
});

Deno.test("processorWait is a time for a process, and 0 for what is not there", () => {
  const at = (pid: number) => ({ holder: { pid, socket: "/s", dataDir: "/d", config: "/c" } });
  const before = processorWait(at(Deno.pid));
  assert.ok(Number.isFinite(before) && before >= 0, `${before} ms`);
  assert.ok(processorWait(at(Deno.pid)) >= before);
  assert.equal(processorWait({}), 0);
  assert.equal(processorWait(at(2 ** 22 + 1)), 0);
});
