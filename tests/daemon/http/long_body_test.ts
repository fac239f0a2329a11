/**
 * A body that is refused before it was completely read gets its response, and its connection is
 * closed.
 */
import assert from "node:assert/strict";
import { startDaemon } from "../../helpers/daemon.ts";
import { until } from "../../helpers/evs.ts";

const LONG = 20 * 1024 * 1024;

/** All that comes. What was not read of a body makes the end a reset, behind the answer. */
async function readAll(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(64 * 1024);
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let read = await connection.read(buffer); read !== null;) {
      text += decoder.decode(buffer.subarray(0, read), { stream: true });
      read = await connection.read(buffer);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return text;
}

Deno.test("daemon answers a body that is too long and ends its connection", async () => {
  await using daemon = await startDaemon();
  const body = new Uint8Array(LONG).fill(0x31);
  const requests: [method: string, path: string, status: number, code: string][] = [
    ["PUT", "/v1/schemas/x", 422, "schema/invalid"],
    ["POST", "/v1/schemas", 400, "argument/too-large"],
    ["POST", "/v1/topics/t/events?type=x", 413, "event/too-large"],
    ["POST", "/v1/dead-letters/retry", 400, "argument/too-large"],
    ["POST", "/v1/subscriptions/s/nack", 400, "argument/too-large"],
  ];
  for (const [method, path, status, code] of requests) {
    const connection = await Deno.connect({ transport: "unix", path: daemon.socket });
    const deadline = setTimeout(() => connection.close(), 60_000);
    const head = `${method} ${path} HTTP/1.1\r\nhost: evs\r\ncontent-length: ${LONG}\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head));
    await assert.rejects(async () => {
      for (let sent = 0; sent < LONG;) sent += await connection.write(body.subarray(sent));
    }, Deno.errors.BrokenPipe);
    const text = await readAll(connection);
    clearTimeout(deadline);
    connection.close();
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), path);
    assert.equal(JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4)).error.code, code, path);
  }
  // Only the connection that asks is left.
  await until(async () => (await daemon.http("GET", "/v1/status")).json.connections === 1);
});

Deno.test("daemon refuses a schema that is not UTF-8 in words", async () => {
  await using daemon = await startDaemon();
  const answer = await daemon.http("PUT", "/v1/schemas/x", new Uint8Array([0x22, 0xff, 0x22]));
  assert.equal(answer.status, 422, answer.text);
  assert.equal(answer.json.error.message, "the schema is not UTF-8");
});
