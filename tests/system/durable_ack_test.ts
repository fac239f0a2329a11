/** Contract row 1: an acknowledgement is sent only after the record passed fdatasync. */
import assert from "node:assert/strict";
import { Client } from "../../core/client/client.ts";
import { splitLines } from "../../core/client/connection.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { logFile, STORES } from "../helpers/stores.ts";
import { needTools } from "../helpers/shell.ts";
import { SyncTrace } from "../helpers/sync_trace.ts";

const PUBLISHERS = 8;
/** Half of it in each store. */
const EACH = 63;
/**
 * Of events that are large enough for the next append to be written while they are synced.
 * Publishers come some ms apart, less than a sync takes here: all at once they might share each
 * append, and none would be beside another.
 */
const LARGE = { each: 8, bytes: 270_000, apart: 20 };

/** strace of every thread, with the paths of descriptors, the strings whole. */
function strace(file: string, longest = 32_768): string[] {
  const calls = "trace=write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync";
  return ["strace", "-f", "-y", "-s", String(longest), "-o", file, "-e", calls];
}

/** Publishes one event at a time from several connections; returns which marker got which seq. */
async function publishMarked(
  daemon: TestDaemon,
  { each, bytes, apart }: { each: number; bytes: number; apart: number } = {
    each: EACH,
    bytes: 0,
    apart: 0,
  },
): Promise<Map<number, number>> {
  const markers = new Map<number, number>();
  await Promise.all(Array.from({ length: PUBLISHERS }, async (_, publisher) => {
    using client = new Client({ socket: daemon.socket });
    for (let n = 0; n < each; n++) {
      const marker = publisher * each + n;
      const payload = `"mark-${String(marker).padStart(6, "0")}-${"x".repeat(bytes)}"`;
      if (apart > 0) await new Promise((go) => setTimeout(go, publisher * apart));
      const reply = await client.publish("marked", payload, { query: { type: "mark" } });
      assert.equal(reply.durable, true);
      markers.set(reply.firstSeq, marker);
    }
  }));
  return markers;
}

async function auditTrace(file: string, log: string, markers: Map<number, number>) {
  const trace = new SyncTrace(log, (seq) => markers.get(seq));
  const decoder = new TextDecoder();
  const input = await Deno.open(file);
  for await (const line of splitLines(input.readable)) trace.line(decoder.decode(line));
  return trace.audit;
}

for (let round = 1; round <= dose(1) * STORES.length; round++) {
  const store = STORES[round % STORES.length]!;
  Deno.test(`daemon acknowledges only what was synced, ${PUBLISHERS * EACH} times (${store}, ${round})`, async () => {
    needTools("strace");
    const file = await Deno.makeTempFile({ prefix: "evs-trace-" });
    {
      await using daemon = await startDaemon({ store, wrapper: strace(file) });
      const markers = await publishMarked(daemon);
      assert.equal(markers.size, PUBLISHERS * EACH);
      await daemon.stop();
      const audit = await auditTrace(file, logFile(store, daemon.dataDir, "marked"), markers);
      assert.deepEqual(audit.inversions, []);
      assert.equal(audit.acknowledged, PUBLISHERS * EACH, "the trace shows every reply");
      assert.ok(audit.syncs > 0 && audit.syncs <= PUBLISHERS * EACH);
      assert.ok(audit.folderSyncs > 0, "a new file's folder is synced too");
    }
    await Deno.remove(file);
  });
}

for (const store of STORES) {
  Deno.test(`daemon acknowledges only what was synced where the next is written meanwhile (${store})`, async () => {
    needTools("strace");
    const file = await Deno.makeTempFile({ prefix: "evs-trace-" });
    {
      // A slow disk: an acknowledgement that does not wait for it is sure to be early.
      const slow = ["-e", "inject=fdatasync:delay_enter=200000"];
      const wrapper = [...strace(file, 2 * PUBLISHERS * LARGE.bytes), ...slow];
      await using daemon = await startDaemon({ store, wrapper });
      const markers = await publishMarked(daemon, LARGE);
      await daemon.stop();
      const audit = await auditTrace(file, logFile(store, daemon.dataDir, "marked"), markers);
      assert.deepEqual(audit.inversions, []);
      assert.equal(audit.acknowledged, PUBLISHERS * LARGE.each, "the trace shows every reply");
      assert.ok(audit.beside > 0, "an append was written while one was synced");
    }
    await Deno.remove(file);
  });
}

Deno.test("daemon says durable: false where an acknowledgement does not wait for a sync", async () => {
  for (const [store, durability] of [["sqlite", "os"], ["file", "interval:20ms"], ["file", "os"]]) {
    await using daemon = await startDaemon({ store, durability });
    using client = new Client({ socket: daemon.socket });
    const reply = await client.publish("t", "1", { query: { type: "n" } });
    assert.equal(reply.durable, false);
    await daemon.stop();
  }
});

for (const store of STORES) {
  Deno.test(`daemon stores an event once when its publisher repeats the id after no reply (${store})`, async () => {
    await using daemon = await startDaemon({ store });
    const publish = async (payload: string) => {
      using client = new Client({ socket: daemon.socket });
      return await client.publish("t", payload, { query: { type: "n", id: "once" } });
    };
    const first = await publish("1");
    await daemon.kill();
    await daemon.start();
    const again = await publish("2");
    assert.deepEqual([first.count, again.count, again.duplicates], [1, 0, 1]);
    assert.equal(again.firstSeq, first.firstSeq);
    assert.deepEqual((await daemon.replay("t")).map(({ payload }) => payload), [1]);
  });
}
