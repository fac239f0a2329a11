/**
 * A manual pause on the command line: kept across restarts of consumer and daemon, reported, and
 * ended automatically.
 */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

// deno-lint-ignore no-explicit-any -- a test looks into answers freely
async function show(at: TestDaemon): Promise<any> {
  return JSON.parse((await evs(["subscription", "show", "billing"], { at })).stdout);
}

const consume = ["consume", "t", "--name", "billing"];

Deno.test("consume says that a person paused its subscription, waits through restarts, and ends with 1 with --until-empty", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  await evs([...consume, "--from", "end", "--until-empty", "--", "true"], { at });
  const paused = await evs(["subscription", "pause", "billing", "--reason", "do NOT charge"], {
    at,
  });
  assert.equal(paused.code, 0, paused.stderr);
  await at.publish("t", "x", 2);

  const once = await evs([...consume, "--until-empty", "--", "cat"], { at });
  assert.deepEqual([once.code, once.stdout], [1, ""], once.stderr);
  assert.match(once.stderr, /paused: do NOT charge\n.*\n {2}evs subscription resume billing/);

  const running = new RunningEvs([...consume, "--", "cat"], { at });
  await running.said(/is paused \(do NOT charge\): waiting until it is resumed/);
  await at.kill();
  await at.start();
  await running.said(/the daemon is back/);
  const info = await show(at);
  assert.deepEqual([info.paused, info.pausedBy, info.pending], [true, "person", 1]);
  assert.equal(running.stdout, "");
  assert.equal((await evs(["subscription", "resume", "billing"], { at })).code, 0);
  await until(() => running.stdout === "2\n");
  running.child.kill("SIGTERM");
  await running.end();
});

Deno.test("consume resumes what a command paused that cannot be run, unless --no-resume is given", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  const broken = await evs([...consume, "--", "/nowhere/at-all"], { at });
  assert.equal(broken.code, 1, broken.stderr);
  assert.equal((await show(at)).pausedBy, "command");
  const left = await evs([...consume, "--no-resume", "--until-empty", "--", "cat"], { at });
  assert.deepEqual([left.code, left.stdout], [1, ""], left.stderr);
  const fixed = await evs([...consume, "--until-empty", "--", "cat"], { at });
  assert.deepEqual([fixed.code, fixed.stdout], [0, "1\n"], fixed.stderr);
});

Deno.test("subscription pause --for ends by itself, and its end is told", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  await evs([...consume, "--from", "end", "--until-empty", "--", "true"], { at });
  const refused = await evs(["subscription", "pause", "billing", "--for", "soon"], { at });
  assert.equal(refused.code, 2);
  const paused = await evs(["subscription", "pause", "billing", "--for", "1h"], { at });
  const { pausedUntil } = JSON.parse(paused.stdout);
  assert.ok(Math.abs(pausedUntil - Date.now() - 3_600_000) < 60_000, paused.stdout);
  const again = await evs(["subscription", "pause", "billing", "--for", "1500ms"], { at });
  assert.equal(again.code, 0, again.stderr);
  await at.publish("t", "x", 2);
  const waited = new RunningEvs([...consume, "--", "cat"], { at });
  await until(() => waited.stdout === "2\n");
  assert.equal((await show(at)).paused, false);
  waited.child.kill("SIGTERM");
  await waited.end();
});
