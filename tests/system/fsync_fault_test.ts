/**
 * Contract row 7: the first failed sync stops all acknowledgements and ends the daemon with an
 * error; recovery reads the file.
 */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { splitLines } from "../../core/client/connection.ts";
import { ConnectionLostError, NoDaemonError, RemoteError } from "../../core/base/errors.ts";
import { newDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { logFile, STORES } from "../helpers/stores.ts";
import { needTools } from "../helpers/shell.ts";
import { SyncTrace } from "../helpers/sync_trace.ts";

const PUBLISHERS = 4;
/** Bytes of an event with which the next append is written while one is synced. */
const LARGE = 270_000;
/**
 * Far more than the syncs before the one that fails: a daemon that acknowledges this many ignores
 * the failure.
 */
const MOST_ACKNOWLEDGED = 5000;

/**
 * Makes the syncs fail that `when` selects in each thread; only the journal makes that many.
 * Besides the journal's thread the runtime makes them, with `fdatasync`; SQLite uses `fsync`.
 */
function strace(file: string, { when, syncs }: { when: string; syncs: string }): string[] {
  const calls = "trace=write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync";
  const fault = `inject=${syncs}:error=EIO:when=${when}`;
  const longest = String(2 * PUBLISHERS * LARGE);
  return ["strace", "-f", "-y", "-s", longest, "-o", file, "-e", calls, "-e", fault];
}

/** Publishes, whatever the reply, until the daemon is gone; returns which marker got which seq. */
async function publishUntilGone(daemon: TestDaemon, fill: string): Promise<Map<number, number>> {
  const acknowledged = new Map<number, number>();
  let marker = 0;
  await Promise.all(Array.from({ length: PUBLISHERS }, async () => {
    using client = new Client({ socket: daemon.socket });
    while (true) {
      const mine = ++marker;
      const payload = `"mark-${String(mine).padStart(6, "0")}-${fill}"`;
      try {
        const reply = await client.publish("marked", payload, { query: { type: "mark" } });
        acknowledged.set(reply.firstSeq, mine);
        assert.ok(
          acknowledged.size < MOST_ACKNOWLEDGED,
          "a sync failed, and it still acknowledges",
        );
      } catch (error) {
        if (error instanceof ConnectionLostError || error instanceof NoDaemonError) return;
        if (!(error instanceof RemoteError)) throw error;
        assert.ok(mine < MOST_ACKNOWLEDGED, "a sync failed, and it still answers");
      }
    }
  }));
  return acknowledged;
}

/**
 * A sync that succeeds after one that failed proves nothing: the kernel may have dropped the pages.
 */
async function auditUpToTheFault(file: string, log: string, markers: Map<number, number>) {
  const trace = new SyncTrace(log, (seq) => markers.get(seq));
  const decoder = new TextDecoder();
  const input = await Deno.open(file);
  let faults = 0;
  for await (const bytes of splitLines(input.readable)) {
    const line = decoder.decode(bytes);
    const sync = /^\d+\s+(?:<\.\.\. )?f(?:data)?sync\b/.test(line);
    if (sync && line.includes("EIO")) faults++;
    if (!sync || faults === 0) trace.line(line);
  }
  return { faults, ...trace.audit };
}

const FAULTS = STORES.flatMap((store) => [
  { store, syncs: "fsync,fdatasync", when: "40", bytes: 0 },
  { store, syncs: "fsync,fdatasync", when: "40+", bytes: 0 },
  { store, syncs: "fdatasync", when: "20", bytes: LARGE },
]);

for (const { store, bytes, ...fault } of FAULTS) {
  Deno.test(`daemon acknowledges nothing after a sync that failed, and ends with an error (${store}, ${fault.when}, ${bytes} bytes)`, async () => {
    const fill = "x".repeat(bytes);
    needTools("strace");
    const file = await Deno.makeTempFile({ prefix: "evs-trace-" });
    await using daemon = await newDaemon({ store, wrapper: strace(file, fault) });
    await daemon.start();
    const acknowledged = await publishUntilGone(daemon, fill);
    const { code, signal } = await daemon.exited();
    assert.ok(code !== 0 && signal === null, `it ended with ${code} ${signal}`);
    const audit = await auditUpToTheFault(
      file,
      logFile(store, daemon.dataDir, "marked"),
      acknowledged,
    );
    assert.ok(audit.faults > 0, "a sync has failed");
    assert.ok(acknowledged.size > 0, "and not before the first acknowledgement");
    assert.deepEqual(audit.inversions, []);
    assert.equal(audit.acknowledged, acknowledged.size, "the trace shows every acknowledgement");
    await Deno.remove(file);

    // The next daemon reads the file again: acknowledged events are there, and publishing
    // continues.
    await using again = await newDaemon({ store, dataDir: daemon.dataDir });
    await again.start();
    const stored = await again.replay("marked");
    stored.forEach(({ seq }, i) => assert.equal(seq, i + 1));
    for (const [seq, marker] of acknowledged) {
      assert.equal(stored[seq - 1]?.payload, `mark-${String(marker).padStart(6, "0")}-${fill}`);
    }
    const reply = await again.publish("marked", "mark", "after");
    assert.equal(reply.firstSeq, stored.length + 1);
    await again.stop();
  });
}
