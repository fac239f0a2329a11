/** A connection that closes while its requests wait for their turn: none of them is begun. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { until } from "../../helpers/evs.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";

const ORDER = { max: 10, bind: true, leaseMs: 600_000 };

function post(path: string, body: unknown): string {
  const text = JSON.stringify(body);
  return head(`POST ${path}`, "content-type: application/json", `content-length: ${text.length}`) +
    text;
}

/**
 * Sends these behind one that waits until the first of three events is processed, closes, and then
 * processes it. Resolves when the daemon has found the connection closed.
 */
async function leaveBehind(daemon: TestDaemon, requests: string): Promise<void> {
  await daemon.publish("t", "x", 1, 2, 3);
  const settings = { topic: "t", from: "start" };
  assert.equal((await daemon.http("PUT", "/v1/subscriptions/s", settings)).status, 201);
  const { json } = await daemon.http("POST", "/v1/subscriptions/s/lease", ORDER);
  const [first, ...others] = json.deliveries.map(({ lease }: { lease: string }) => lease);
  // They stay in memory: nothing has to be read before they are leased.
  await daemon.http("POST", "/v1/subscriptions/s/release", { leases: others });
  const connections = async () => (await daemon.http("GET", "/v1/status")).json.connections;
  const before = await connections();
  const connection = await RawConnection.open(daemon.socket);
  const waiting = { topic: "t", seq: 1, waitMs: 60_000 };
  await connection.send(post("/v1/subscriptions/s/processed", waiting) + requests);
  await until(async () => await connections() > before);
  connection.close();
  await daemon.http("POST", "/v1/subscriptions/s/ack", { leases: [first] });
  await until(async () => await connections() === before);
}

Deno.test("a lease whose turn comes when its connection has closed is not granted", async () => {
  await using daemon = await startDaemon();
  await leaveBehind(daemon, post("/v1/subscriptions/s/lease", ORDER));
  assert.equal((await daemon.http("GET", "/v1/subscriptions/s")).json.leased, 0);
  const { json } = await daemon.http("POST", "/v1/subscriptions/s/lease", ORDER);
  assert.equal(json.deliveries.length, 2, "somebody else gets them");
});

Deno.test("what waits behind another request is not begun when its connection has closed", async () => {
  // One by one: what comes behind a request with a body is read when that was taken.
  const pause = post("/v1/subscriptions/s/pause", { reason: "x" });
  for (const request of [pause, head("DELETE /v1/subscriptions/s")]) {
    await using daemon = await startDaemon();
    await leaveBehind(daemon, request);
    // Changes of one subscription are made one after another: this one comes behind them.
    await daemon.http("POST", "/v1/subscriptions/s/seek", { to: "start" });
    const { status, json } = await daemon.http("GET", "/v1/subscriptions/s");
    assert.deepEqual([status, json.paused], [200, false], request);
  }
});

Deno.test("what follows a request whose answer closes the connection is not begun", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("victim", "x", 1);
  const lines = '{"n":1}\nnot json\n';
  const publish = head(
    "POST /v1/topics/t/events?type=x",
    "content-type: application/x-ndjson",
    `content-length: ${lines.length}`,
  );
  const connection = await RawConnection.open(daemon.socket);
  await connection.send(publish + lines + head("DELETE /v1/topics/victim"));
  const answers = await connection.untilEnd();
  assert.match(answers, /^HTTP\/1.1 422 [^]*\r\nconnection: close\r\n/);
  assert.equal(answers.match(/HTTP\/1.1/g)?.length, 1);
  const limits = { maxEvents: 10 };
  // The same is so of one topic.
  assert.equal((await daemon.http("PATCH", "/v1/topics/victim", limits)).status, 200);
});
