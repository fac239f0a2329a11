/** Contract row 13: one daemon per data dir, and one per socket, whoever starts how many at once. */
import assert from "node:assert/strict";
import { end, inFolder, tryStart } from "../helpers/start.ts";

const STARTS = 20;

Deno.test(`one of ${STARTS} daemons serves and the others say why not when all start at once on one data dir`, async () => {
  await inFolder(async (folder) => {
    const starts = await Promise.all(
      Array.from(
        { length: STARTS },
        (_, i) => tryStart({ dataDir: `${folder}/data`, socket: `${folder}/${i}.sock` }),
      ),
    );
    const winners = starts.filter(({ ready }) => ready);
    const losers = starts.filter(({ ready }) => !ready);
    assert.equal(winners.length, 1);
    for (const { code, stderr } of losers) {
      assert.notEqual(code, 0);
      assert.match(stderr, /another daemon uses the data dir .*\n.*evs daemon status/);
    }
    // Twenty processes share the machine: only a start on its own can be held to two seconds.
    const late = await tryStart({ dataDir: `${folder}/data`, socket: `${folder}/late.sock` });
    assert.deepEqual([late.ready, late.took < 2000], [false, true], `${late.took} ms`);
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
