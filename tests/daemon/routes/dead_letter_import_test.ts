/**
 * Contract row 16: an import of dead letters is checked as a whole before anything is changed, so
 * its size is limited.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { evs } from "../../helpers/evs.ts";
import { MIB, resetPeak, residentMemory } from "../../helpers/measure.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";
import { peakMemory } from "../../helpers/shell.ts";

const IMPORT = "/v1/dead-letters/import";
const NDJSON = { "content-type": "application/x-ndjson" };
const MOST = 10_000;

function deadLetter(id: string | number, payload: unknown = 1): string {
  const event = { type: "x", id: `id-${id}`, payload };
  return `${JSON.stringify({ subscription: "s", topic: "t", seq: 1, event })}\n`;
}

async function isEmpty(daemon: TestDaemon): Promise<boolean> {
  return (await daemon.http("GET", "/v1/dead-letters?limit=1")).text === "";
}

Deno.test("daemon takes in ten thousand dead letters at a time, and of one more says the line and the limit", async () => {
  await using daemon = await startDaemon();
  const lines = Array.from({ length: MOST + 1 }, (_, i) => deadLetter(i)).join("");
  const { status, json } = await daemon.http("POST", IMPORT, `\n${lines}`, NDJSON);
  assert.equal(status, 400);
  assert.equal(json.error.code, "argument/too-large");
  assert.deepEqual(json.error.details, { line: MOST + 2, limit: MOST });
  assert.match(
    json.error.message,
    /line 10002 .*more than 10000 dead letters; nothing .* taken in/,
  );
  assert.ok(await isEmpty(daemon));
  const fewer = await daemon.http("POST", IMPORT, lines.slice(lines.indexOf("\n") + 1), NDJSON);
  assert.deepEqual([fewer.status, fewer.json.added], [200, MOST]);
});

Deno.test("daemon refuses dead letters without end before they fill its memory", async () => {
  await using daemon = await startDaemon();
  const payload = "x".repeat(500_000);
  // Warm.
  await daemon.http("POST", `${IMPORT}`, deadLetter("warm").repeat(500), NDJSON);
  await daemon.http("POST", "/v1/dead-letters/remove", { all: true });
  const before = residentMemory(daemon.pid);
  resetPeak(daemon.pid);
  const connection = await RawConnection.open(daemon.socket);
  await connection.send(head(`POST ${IMPORT}`, "transfer-encoding: chunked"));
  const said = connection.untilEnd();
  const line = deadLetter("endless", payload);
  const piece = `${line.length.toString(16)}\r\n${line}\r\n`;
  const sent = await connection.sendOn(new TextEncoder().encode(piece), 400 * MIB);
  const text = await said;
  connection.close();
  assert.match(text, /^HTTP\/1\.1 400 [^]*"argument\/too-large"/);
  assert.match(text, /with line 34 these are more than 16777216 bytes/);
  assert.ok(sent < 24 * MIB, `${sent} bytes were taken`);
  const grown = peakMemory(daemon.pid)! - before;
  assert.ok(grown < 128 * MIB, `the daemon took ${grown / MIB} MiB more`);
  assert.ok(await isEmpty(daemon));
});

Deno.test("daemon lists the first thousand refused dead letters and counts the others, and evs dlq import says so", async () => {
  await using daemon = await startDaemon();
  const lines = "x\n".repeat(2500) + deadLetter("good");
  const { status, json } = await daemon.http("POST", IMPORT, lines, NDJSON);
  assert.equal(status, 200);
  assert.deepEqual([json.added, json.refused.length, json.refusedMore], [1, 1000, 1500]);
  const { code, stdout, stderr } = await evs(["dlq", "import", "-"], { at: daemon, stdin: lines });
  assert.equal(code, 6, stderr);
  assert.equal(JSON.parse(stdout).refused, 2500);
  assert.match(stderr.split("\n").at(-2)!, /^evs: 1,500 more lines refused$/);
});
