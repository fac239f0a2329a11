/**
 * A connection of a real daemon: what its client gets that ends its side, that waits to be asked for
 * a body, that asks for a head alone, or that sends a body nobody reads.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../../helpers/daemon.ts";
import { until } from "../../helpers/evs.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";

const publish = (body: string, ...headers: string[]) =>
  head("POST /v1/topics/t/events?type=x", `content-length: ${body.length}`, ...headers) + body;

Deno.test("a client that ends its side gets the answers to what it has asked, and its followers end", async () => {
  await using daemon = await startDaemon();
  const connection = await RawConnection.open(daemon.socket);
  await connection.send(publish("1") + publish("2") + head("GET /v1/topics/t"));
  await connection.end();
  const text = await connection.untilEnd();
  assert.deepEqual(text.match(/^HTTP\/1\.1 \d+/gm), Array(3).fill("HTTP/1.1 200"));
  connection.close();

  const follower = await RawConnection.open(daemon.socket);
  await follower.send(head("GET /v1/topics/t/events?follow=1&from=start"));
  await follower.until(/"seq":2/);
  await follower.end();
  assert.match(await follower.untilEnd(), /\r\n0\r\n\r\n$/, "and its response is complete");
  follower.close();
  await until(async () => (await daemon.http("GET", "/v1/status")).json.tails === 0);
});

Deno.test("a client that ends its side gets the whole of a replay that does not fit into the socket", async () => {
  await using daemon = await startDaemon();
  for (let n = 0; n < 5; n++) await daemon.publish("t", "x", "x".repeat(900_000));
  const connection = await RawConnection.open(daemon.socket);
  await connection.send(head("GET /v1/topics/t/events"));
  await connection.until(/\r\n\r\n/);
  await connection.end();
  const text = await connection.untilEnd();
  assert.match(text.slice(-20), /\r\n0\r\n\r\n$/, "it is complete");
  assert.equal(text.match(/"seq":\d/g)?.length, 5);
  connection.close();
});

Deno.test("half a request whose client ends its side is refused, and nothing of it is stored", async () => {
  await using daemon = await startDaemon();
  for (const half of ["GET /v1/hea", "POST /v1/topics/t/events?type=x HTTP/1.1\r\nhost: evs\r\n"]) {
    const connection = await RawConnection.open(daemon.socket);
    await connection.send(publish("1") + half);
    await connection.end();
    const text = await connection.untilEnd();
    assert.deepEqual(text.match(/^HTTP\/1\.1 \d+/gm), ["HTTP/1.1 200", "HTTP/1.1 400"]);
    connection.close();
  }
  const cut = await RawConnection.open(daemon.socket);
  await cut.send(publish("1") + publish("22").slice(0, -1));
  await cut.end();
  assert.deepEqual((await cut.untilEnd()).match(/^HTTP\/1\.1 \d+/gm), ["HTTP/1.1 200"]);
  cut.close();
  assert.deepEqual((await daemon.replay("t")).map(({ payload }) => payload), [1, 1, 1]);
});

Deno.test("100 Continue asks for a body in its turn, and not for one that is refused", async () => {
  await using daemon = await startDaemon();
  const connection = await RawConnection.open(daemon.socket);
  const [asking, body] = publish("3", "expect: 100-continue").split(/(?<=\r\n\r\n)/);
  await connection.send(publish("1") + publish("2") + asking);
  const before = await connection.until(/100 Continue\r\n\r\n$/);
  assert.equal(before.match(/^HTTP\/1\.1 200/gm)?.length, 2, "behind the answers before it");
  await connection.send(body!);
  await connection.until(/"lastSeq":3[^]*\n$/);
  const unknown = head("POST /v1/nothing", "content-length: 1", "expect: 100-continue");
  await connection.send(unknown);
  const text = await connection.untilEnd();
  assert.match(text, /HTTP\/1\.1 404 [^]*\r\nconnection: close\r\n/);
  assert.equal(text.match(/100 Continue/g)?.length, 1);
  connection.close();
});

Deno.test("HEAD is answered with a head alone, also to a follower, and the connection stays usable", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("t", "x", 1, 2);
  const connection = await RawConnection.open(daemon.socket);
  const paths = ["/v1/topics/t", "/v1/topics/t/events?follow=1", "/v1/topics/none", "/v1/health"];
  await connection.send(paths.map((path) => head(`HEAD ${path}`)).join(""));
  await connection.send(head("GET /v1/topics/t/events/1", "connection: close"));
  const answers = (await connection.untilEnd()).split(/(?<=\r\n\r\n)/);
  assert.deepEqual(
    answers.slice(0, 5).map((answer) => /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]),
    ["200", "200", "404", "200", "200"],
  );
  assert.match(answers[5]!, /^\{.*"seq":1,.*\}\n$/);
  connection.close();
});

Deno.test("a body that no route reads is not read for long, however little of it is content", async () => {
  await using daemon = await startDaemon();
  const connection = await RawConnection.open(daemon.socket);
  await connection.send(head("GET /v1/health", "transfer-encoding: chunked"));
  await connection.until(/"health":"ok"/);
  const chunk = `1;a=${"b".repeat(10_000)}\r\nc\r\n`;
  const sent = await connection.sendOn(new TextEncoder().encode(chunk), 64 * 2 ** 20);
  assert.ok(sent < 8 * 2 ** 20, `${sent} bytes of it were taken`);
  connection.close();
});

Deno.test("a body that no route reads is passed over when it is small", async () => {
  await using daemon = await startDaemon();
  const connection = await RawConnection.open(daemon.socket);
  const chunked = head("GET /v1/health", "transfer-encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n";
  await connection.send(head("GET /v1/health", "content-length: 5") + "hello" + chunked);
  await connection.send(head("GET /v1/health", "connection: close"));
  const text = await connection.untilEnd();
  assert.deepEqual(text.match(/^HTTP\/1\.1 \d+/gm), Array(3).fill("HTTP/1.1 200"));
  connection.close();
});
