/** Contract row 16: errors are short, whatever was rejected and however much of it there is. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";
import { heldInOneOf } from "../helpers/series.ts";

/** The most memory that a process has had, bytes. */
function peakOf(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  return Number(kib) * 1024;
}

/** Publishes lines; refused ones are skipped. */
async function publishLines(daemon: TestDaemon, lines: string) {
  const answer = await daemon.http("POST", "/v1/topics/t/events?onError=skip", lines, {
    "content-type": "application/x-ndjson",
  });
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  return answer;
}

Deno.test("daemon tells of refused lines in few words whatever their names are", async () => {
  await using daemon = await startDaemon();
  await publishLines(daemon, '{"type":"t","payload":1}\n');
  const before = peakOf(daemon.pid);
  // A control character of one byte is six in JSON, and twelve in JSON within JSON.
  const name = "\\u0001".repeat(150_000);
  const line = `{"type":"t","payload":1,"${name}":1}\n`;
  const { json, text } = await publishLines(daemon, line.repeat(30) + '{"type":"t","payload":1}\n');
  assert.equal(json.count, 1);
  assert.equal(json.refused.length, 30);
  assert.match(json.refused[0].message, /^an envelope has no member "\\u0001/);
  assert.ok(text.length < 30 * 64 * 1024, `the answer has ${text.length} bytes`);
  const grown = peakOf(daemon.pid) - before;
  assert.ok(grown < 200 * 2 ** 20, `the daemon took ${grown >> 20} MiB more`);
});

Deno.test("daemon lists the first thousand refused lines and counts the others", async () => {
  await using daemon = await startDaemon();
  await publishLines(daemon, '{"type":"t","payload":1}\n');
  const before = peakOf(daemon.pid);
  const { json, text } = await publishLines(daemon, "x\n".repeat(100_000));
  assert.equal(json.lines, 100_000);
  assert.equal(json.refused.length, 1000);
  assert.equal(json.refused.at(-1).line, 1000);
  assert.equal(json.refusedMore, 99_000);
  assert.ok(text.length < 2 ** 20, `the answer has ${text.length} bytes`);
  const grown = peakOf(daemon.pid) - before;
  assert.ok(grown < 100 * 2 ** 20, `the daemon took ${grown >> 20} MiB more`);
});

for (
  const [what, line] of [["is no JSON", "{\n"], ["is not UTF-8", '"\xff"\n']] as const
) {
  Deno.test(`daemon answers others while it refuses very many lines, each of which ${what}`, async () => {
    await using daemon = await startDaemon();
    const lines = Uint8Array.from(line.repeat(150_000), (byte) => byte.charCodeAt(0));
    await heldInOneOf(async () => {
      const began = performance.now();
      let took = 0;
      const publish = daemon.http("POST", "/v1/topics/t/events?onError=skip&type=t", lines, {
        "content-type": "application/x-ndjson",
      }).then(({ json }) => {
        took = performance.now() - began;
        assert.equal(json.lines, 150_000);
      });
      let longest = 0;
      while (took === 0) {
        const asked = performance.now();
        await daemon.http("GET", "/v1/health");
        longest = Math.max(longest, performance.now() - asked);
      }
      await publish;
      const figures = `somebody else waited ${longest} ms of ${took}`;
      return { holds: longest < took / 3, figures };
    });
  });
}

Deno.test("evs publish counts refused lines that the daemon does not list", async () => {
  await using daemon = await startDaemon();
  const { code, stdout, stderr } = await evs(
    ["publish", "t", "n", "--ndjson", "--on-error", "skip", "--json"],
    { at: daemon, stdin: "1\n" + "x\n".repeat(1500) },
  );
  assert.equal(code, 6, stderr);
  assert.equal(JSON.parse(stdout).refused, 1500);
  assert.match(stderr, /500 more lines refused/);
});
