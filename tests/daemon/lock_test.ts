/**
 * Contract row 13: one daemon per data dir, and one per socket, whoever starts how many at once.
 *
 * Twenty processes that begin at once share the machine's cores, which may take longer than a lock may take. So each loser
 * is held to two seconds more than the slowest of as many starts that have nothing to wait for; and to two seconds from
 * its very beginning where it is the only one that starts.
 */
import assert from "node:assert/strict";
import { end, inFolder, type Places, type Start, tryStart } from "../helpers/start.ts";

const STARTS = 20;
/** What a loser may take, ms. */
const DEADLINE = 2000;

function startAll(places: (i: number) => Places): Promise<Start[]> {
  return Promise.all(Array.from({ length: STARTS }, (_, i) => tryStart(places(i))));
}

function slowest(starts: readonly Start[]): number {
  return Math.max(...starts.map(({ took }) => took));
}

Deno.test(`one of ${STARTS} daemons serves and the others say why not within ${DEADLINE} ms when all start at once on one data dir`, async () => {
  await inFolder(async (folder) => {
    // The same starts up to the moment of the lock: what is no folder is refused just before it.
    await Deno.writeTextFile(`${folder}/file`, "");
    const control = await startAll((i) => ({
      dataDir: `${folder}/file`,
      socket: `${folder}/control-${i}.sock`,
    }));
    for (const { ready, stderr } of control) {
      assert.ok(!ready);
      assert.match(stderr, /is not a folder/);
    }
    const dataDir = `${folder}/data`;
    const race = await startAll((i) => ({ dataDir, socket: `${folder}/${i}.sock` }));
    const winners = race.filter(({ ready }) => ready);
    assert.equal(winners.length, 1);
    const against = await startAll((i) => ({ dataDir, socket: `${folder}/late-${i}.sock` }));
    const losers = [...race.filter(({ ready }) => !ready), ...against];
    assert.equal(losers.length, 2 * STARTS - 1);
    for (const { code, stderr } of losers) {
      assert.notEqual(code, 0);
      assert.match(stderr, /another daemon uses the data dir .*\n.*evs daemon status/);
    }
    const [most, least] = [slowest(losers), slowest(control)];
    assert.ok(most < least + DEADLINE, `${most} ms, and ${least} ms without a lock`);
    const alone = await tryStart({ dataDir, socket: `${folder}/alone.sock` });
    assert.deepEqual([alone.ready, alone.took < DEADLINE], [false, true], `${alone.took} ms`);
    (await Deno.connect({ transport: "unix", path: `${folder}/${race.indexOf(winners[0]!)}.sock` }))
      .close();
    assert.equal(await end(winners[0]!), 0);
  });
});

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
