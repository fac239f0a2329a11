/** Contract row 18: a request that stalls is ended without affecting others. */
import assert from "node:assert/strict";
import { startDaemon } from "../../helpers/daemon.ts";
import { dose } from "../../helpers/dose.ts";
import { until } from "../../helpers/evs.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";
import { STORES } from "../../helpers/stores.ts";

const COUNT = dose(50, 500);
/** Between two requests of somebody else, ms. */
const PAUSE = 100;
/** The promise, ms, and what twelve seconds are counted from: the last byte that was sent. */
const DEADLINE = 12_000;

/**
 * Ways to leave a request half done: what is sent, and what the daemon says before it ends the
 * connection.
 */
const HALVES: [what: string, sent: string, said: RegExp][] = [
  ["nothing at all", "", /^HTTP\/1\.1 408 /],
  ["half a request line", "GET /v1/hea", /^HTTP\/1\.1 408 /],
  ["half of the headers", "GET /v1/health HTTP/1.1\r\nhost: evs\r\nx-a: b", /^HTTP\/1\.1 408 /],
  [
    "half of a line of NDJSON",
    head(
      "POST /v1/topics/t/events?type=x",
      "content-type: application/x-ndjson",
      "content-length: 100",
    ) +
    '1\n{"a"',
    /^$/,
  ],
  [
    "half of a chunk",
    head("POST /v1/topics/t/events?type=x", "transfer-encoding: chunked") + "5\r\n12",
    /^$/,
  ],
  [
    "a chunk size that never ends",
    head("POST /v1/topics/t/events?type=x", "transfer-encoding: chunked") + "1;aaaaaaaaaaaa",
    /^$/,
  ],
  ["half of a JSON object", head("PUT /v1/schemas/x", "content-length: 20") + "{", /^$/],
  ["a body that nobody reads", head("GET /v1/health", "content-length: 20"), /^HTTP\/1\.1 200 /],
];

for (const store of STORES) {
  Deno.test(`${COUNT} half-open requests are gone within 12 s, and whoever comes meanwhile is served (${store})`, async () => {
    // How long a sync takes is not what is looked at here.
    await using daemon = await startDaemon({ store, durability: "os" });
    const opened = await Promise.all(
      Array.from({ length: COUNT }, async (_, i) => {
        const [what, sent, said] = HALVES[i % HALVES.length]!;
        const connection = await RawConnection.open(daemon.socket);
        await connection.send(sent);
        return { what, said, connection, sentAt: performance.now() };
      }),
    );
    // A live publisher of small complete requests keeps using one connection, longer than any
    // half-open one lives.
    let over = false;
    let served = 0;
    /**
     * The longest from when a request was due to its answer, ms: how late everything is on a
     * machine that has other work, or stands still for a while.
     */
    let longest = 0;
    const live = (async () => {
      const connection = await RawConnection.open(daemon.socket);
      for (let began = performance.now(); !over; served++) {
        await connection.send(
          head("POST /v1/topics/live/events?type=n", "content-length: 1") + "1",
        );
        assert.equal((await connection.answer()).status, 200);
        longest = Math.max(longest, performance.now() - began);
        began = performance.now() + PAUSE;
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
      connection.close();
    })();
    live.catch(() => {}); // told below, behind what may be its cause
    await Promise.all(opened.map(async ({ what, said, connection, sentAt }) => {
      const text = await connection.untilEnd();
      const took = performance.now() - sentAt;
      assert.ok(
        took < DEADLINE + 5 * longest,
        `${what} took ${took} ms, others waited ${longest} ms`,
      );
      assert.match(text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, ""), said, what);
      connection.close();
    }));
    over = true;
    await live;
    assert.ok(served > 20, `${served} were served`);
    // Only the connection that asks is left, once the daemon has seen the others go.
    await until(async () => (await daemon.http("GET", "/v1/status")).json.connections === 1);
    await daemon.stop();
  });
}

Deno.test("a half-open request is ended when everybody else had left before it came", async () => {
  await using daemon = await startDaemon();
  // The timer stops with the last connection: it must start again with the next one.
  for (let n = 0; n < 3; n++) {
    const connection = await RawConnection.open(daemon.socket);
    await connection.send(head("GET /v1/health", "connection: close"));
    await connection.untilEnd();
    connection.close();
  }
  const half = await RawConnection.open(daemon.socket);
  await half.send("GET /v1/hea");
  const deadline = Promise.withResolvers<string>();
  // The test above measures the twelve seconds. Here it is only about a timer that never runs.
  const timer = setTimeout(() => deadline.resolve("it was never ended"), 5 * DEADLINE);
  assert.match(await Promise.race([half.untilEnd(), deadline.promise]), /^HTTP\/1\.1 408 /);
  clearTimeout(timer);
  half.close();
});
