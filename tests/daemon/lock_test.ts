/**
 * Contract row 13: one daemon per data dir, and one per socket, however many are started at once.
 *
 * Twenty processes that start at once share the machine's cores, which may take longer than a lock
 * may take. So each loser may take at most two seconds more than the slowest of starts that meet no
 * lock, begun among them: other load on the machine affects all of them.
 */
import assert from "node:assert/strict";
import { lockDataDir, lockSocket, takeOverDataDir } from "../../daemon/lock.ts";
import { heldInOneOf, type Series } from "../helpers/series.ts";
import { end, inFolder, modeOf, type Places, type Start, tryStart } from "../helpers/start.ts";

const STARTS = 20;
/** What a loser may take longer, ms. */
const DEADLINE = 2000;

/** Starts all at once, and among them half as many that get as far as the moment of the lock. */
async function startAll(
  count: number,
  { folder, places }: { folder: string; places: (i: number) => Places },
): Promise<{ starts: Start[]; control: number }> {
  const controls: Promise<Start>[] = [];
  const starts = Array.from({ length: count }, (_, i) => {
    const start = tryStart(places(i));
    // What is no folder is refused just before it.
    if (i % 2 === 0) {
      const socket = `${folder}/control-${i}.sock`;
      controls.push(tryStart({ dataDir: `${folder}/file`, socket }));
    }
    return start;
  });
  const ended = await Promise.all(controls);
  for (const { ready, stderr } of ended) {
    assert.ok(!ready);
    assert.match(stderr, /is not a folder/);
  }
  return { starts: await Promise.all(starts), control: slowest(ended) };
}

function slowest(starts: readonly Start[]): number {
  return Math.max(...starts.map(({ took }) => took));
}

/** They exit with an error; returns how much later than those that meet no lock, ms. */
function assertLost(losers: readonly Start[], control: number): number {
  for (const { ready, code, stderr } of losers) {
    assert.ok(!ready);
    assert.notEqual(code, 0);
    assert.match(stderr, /another daemon uses the data dir .*\n.*evs daemon status/);
  }
  return slowest(losers) - control;
}

/** Starts all at once on a new data dir, and again while one of them serves. */
async function race(folder: string): Promise<Series> {
  await Deno.writeTextFile(`${folder}/file`, "");
  const dataDir = `${folder}/data`;
  const at = (name: string) => ({
    folder,
    places: (i: number) => ({ dataDir, socket: `${folder}/${name}${i}.sock` }),
  });
  const { starts, control } = await startAll(STARTS, at(""));
  const winners = starts.filter(({ ready }) => ready);
  assert.equal(winners.length, 1);
  const later = [assertLost(starts.filter(({ ready }) => !ready), control)];
  for (const count of [STARTS, 1]) {
    const late = await startAll(count, at("late-"));
    later.push(assertLost(late.starts, late.control));
  }
  const socket = `${folder}/${starts.indexOf(winners[0]!)}.sock`;
  (await Deno.connect({ transport: "unix", path: socket })).close();
  assert.equal(await end(winners[0]!), 0);
  return {
    holds: later.every((ms) => ms < DEADLINE),
    figures: `ms later than without a lock: ${later.map(Math.round).join(" ")}`,
  };
}

Deno.test(`one of ${STARTS} daemons serves and the others say why not within ${DEADLINE} ms when all start at once on one data dir`, () =>
  heldInOneOf(async () => {
    let series!: Series;
    await inFolder(async (folder) => void (series = await race(folder)));
    return series;
  }));

Deno.test("a second daemon is refused in words when the socket is another data dir's", async () => {
  await inFolder(async (folder) => {
    const socket = `${folder}/evs.sock`;
    const first = await tryStart({ dataDir: `${folder}/one`, socket });
    assert.ok(first.ready, first.stderr);
    const second = await tryStart({ dataDir: `${folder}/two`, socket });
    assert.notEqual(second.code, 0);
    assert.match(second.stderr, /another daemon is starting or serving at .*\n.*EVS_SOCKET/);
    (await Deno.connect({ transport: "unix", path: socket })).close();
    assert.equal(await end(first), 0);
  });
});

Deno.test("the locks are gone with their process when it is killed", async () => {
  await inFolder(async (folder) => {
    const places = { dataDir: `${folder}/data`, socket: `${folder}/evs.sock` };
    for (let round = 0; round < 3; round++) {
      const daemon = await tryStart(places);
      assert.ok(daemon.ready, daemon.stderr);
      await end(daemon, "SIGKILL");
    }
  });
});

Deno.test("lockDataDir refuses a data dir that is locked, and takes it when it is free", () =>
  inFolder((folder) => {
    const held = lockDataDir(folder);
    assert.throws(() => lockDataDir(folder), { code: "datadir/locked" });
    held.release();
    lockDataDir(folder).release();
  }));

Deno.test("takeOverDataDir has the lock only when the one before has released it", () =>
  inFolder(async (folder) => {
    const first = lockDataDir(folder);
    const waiting = Promise.withResolvers<void>();
    let isTaken = false;
    const taking = takeOverDataDir(folder, waiting.resolve).finally(() => isTaken = true);
    await waiting.promise;
    assert.equal(isTaken, false);
    first.release();
    const second = await taking;
    assert.throws(() => lockDataDir(folder), { code: "datadir/locked" });
    second.release();
    // Nobody to wait for.
    const third = await takeOverDataDir(folder, () => assert.fail("it is free"));
    third.release();
  }));

Deno.test("lockSocket refuses a socket that is locked, and a lock that is no file, or a link", () =>
  inFolder((folder) => {
    const held = lockSocket(`${folder}/a`);
    assert.equal(modeOf(`${folder}/a.lock`), "600");
    assert.throws(() => lockSocket(`${folder}/a`), { code: "socket/in-use" });
    lockSocket(`${folder}/b`).release();
    held.release();
    lockSocket(`${folder}/a`).release();
    Deno.mkdirSync(`${folder}/c.lock`);
    assert.throws(() => lockSocket(`${folder}/c`), { code: "socket/unsafe" });
    Deno.symlinkSync(`${folder}/target`, `${folder}/d.lock`);
    assert.throws(() => lockSocket(`${folder}/d`), { code: "socket/unsafe" });
    assert.throws(() => Deno.lstatSync(`${folder}/target`), Deno.errors.NotFound);
  }));
