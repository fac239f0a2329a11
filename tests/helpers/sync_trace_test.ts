/** Tests that the trace reader itself finds what it is for: a reply before its sync. */
import assert from "node:assert/strict";
import { SyncTrace } from "./sync_trace.ts";

const LOG = "/d/events.db-wal";

function audit(...lines: string[]) {
  const trace = new SyncTrace(LOG, (seq) => seq);
  for (const line of lines) trace.line(line);
  return trace.audit;
}

const write = (marker: string) => `7 pwrite64(9<${LOG}>, "..mark-${marker}-..", 8192, 0) = 8192`;
const sync = `7 fdatasync(9<${LOG}>)          = 0`;
const reply = (seq: number) =>
  `5 write(12<socket:[1]>, "{\\"count\\":1,\\"firstSeq\\":${seq},\\"lastSeq\\":${seq}}", 60) = 60`;

Deno.test("SyncTrace accepts write, sync, reply", () => {
  assert.deepEqual(audit(write("000001"), sync, reply(1)), {
    acknowledged: 1,
    inversions: [],
    syncs: 1,
    folderSyncs: 0,
    beside: 0,
  });
});

Deno.test("SyncTrace counts a sync that was delayed, and writes beside it", () => {
  const found = audit(
    write("000001"),
    `7 fdatasync(9<${LOG}> <unfinished ...>`,
    write("000002").replace("7 ", "8 "),
    "7 <... fdatasync resumed>)     = 0 (DELAYED)",
    reply(1),
    reply(2),
  );
  assert.deepEqual([found.syncs, found.beside], [1, 1]);
  assert.deepEqual(found.inversions, ["seq 2 was acknowledged when it was not synced"]);
});

Deno.test("SyncTrace finds a reply before the sync, and one before the write", () => {
  assert.deepEqual(audit(write("000001"), reply(1), sync).inversions, [
    "seq 1 was acknowledged when it was not synced",
  ]);
  assert.deepEqual(audit(reply(1), write("000001"), sync).inversions, [
    "seq 1 was acknowledged when it was not written",
  ]);
});

Deno.test("SyncTrace does not count a sync that began before the write ended", () => {
  const found = audit(
    `7 fdatasync(9<${LOG}> <unfinished ...>`,
    write("000001").replace("7 ", "8 "),
    "7 <... fdatasync resumed>)     = 0",
    reply(1),
  );
  assert.equal(found.inversions.length, 1);
});

Deno.test("SyncTrace does not count a sync that failed or had not returned", () => {
  assert.equal(
    audit(write("000001"), sync.replace("= 0", "= -1 EIO (Input/output error)"), reply(1))
      .inversions.length,
    1,
  );
  assert.equal(
    audit(write("000001"), `7 fdatasync(9<${LOG}> <unfinished ...>`, reply(1)).inversions.length,
    1,
  );
});
