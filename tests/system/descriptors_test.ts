/**
 * Contract row 17 on a real process: the daemon survives more connections than its limit of open
 * files allows.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { head, RawConnection } from "../helpers/raw_connection.ts";
import { heldInOneOf } from "../helpers/series.ts";
import { needTools } from "../helpers/shell.ts";
import { STORES } from "../helpers/stores.ts";
import { timeOf } from "../helpers/time_of.ts";

const FILES = 64;
const COUNT = 100;
/** What no recovery may take, ms. */
const AT_MOST = 60_000;

/** Connects, and retries if the kernel's queue is full or the socket is being recreated. */
async function connectBlocking(socket: string): Promise<RawConnection> {
  for (;;) {
    try {
      return await RawConnection.open(socket);
    } catch (error) {
      const again = error instanceof Deno.errors.WouldBlock ||
        error instanceof Deno.errors.ConnectionReset ||
        error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.NotFound;
      if (!again) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** Makes the connections and closes them; returns after how many ms the daemon was healthy. */
async function flood(socket: string): Promise<number> {
  const connections = await Promise.all(
    Array.from({ length: COUNT }, () => connectBlocking(socket)),
  );
  for (const connection of connections) connection.close();
  const began = performance.now();
  for (;;) {
    const connection = await connectBlocking(socket);
    await connection.send(head("GET /v1/health")).catch(() => {}); // refused and closed: the answer says it
    const health = await connection.answer().then(({ status }) => status, () => 0);
    connection.close();
    const took = performance.now() - began;
    if (health === 200) return took;
    assert.ok(took < AT_MOST, `not healthy after ${took} ms`);
  }
}

for (const store of STORES) {
  Deno.test(`the daemon is the same and healthy within a second after ${COUNT} connections with ${FILES} descriptors (${store})`, async () => {
    needTools("prlimit");
    await using daemon = await startDaemon({ store, wrapper: ["prlimit", `--nofile=${FILES}`] });
    await daemon.publish("t", "n", 1);
    for (let round = 0; round < 3; round++) {
      await heldInOneOf(async () => {
        const control = await timeOf(() => daemon.http("GET", "/v1/health"));
        const took = await flood(daemon.socket);
        return {
          holds: took < 1000 + 50 * control,
          figures: `healthy after ${took} ms; an answer took ${control} ms before`,
        };
      });
    }
    const status = await daemon.http("GET", "/v1/status");
    assert.equal(status.json.pid, daemon.pid);
    assert.equal((await daemon.publish("t", "n", 2)).lastSeq, 2);
    const { text } = await daemon.http("GET", "/metrics");
    assert.match(text, /^evs_connections_refused_total [1-9]/m);
    const log = await Deno.readTextFile(`${daemon.dataDir}/log/daemon.log`);
    assert.match(log, /leaves room for few connections","maxConnections":[1-9]/);
    await daemon.stop();
  });
}

Deno.test("a daemon says why it does not start when no descriptor is left for connections", async () => {
  needTools("prlimit");
  await assert.rejects(
    () => startDaemon({ wrapper: ["prlimit", "--nofile=52"] }),
    /evs daemon: (the daemon may open \d+ more files, which leaves none for connections\n.*ulimit -n|.*EMFILE|.*Too many open files)/,
  );
});
