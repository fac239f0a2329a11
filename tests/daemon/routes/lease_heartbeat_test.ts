/** A lease request that waits gets heartbeats when it asks for them, and otherwise none. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";

const BEATS = /\r\n\r\n1\r\n\n\r\n1\r\n\n\r\n/;

/** Asks for a lease on a connection of its own. */
async function ask(at: TestDaemon, request: object): Promise<RawConnection> {
  const connection = await RawConnection.open(at.socket);
  const body = JSON.stringify({ bind: true, ...request });
  const line = "POST /v1/subscriptions/s/lease";
  await connection.send(head(line, `content-length: ${body.length}`) + body);
  return connection;
}

async function started(): Promise<TestDaemon> {
  const at = await startDaemon();
  await at.http("PUT", "/v1/subscriptions/s", { topic: "t" });
  return at;
}

Deno.test("a lease request that waits gets empty lines, then its answer", async () => {
  await using at = await started();
  const connection = await ask(at, { waitMs: 600_000, heartbeatMs: 100 });
  await connection.until(BEATS);
  await at.publish("t", "x", 7);
  const text = await connection.until(/\r\n0\r\n\r\n/);
  assert.match(text, /^content-type: application\/json\r\n/im);
  const [, json] = /\r\n\r\n(?:1\r\n\n\r\n)+[0-9a-f]+\r\n(\{[^]*)\n\r\n0\r\n/.exec(text)!;
  const { deliveries } = JSON.parse(json!);
  assert.deepEqual(deliveries.map(({ event }: { event: { payload: number } }) => event.payload), [
    7,
  ]);
  // The connection goes on, and the lease with it.
  await connection.send(head("GET /v1/subscriptions/s"));
  const info = await connection.until(/"leased":1/);
  assert.doesNotMatch(info, /connection: close/i);
  connection.close();
});

Deno.test("a lease request has a reply of a known length when it is answered before a heartbeat, or asks for none", async () => {
  await using at = await started();
  await at.publish("t", "x", 1);
  const first = await ask(at, { waitMs: 600_000, heartbeatMs: 600_000 });
  const { status, body } = await first.answer();
  assert.deepEqual([status, JSON.parse(body).deliveries.length], [200, 1]);
  // As an older client asks: nothing comes before the answer, however long that takes.
  const second = await ask(at, { waitMs: 1000 });
  const late = await second.answer();
  assert.deepEqual([late.status, JSON.parse(late.body).deliveries], [200, []]);
  first.close();
  second.close();
});

Deno.test("a lease request that fails behind its first heartbeat ends with its connection, and is refused when it is sent again", async () => {
  await using at = await started();
  const connection = await ask(at, { waitMs: 600_000, heartbeatMs: 100 });
  await connection.until(BEATS);
  assert.equal((await at.http("DELETE", "/v1/subscriptions/s")).status, 200);
  assert.doesNotMatch(await connection.untilEnd(), /\r\n0\r\n|deliveries/, "it is not complete");
  const again = await ask(at, { waitMs: 600_000, heartbeatMs: 100 });
  const { status, body } = await again.answer();
  assert.deepEqual([status, JSON.parse(body).error.code], [404, "subscription/not-found"]);
  again.close();
});

Deno.test("a lease request is refused when its heartbeat is too short or no number", async () => {
  await using at = await started();
  for (const heartbeatMs of [0, 99, 1.5, "1s", 3_600_001]) {
    const { status, json } = await at.http("POST", "/v1/subscriptions/s/lease", { heartbeatMs });
    assert.equal(status, 400);
    assert.match(json.error.message, /^heartbeatMs is a whole number from 100 to 3600000, not /);
  }
});
