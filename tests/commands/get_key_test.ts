/** `evs get --key` and its route: the newest event of a key. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs } from "../helpers/evs.ts";

for (const store of ["sqlite", "file", "memory"]) {
  Deno.test(`get --key prints the newest event of a key: ${store}`, async () => {
    await using at = await startDaemon({ store });
    const key = "o/1 ü?";
    for (const n of [1, 2, 3]) {
      await at.http("POST", `/v1/topics/t/events?type=x&key=${encodeURIComponent(key)}`, { n });
    }
    await at.publish("t", "x", { n: 4 });
    const [, , third] = await at.replay("t");
    const { code, stdout, stderr } = await evs(["get", "t", "--key", key], { at });
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), third);
    const raw = await evs(["get", "t", "--key", key, "--raw"], { at });
    assert.equal(raw.stdout, '{"n":3}\n');
    const answer = await at.http("GET", `/v1/topics/t/newest?key=${encodeURIComponent(key)}`);
    assert.equal(answer.text, stdout, "the same bytes");
  });
}

Deno.test("get --key exits with 1 when no event has the key, and with 2 when it names another event too", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  const none = await evs(["get", "t", "--key", "o-1", "--json"], { at });
  assert.equal(none.code, 1);
  const { code, message } = JSON.parse(none.stderr).error;
  assert.deepEqual([code, message], ["event/not-found", "topic t has no event with the key o-1"]);
  assert.equal(none.stdout, "");
  assert.equal((await evs(["get", "nothing", "--key", "o-1"], { at })).code, 1);
  for (const [args, words] of [[["1", "--key", "k"], /--key another/], [[], /or --key/]] as const) {
    const both = await evs(["get", "t", ...args], { at });
    assert.equal(both.code, 2);
    assert.match(both.stderr, words);
  }
  const refused = await at.http("GET", "/v1/topics/t/newest");
  assert.deepEqual([refused.status, refused.json.error.message], [
    400,
    "the parameter key is missing",
  ]);
});
