/** `evs subscription create` gives a consumer its place and settings before it starts. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, type EvsResult } from "../helpers/evs.ts";

function create(at: TestDaemon, ...args: string[]): Promise<EvsResult> {
  return evs(["subscription", "create", ...args], { at });
}

Deno.test("subscription create keeps what is published before anybody consumes", async () => {
  await using at = await startDaemon();
  await at.publish("t", "n", "before");
  const flags = ["--from", "end", "--max-retries", "0", "--backoff", "fixed:1s", "--type", "n"];
  const made = await create(at, "audit", "t", ...flags);
  assert.equal(made.code, 0, made.stderr);
  const info = JSON.parse(made.stdout);
  assert.deepEqual([info.name, info.topic, info.created, info.pending], ["audit", "t", true, 0]);
  assert.deepEqual([info.settings.maxRetries, info.settings.eventTypes], [0, ["n"]]);
  await at.publish("t", "n", "meanwhile");
  const { code, stdout, stderr } = await evs(
    ["consume", "t", "--name", "audit", "--until-empty", "--", "sh", "-c", "cat; echo"],
    { at },
  );
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.split("\n").filter(Boolean), ['"meanwhile"']);
});

Deno.test("subscription create changes nothing when it is there, and says what is different", async () => {
  await using at = await startDaemon();
  assert.equal((await create(at, "s", "t", "--max-retries", "5")).code, 0);
  const again = await create(at, "s", "t", "--max-retries", "5", "--from", "end");
  assert.equal(again.code, 0, again.stderr);
  assert.equal(JSON.parse(again.stdout).created, false);
  assert.match(again.stderr, /already exists, so --from does nothing/);
  const other = await create(at, "s", "t", "--max-retries", "6", "--json");
  assert.equal(other.code, 3, other.stderr);
  const { code, message, hint } = JSON.parse(other.stderr).error;
  assert.equal(code, "subscription/exists");
  assert.match(message, /already exists, with another --max-retries$/);
  assert.match(hint, /^evs subscription create s t --max-retries 6 --json --update /);
  const shown = async () =>
    JSON.parse((await evs(["subscription", "show", "s"], { at })).stdout).settings.maxRetries;
  assert.equal(await shown(), 5);
  const updated = await create(at, "s", "t", "--max-retries", "6", "--update");
  assert.equal(updated.code, 0, updated.stderr);
  assert.equal(await shown(), 6);
  const elsewhere = await create(at, "s", "elsewhere");
  assert.equal(elsewhere.code, 3, elsewhere.stderr);
});

Deno.test("subscription create leaves a pause as it is", async () => {
  await using at = await startDaemon();
  assert.equal((await create(at, "s", "t")).code, 0);
  const body = { reason: "broken", by: "command" };
  assert.equal((await at.http("POST", "/v1/subscriptions/s/pause", body)).status, 200);
  const again = await create(at, "s", "t");
  assert.equal(again.code, 0, again.stderr);
  const { paused, pausedBy } = JSON.parse(again.stdout);
  assert.deepEqual([paused, pausedBy], [true, "command"]);
});
