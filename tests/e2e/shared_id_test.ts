/** Events of several topics may have the same id: --topic selects the dead letter. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { settleAll } from "../helpers/dead_letters.ts";
import { evs } from "../helpers/evs.ts";

/** Dead letters of one subscription and one id, of three topics. */
async function daemonWithSharedId(): Promise<TestDaemon & AsyncDisposable> {
  const at = await startDaemon();
  await at.http("PUT", "/v1/subscriptions/s", { topic: "shop.*" });
  for (const topic of ["shop.a", "shop.b", "shop.c"]) {
    const event = { id: "o-17", type: "x", payload: { of: topic } };
    const { status, text } = await at.http("POST", `/v1/topics/${topic}/events`, event);
    assert.equal(status, 200, text);
  }
  await settleAll(at, { subscription: "s", judge: () => ({ error: "broken", dead: true }) });
  return at;
}

async function topicsLeft(at: TestDaemon): Promise<string[]> {
  const { stdout } = await evs(["dlq", "list", "--json"], { at });
  return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line).topic).sort();
}

Deno.test("dlq narrows an id by --topic where events of several topics have it", async () => {
  await using at = await daemonWithSharedId();
  for (const id of ["o-17", "s:o-17"]) {
    const shown = await evs(["dlq", "show", id, "--topic", "shop.b", "--json"], { at });
    assert.equal(JSON.parse(shown.stdout).topic, "shop.b", shown.stderr);
    const exported = await evs(["dlq", "export", id, "--topic", "shop.c"], { at });
    assert.equal(JSON.parse(exported.stdout).topic, "shop.c", exported.stderr);
  }
  const all = await evs(["dlq", "show", "o-17", "--json"], { at });
  assert.equal(all.stdout.trim().split("\n").length, 3);
  const edited = await evs(["dlq", "edit", "s:o-17", "--topic", "shop.a"], {
    at,
    env: { EDITOR: "sed -i s/shop.a/mended/" },
  });
  assert.equal(edited.code, 0, edited.stderr);
  await settleAll(at, {
    subscription: "s",
    judge({ payload }) {
      assert.deepEqual(payload, { of: "mended" });
      return "done";
    },
  });
  assert.deepEqual(await topicsLeft(at), ["shop.b", "shop.c"]);
});

for (const how of [[], ["--rate", "100/s"]]) {
  Deno.test(`dlq retry and remove take only what --topic names: ${how.join(" ") || "at once"}`, async () => {
    await using at = await daemonWithSharedId();
    const retried = await evs(["dlq", "retry", "s:o-17", "--topic", "shop.b", ...how], { at });
    assert.equal(JSON.parse(retried.stdout).count, 1, retried.stderr);
    assert.deepEqual(await topicsLeft(at), ["shop.a", "shop.c"]);
    const removed = await evs(["dlq", "remove", "o-17", "--topic", "shop.c", "--yes"], { at });
    assert.equal(JSON.parse(removed.stdout).count, 1, removed.stderr);
    assert.deepEqual(await topicsLeft(at), ["shop.a"]);
    const none = await evs(["dlq", "retry", "o-17", "--topic", "shop.c", ...how], { at });
    assert.equal(none.code, 1);
    assert.match(none.stderr, /there is no dead letter o-17 of topic shop\.c/);
    const rest = await evs(["dlq", "retry", "--all", ...how], { at });
    assert.equal(JSON.parse(rest.stdout).count, 1, rest.stderr);
  });
}

Deno.test("dlq names what an ambiguous id may mean, as it is typed", async () => {
  await using at = await daemonWithSharedId();
  const { code, stderr } = await evs(["dlq", "edit", "o-17"], { at, env: { EDITOR: "true" } });
  assert.equal(code, 2);
  for (const topic of ["shop.a", "shop.b", "shop.c"]) {
    assert.ok(stderr.includes(`s:o-17 of topic ${topic}`), stderr);
    assert.ok(stderr.includes(`evs dlq edit s:o-17 --topic ${topic}`), stderr);
  }
  const refused = await evs(["dlq", "export", "o-17", "--topic", "shop.a", "--type", "x"], { at });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /other than --topic/);
  for (const id of ["o-17", "s:o-17"]) {
    const missing = await evs(["dlq", "show", id, "--topic", "shop.d"], { at });
    assert.equal(missing.code, 1);
    assert.ok(missing.stderr.includes(`there is no dead letter ${id} of topic shop.d`));
  }
});
