/** Requests that Node would refuse without an error text get one from the daemon. */
import assert from "node:assert/strict";
import { routes } from "../../../daemon/routes/mod.ts";
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

Deno.test("daemon answers CONNECT behind what was asked before it, and ends that connection", async () => {
  await using daemon = await startDaemon();
  const connection = await RawConnection.open(daemon.socket);
  const publish = head("POST /v1/topics/t/events?type=x", "content-length: 1") + "1";
  await connection.send(`${publish}CONNECT evs:1 HTTP/1.1\r\nhost: evs:1\r\n\r\n${publish}`);
  assert.equal((await connection.answer()).status, 200);
  const { status, body } = await connection.answer();
  assert.equal(status, 405);
  const { error } = JSON.parse(body);
  assert.equal(error.code, "route/method-not-allowed");
  assert.match(error.message, /CONNECT/);
  assert.equal(await connection.untilEnd(), "", "and nothing of what came behind it");
  connection.close();
  assert.equal((await daemon.replay("t")).length, 1);
});

Deno.test("a 405 names the methods that the path is described with", async () => {
  await using daemon = await startDaemon();
  const paths = Map.groupBy(routes, ({ path }) => path);
  for (const [path, served] of paths) {
    const methods = served.map(({ method }) => method);
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const) {
      if (methods.some((one) => one === method)) continue;
      const answer = await daemon.http(method, path.replace(/\{\w+\}/g, "x"));
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.deepEqual(answer.headers.get("allow")!.split(", ").sort(), [...methods].sort(), path);
    }
  }
});
