/** What Node would refuse without a word is refused by the daemon in words. */
import assert from "node:assert/strict";
import { startDaemon } from "../../helpers/daemon.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";

Deno.test("daemon says what is wrong when a request expects something, has no host or two, headers without end, or another protocol", async () => {
  await using daemon = await startDaemon();
  const cases: [string, number, RegExp][] = [
    [head("GET /v1/health", "expect: miracles"), 417, /100-continue.*miracles/],
    ["GET /v1/health HTTP/1.1\r\n\r\n", 400, /Host/],
    [head("GET /v1/health", "host: evs"), 400, /one Host header/],
    [head("GET /v1/health", "Host: other"), 400, /one Host header/],
    [head("GET /v1/events?topic=**", `last-event-id: ${"t:1,".repeat(100_000)}`), 431, /262144/],
    [head("GET /v1/health", `evs-protocol: ${"9".repeat(500)}`), 426, /speaks protocol "9{80}"/],
  ];
  for (const [request, expected, words] of cases) {
    const connection = await RawConnection.open(daemon.socket);
    await connection.send(request);
    const { status, body } = await connection.answer();
    assert.equal(status, expected, body);
    assert.match(JSON.parse(body).error.message, words);
    connection.close();
  }
  assert.equal((await daemon.http("GET", "/v1/health")).status, 200);
});
