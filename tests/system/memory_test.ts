/**
 * Streams use constant memory: publishing from a pipe and replaying, on the client and on the
 * daemon.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";
import { evsCommand } from "../helpers/evs.ts";
import { peakMemory } from "../helpers/shell.ts";

const EVENTS = dose(100_000);
const LIMIT = 200 * 1024 * 1024;
/** Lines of about 190 bytes, from a separate process, so that the pipe is a real one. */
const GENERATOR =
  `BEGIN { for (n = 1; n <= ${EVENTS}; n++) printf "{\\"n\\":%d,\\"text\\":\\"%s\\"}\\n", n, "${
    "x".repeat(165)
  }" }`;

/**
 * Runs `evs` to its end with pipes on both sides; returns its peak memory and how much it printed.
 */
async function measured(daemon: TestDaemon, args: string[], input?: ReadableStream<Uint8Array>) {
  const command = evsCommand(args, { at: daemon, ...(input ? { stdin: "" } : {}) });
  const child = new Deno.Command(command.program, command.options).spawn();
  let peak = 0;
  // The high-water mark only rises: the last look before the end misses no more than the last
  // moment.
  const look = setInterval(() => peak = Math.max(peak, peakMemory(child.pid) ?? 0), 20);
  const fed = input?.pipeTo(child.stdin);
  let lines = 0;
  let tail = "";
  const decoder = new TextDecoder();
  const said = new Response(child.stderr).text();
  for await (const chunk of child.stdout) {
    for (const byte of chunk) if (byte === 0x0a) lines++;
    tail = decoder.decode(chunk);
  }
  const { code } = await child.status;
  clearInterval(look);
  await fed;
  assert.equal(code, 0, await said);
  assert.ok(peak > 0, "its memory was seen");
  return { peak, lines, tail };
}

function assertBelowLimit(what: string, bytes: number): void {
  const mebibytes = Math.round(bytes / 1024 / 1024);
  assert.ok(bytes < LIMIT, `${what} took ${mebibytes} MiB with ${EVENTS} events`);
}

Deno.test(`${EVENTS} events through a pipe and back stay below 200 MiB on either side`, async () => {
  await using daemon = await startDaemon();
  const generator = new Deno.Command("awk", {
    args: [GENERATOR],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const publish = await measured(
    daemon,
    ["publish", "many", "line", "--ndjson", "--json"],
    generator.stdout,
  );
  assert.equal((await generator.status).code, 0);
  assertBelowLimit("evs publish", publish.peak);
  assertBelowLimit("the daemon, publishing", peakMemory(daemon.pid)!);
  assert.equal((await daemon.http("GET", "/v1/topics/many")).json.events, EVENTS);

  const replay = await measured(daemon, ["replay", "many"]);
  assert.equal(replay.lines, EVENTS);
  assertBelowLimit("evs replay", replay.peak);
  assertBelowLimit("the daemon, replaying", peakMemory(daemon.pid)!);
  await daemon.stop();
});
