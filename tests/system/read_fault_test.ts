/**
 * A single read error at a start (EIO, ENOMEM), and a limit on the size of files: neither is
 * damage. An intact database is left unchanged; the daemon starts, or refuses with an error. Needs
 * strace.
 */
import assert from "node:assert/strict";
import { newDaemon, startDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { needTools } from "../helpers/shell.ts";

for (const name of ["events.db", "events.db-wal", "state.db"]) {
  Deno.test(`daemon leaves a sound database as it is when one read of ${name} fails at a start`, async () => {
    needTools("strace");
    await using daemon = await startDaemon();
    for (let n = 0; n < 20; n++) await daemon.publish("t", "x", ...Array(30).fill({ n }));
    await (name.endsWith("-wal") ? daemon.kill() : daemon.stop());
    let refused = 0;
    for (let n = 0; n < dose(4, 40); n++) {
      const error = n % 2 === 0 ? "EIO" : "ENOMEM";
      const at = 1 + (n >> 1) * 3;
      const trace = ["-f", "-qq", "-o", "/dev/null", "-P", `${daemon.dataDir}/${name}`];
      const inject = `inject=pread64,read:error=${error}:when=${at}`;
      daemon.options.wrapper = ["strace", ...trace, "-e", "trace=pread64,read", "-e", inject];
      const where = `${error} at read ${at}`;
      const before = Deno.statSync(`${daemon.dataDir}/events.db`).ino;
      let started = true;
      try {
        await daemon.start();
      } catch (error) {
        started = false;
        refused++;
        const { message } = error as Error;
        assert.match(message, /ended with 7 before/, `${where}: ${message}`);
        assert.match(message, /could not be read|cannot be read/, `${where}: ${message}`);
        assert.doesNotMatch((error as Error).message, /\n\s+at /, `${where}: words, no stack`);
      }
      if (started) await daemon.stop();
      assert.equal(Deno.statSync(`${daemon.dataDir}/events.db`).ino, before, `${where}: rebuilt`);
    }
    daemon.options.wrapper = [];
    await daemon.start();
    assert.equal((await daemon.replay("t")).length, 600);
    assert.deepEqual((await daemon.http("GET", "/v1/status")).json.problems, []);
    assert.ok(refused > 0, "some read failed");
    await daemon.stop();
  });
}

for (const store of ["sqlite", "file"]) {
  Deno.test(`daemon does not die without a word at the limit of ulimit -f: ${store}`, async () => {
    await using daemon = await newDaemon({ store });
    // 512 bytes each: what a start makes fits.
    daemon.options.wrapper = ["sh", "-c", 'ulimit -f 40000 && exec "$0" "$@"'];
    await daemon.start();
    const body = `${JSON.stringify("x".repeat(900_000))}\n`;
    let last = { status: 200, text: "" };
    for (let n = 0; n < 60 && last.status === 200; n++) {
      try {
        last = await daemon.http("POST", "/v1/topics/t/events?type=x", body, {
          "content-type": "application/x-ndjson",
        });
      } catch (error) {
        assert.ok(error instanceof TypeError);
        last = { status: 0, text: "" };
      }
    }
    assert.notEqual(last.status, 200);
    const log = Deno.readTextFileSync(`${daemon.dataDir}/log/daemon.log`);
    assert.match(`${last.text}${log}`, /ulimit -f|disk I\/O error|File too large/);
    assert.match(last.text, /file-size-limit/);
    assert.ok((await daemon.replay("t")).length > 0, "reads go on");
    await daemon.stop();
  });
}
