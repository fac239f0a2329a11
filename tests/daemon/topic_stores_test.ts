/** Topics of one daemon in several stores, each with its own durability. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";

Deno.test("daemon keeps each topic in its own store, through a restart with another default", async () => {
  await using daemon = await startDaemon({ store: "sqlite" });
  const make = (topic: string, options: unknown) =>
    daemon.http("PUT", `/v1/topics/${topic}`, options);
  assert.equal((await make("clicks", { store: "file", durability: "interval:50ms" })).status, 201);
  assert.equal((await make("orders", {})).status, 201);
  assert.equal((await make("scratch", { store: "memory" })).status, 201);
  assert.equal((await make("late", { durability: "os" })).status, 201);
  const durable: Record<string, boolean> = {};
  for (const topic of ["clicks", "orders", "scratch", "late"]) {
    const reply = await daemon.publish(topic, "n", 1, 2, 3);
    assert.equal(reply.lastSeq, 3);
    durable[topic] = reply.durable;
  }
  assert.deepEqual(durable, { clicks: false, orders: true, scratch: false, late: false });
  const places = async () => {
    const { topics } = (await daemon.http("GET", "/v1/topics")).json;
    return topics.map(({ name, store, durability, lastSeq }: Record<string, unknown>) =>
      `${name} ${store} ${durability} ${lastSeq}`
    );
  };
  const before = [
    "clicks file interval:50 3",
    "late sqlite os 3",
    "orders sqlite always 3",
    "scratch memory default 3",
  ];
  assert.deepEqual(await places(), before);
  const [segment] = [...Deno.readDirSync(`${daemon.dataDir}/events/clicks`)]
    .filter(({ name }) => name.endsWith(".ndjson"));
  const lines = Deno.readTextFileSync(`${daemon.dataDir}/events/clicks/${segment!.name}`);
  assert.equal(lines.trim().split("\n").length, 3);
  assert.equal((await daemon.replay("orders")).length, 3);

  await daemon.stop();
  daemon.options.store = "file";
  await daemon.start();
  assert.deepEqual(await places(), [...before.slice(0, 3), "scratch memory default 0"]);
  for (const topic of ["clicks", "late", "orders"]) {
    assert.equal((await daemon.publish(topic, "n", 4)).firstSeq, 4, topic);
  }
  // A new topic goes to the daemon's current default store.
  await daemon.publish("fresh", "n", 1);
  assert.equal((await daemon.http("GET", "/v1/topics/fresh")).json.store, "file");
});

Deno.test("daemon refuses in words to move a topic, or to make it where its numbers are not", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "n", 1, 2);
  const moved = await daemon.http("PATCH", "/v1/topics/orders", { store: "file" });
  assert.deepEqual([moved.status, moved.json.error.code], [409, "topic/store-fixed"]);
  assert.match(moved.json.error.hint, /--into/);
  const other = await daemon.http("PUT", "/v1/topics/orders", { store: "file" });
  assert.deepEqual([other.status, other.json.error.code], [409, "topic/exists"]);
  await daemon.http("DELETE", "/v1/topics/orders");
  const again = await daemon.http("PUT", "/v1/topics/orders", { store: "file" });
  assert.deepEqual([again.status, again.json.error.code], [409, "topic/store-fixed"]);
  assert.equal((await daemon.publish("orders", "n", 3)).firstSeq, 3);
  const wrong = await daemon.http("PUT", "/v1/topics/x", { store: "tape" });
  assert.equal(wrong.status, 400);
  const never = await daemon.http("PUT", "/v1/topics/x", { durability: "sometimes" });
  assert.equal(never.status, 400);
  const changed = await daemon.http("PATCH", "/v1/topics/orders", { durability: "os" });
  assert.equal(changed.json.durability, "os");
  assert.equal((await daemon.publish("orders", "n", 4)).durable, false);
});
