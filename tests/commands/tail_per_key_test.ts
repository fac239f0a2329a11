/** `evs tail --last-per-key` and `lastPerKey=1`: the newest event of each key, then new ones. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

function payloads(text: string): unknown[] {
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line).payload);
}

async function publish(at: TestDaemon, topic: string, ...keys: string[]): Promise<void> {
  for (const [i, key] of keys.entries()) {
    const query = key === "" ? "" : `&key=${key}`;
    await at.http("POST", `/v1/topics/${topic}/events?type=x${query}`, i + 1);
  }
}

for (const store of ["sqlite", "file", "memory"]) {
  Deno.test(`tail --last-per-key prints the newest event of each key, and follows: ${store}`, async () => {
    await using at = await startDaemon({ store });
    await publish(at, "t", "a", "b", "a", "", "c", "b");
    const { stdout } = await evs(["tail", "t", "--last-per-key", "--no-follow"], { at });
    assert.deepEqual(payloads(stdout), [3, 5, 6]);
    const answer = await at.http("GET", "/v1/topics/t/events?lastPerKey=1");
    assert.equal(answer.text, stdout);
    const where = ["--where", "payload < 5"];
    const some = await evs(["tail", "t", "--last-per-key", "--no-follow", ...where], { at });
    assert.deepEqual(payloads(some.stdout), [2, 3]);
    const tail = new RunningEvs(["tail", "t", "--last-per-key"], { at });
    await until(() => payloads(tail.stdout).length === 3);
    await at.publish("t", "x", 7, 8);
    await until(() => payloads(tail.stdout).length === 5);
    // What comes while the connection is gone comes whole, too. Memory would forget its numbers.
    if (store !== "memory") {
      await at.kill("SIGKILL");
      await at.start();
    }
    await publish(at, "t", "a", "a");
    await until(() => payloads(tail.stdout).length === 7);
    assert.deepEqual(payloads(tail.stdout), [3, 5, 6, 7, 8, 1, 2]);
    tail.child.kill("SIGKILL");
    await tail.end();
  });
}

Deno.test("tail --last-per-key of several topics has each key once per topic, and waits for what is not there", async () => {
  await using at = await startDaemon();
  await publish(at, "o.a", "k", "k");
  await publish(at, "o.b", "k", "k", "k");
  const tail = new RunningEvs(["tail", "o.*", "later", "--last-per-key"], { at });
  await until(() => payloads(tail.stdout).length === 2);
  assert.deepEqual(payloads(tail.stdout), [2, 3]);
  await until(async () => (await at.http("GET", "/v1/status")).json.tails === 1);
  await publish(at, "later", "k", "k");
  await until(() => payloads(tail.stdout).length === 4);
  assert.deepEqual(payloads(tail.stdout), [2, 3, 1, 2]);
  tail.child.kill("SIGKILL");
  await tail.end();
  const followed = await at.http("GET", "/v1/topics/o.b/events?lastPerKey=1&follow=1&limit=1");
  assert.deepEqual(payloads(followed.text), [3]);
});

Deno.test("tail --last-per-key refuses -n, and lastPerKey refuses reverse", async () => {
  await using at = await startDaemon();
  await publish(at, "t", "a");
  const both = await evs(["tail", "t", "--last-per-key", "-n", "3"], { at });
  assert.equal(both.code, 2);
  assert.match(both.stderr, /exclude each other/);
  const refused = await at.http("GET", "/v1/topics/t/events?lastPerKey=1&reverse=1");
  assert.equal(refused.status, 400);
  assert.match(refused.json.error.message, /leave out reverse, or lastPerKey/);
});
