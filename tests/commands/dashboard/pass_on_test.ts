/** A response is read from the daemon only as fast as the browser takes it. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import assert from "node:assert/strict";
import { passOn } from "../../../commands/dashboard/pass_on.ts";
import type { Client } from "../../../core/client/client.ts";

const PIECE = new Uint8Array(64 * 1024);
const PIECES = 3200;
/** What the kernel and both servers hold at most, bytes; a tenth of what is sent. */
const HELD = 20 * 1024 * 1024;

Deno.test("passOn reads no more from the daemon than the browser takes", async () => {
  let read = 0;
  async function* body() {
    for (let n = 0; n < PIECES; n++) {
      read += PIECE.length;
      yield await Promise.resolve(PIECE);
    }
  }
  const reply = { status: 200, headers: new Map(), body };
  const client = { fetchAny: () => Promise.resolve(reply) } as unknown as Client;
  const server = createServer((request, response) => {
    const { signal } = new AbortController();
    const passed = { request, response, effect: "read", signal } as const;
    void passOn(passed, { client, readOnly: false, actor: "" });
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new TextEncoder().encode("GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n"));
  const buffer = new Uint8Array(256 * 1024);
  let taken = 0;
  while (taken < PIECES * PIECE.length) {
    taken += (await conn.read(buffer))!;
    assert.ok(read - taken < HELD, `${read} bytes were read when ${taken} were taken`);
  }
  conn.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
