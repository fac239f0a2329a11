/**
 * A time as printed on a terminal can be used again with `--from`, `--to` and `seek`, with its
 * offset or as local time.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

Deno.test("evs takes a time without a zone for local, and the daemon refuses one", async () => {
  await using at = await startDaemon();
  for (const time of ["2026-07-01T07:30:00Z", "2026-07-01T08:30:00Z", "2026-07-01T09:30:00Z"]) {
    const event = { type: "n", payload: time, timestamp: Date.parse(time) };
    await at.http("POST", "/v1/topics/t/events", event);
  }
  const env = { TZ: "Europe/Berlin" };
  const seqs = async (...args: string[]) => {
    const { code, stdout, stderr } = await evs(["replay", "t", ...args], { at, env });
    assert.equal(code, 0, stderr);
    return stdout.trim().split("\n").map((line) => JSON.parse(line).seq);
  };
  assert.deepEqual(await seqs("--from", "@2026-07-01 10:00"), [2, 3]);
  assert.deepEqual(await seqs("--from", "@2026-07-01 10:00:00+02:00"), [2, 3]);
  assert.deepEqual(await seqs("--to", "@2026-07-01T11:00"), [1, 2]);
  assert.deepEqual(await seqs("--from", "@2026-07-01T09:00Z"), [3]);
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  const seek = ["subscription", "seek", "s", "@2026-07-01T11:00", "--yes"];
  assert.equal((await evs(seek, { at, env })).code, 0);
  assert.equal((await at.http("GET", "/v1/subscriptions/s")).json.cursors[0].next, 3);
  const missing = await evs(["replay", "t", "--from", "@2026-03-29T02:30"], { at, env });
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /the clocks were put forward over it/);
  const refused = await at.http("GET", "/v1/topics/t/events?from=@2026-07-01T10:00");
  assert.equal(refused.status, 400);
  assert.match(refused.json.error.message, /has no zone/);
});
