/**
 * A follower whose daemon stands still says so, and goes on where it was: nothing is missed, and
 * nothing comes twice.
 */
import assert from "node:assert/strict";
import { connect } from "../../mod.ts";
import { startDaemon } from "../helpers/daemon.ts";
import { RunningEvs, until } from "../helpers/evs.ts";

function payloads(text: string): unknown[] {
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line).payload);
}

Deno.test("evs tail says that its daemon stands still, and goes on when it moves again", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1, 2);
  const tail = new RunningEvs(["tail", "t"], { at });
  await until(() => payloads(tail.stdout).length === 2);
  Deno.kill(at.pid, "SIGSTOP");
  try {
    await tail.said(/nothing came from the daemon for \d+ s; connecting again/);
  } finally {
    Deno.kill(at.pid, "SIGCONT");
  }
  await at.publish("t", "x", 3);
  await tail.said(/the daemon is back; going on without a gap/);
  await at.publish("t", "x", 4);
  await until(() => payloads(tail.stdout).length === 4);
  assert.deepEqual(payloads(tail.stdout), [1, 2, 3, 4]);
  await until(async () => (await at.http("GET", "/v1/status")).json.tails === 1);
  tail.child.kill("SIGKILL");
  await tail.end();
});

Deno.test("a stream behind connect() tells of a standstill, and misses nothing", async () => {
  await using at = await startDaemon();
  const told: string[] = [];
  await using broker = await connect({ socket: at.socket, onNotice: (text) => told.push(text) });
  await using stream = broker.stream("t");
  await stream.ready;
  await at.publish("t", "x", 1);
  assert.equal((await stream.next()).value?.payload, 1);
  const second = stream.next();
  Deno.kill(at.pid, "SIGSTOP");
  try {
    await until(() => told.some((text) => /nothing came from the daemon/.test(text)));
  } finally {
    Deno.kill(at.pid, "SIGCONT");
  }
  await at.publish("t", "x", 2);
  assert.equal((await second).value?.payload, 2);
});
