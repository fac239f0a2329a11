/** The options of `evs topic` and how a topic is shown. */
import assert from "node:assert/strict";
import { connect } from "../../../mod.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { evs } from "../../helpers/evs.ts";

Deno.test("topic create, list, show, update and remove", async () => {
  await using at = await startDaemon();
  const topic = (...args: string[]) => evs(["topic", ...args], { at });
  const made = await topic("create", "orders", "--retention", "7d", "--max-bytes", "1MiB");
  assert.equal(made.code, 0, made.stderr);
  const info = JSON.parse(made.stdout);
  assert.deepEqual(
    [info.name, info.retentionPeriod, info.maxBytes, info.schema],
    ["orders", 604_800_000, 1_048_576, "validate"],
  );
  const other = await topic("create", "orders", "--retention", "1d");
  assert.equal(other.code, 3, other.stderr);
  const updated = await topic("update", "orders", "--max-events", "5", "--schema", "off");
  assert.equal(updated.code, 0, updated.stderr);
  await at.publish("orders", "x", 1, 2);
  const shown = JSON.parse((await topic("show", "orders")).stdout);
  assert.deepEqual([shown.maxEvents, shown.schema, shown.lastSeq], [5, "off", 2]);
  const listed = await topic("list", "*");
  assert.equal(JSON.parse(listed.stdout).name, "orders");
  assert.equal((await topic("list", "x.*")).stdout, "");
  assert.equal((await topic("list", "ord*")).code, 2);

  const unsure = await topic("remove", "orders");
  assert.equal(unsure.code, 2, unsure.stderr);
  assert.match(unsure.stderr, /with 2 events.*\n.*evs topic remove orders --yes/);
  const removed = await topic("remove", "orders", "--yes");
  assert.equal(removed.code, 0, removed.stderr);
  assert.deepEqual(JSON.parse(removed.stdout), {
    topic: "orders",
    removed: true,
    events: 2,
    lastSeq: 2,
  });
  const gone = await topic("show", "orders");
  assert.equal(gone.code, 1, gone.stderr);
});

Deno.test("topic refuses names and options in words with exit code 2", async () => {
  await using at = await startDaemon();
  for (const args of [["create", "../x"], ["create", "a", "--retention", "7"]]) {
    const { code, stderr } = await evs(["topic", ...args], { at });
    assert.equal(code, 2, stderr);
  }
});

Deno.test("status tells how the daemon is", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  const { code, stdout, stderr } = await evs(["status"], { at });
  assert.equal(code, 0, stderr);
  const status = JSON.parse(stdout);
  assert.deepEqual([status.health, status.topics, status.events], ["ok", 1, 1]);
  assert.equal(status.pid, at.pid);
});

Deno.test("topic create and update take an interval of durability, and what they print is taken back", async () => {
  await using at = await startDaemon();
  const topic = (...args: string[]) => evs(["topic", ...args], { at });
  const made = await topic("create", "clicks", "--durability", "interval:200ms");
  assert.equal(made.code, 0, made.stderr);
  assert.equal(JSON.parse(made.stdout).durability, "interval:200");
  const updated = await topic("update", "clicks", "--durability", "interval:1s");
  assert.equal(updated.code, 0, updated.stderr);
  const { durability } = JSON.parse((await topic("show", "clicks")).stdout);
  const again = await at.http("PATCH", "/v1/topics/clicks", { durability });
  assert.deepEqual([again.status, again.json.durability], [200, "interval:1000"]);
  await using broker = await connect({ socket: at.socket });
  await broker.createTopic("views", { durability: "interval:50" });
  assert.equal(JSON.parse((await topic("show", "views")).stdout).durability, "interval:50");
  // A person who types a number without its unit is asked which one is meant.
  const unclear = await topic("update", "clicks", "--durability", "interval:5");
  assert.equal(unclear.code, 2, unclear.stdout);
});
