/** Responses reach their client as they were made, whatever is put together into one write. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { ServerConnection } from "../../../daemon/http/connection.ts";
import type { Exchange } from "../../../daemon/http/connection.ts";
import { concat } from "../../../core/base/bytes.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { dose } from "../../helpers/dose.ts";
import { head } from "../../helpers/raw_connection.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A client that has sent so many requests, and a socket that takes so many bytes at once. */
function client(requests: number, most: number) {
  const sent = [encoder.encode(head("GET /").repeat(requests))];
  const got: Uint8Array[] = [];
  const writes: number[] = [];
  const exchanges: Exchange[] = [];
  const conn = {
    read: (buffer: Uint8Array): Promise<number> => {
      const piece = sent.shift();
      if (piece === undefined) return new Promise(() => {});
      buffer.set(piece);
      return Promise.resolve(piece.length);
    },
    /** The bytes are needed until it resolves. */
    write: async (bytes: Uint8Array): Promise<number> => {
      writes.push(bytes.length);
      await settled();
      got.push(bytes.slice(0, most));
      return Math.min(bytes.length, most);
    },
    close() {},
  };
  const connection = new ServerConnection(conn as unknown as Deno.Conn, {
    name: "one",
    host: {
      clock: new FakeClock(),
      requested: (_, exchange) => void exchanges.push(exchange),
      dueChanged() {},
      closed() {},
    },
  });
  void connection.run();
  return { exchanges, writes, answers: () => concat(got) };
}

/** The bodies of responses, by their lengths. */
function bodiesOf(bytes: Uint8Array): string[] {
  const bodies: string[] = [];
  // A byte a character, however many there are.
  const latin1 = new TextDecoder("latin1").decode(bytes);
  for (let at = 0; at < bytes.length;) {
    const [line, length] = /^HTTP\/1\.1 200 OK\r\n[^]*?content-length: (\d+)\r\n\r\n/
      .exec(latin1.slice(at))!;
    at += line.length;
    bodies.push(decoder.decode(bytes.subarray(at, at += Number(length))));
  }
  return bodies;
}

/** Resolves when the last response has been sent. */
function allSent(exchanges: readonly Exchange[]): Promise<void> {
  return new Promise((resolve) => void (exchanges.at(-1)!.reply.onSent = resolve));
}

const body = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 50 }),
  fc.constantFrom(0, 900, 1100, 40_000).map((length) => "x".repeat(length)),
);

Deno.test("a connection sends text and bytes of every size in their order, however few are taken at once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(body, fc.boolean()), { minLength: 1, maxLength: 6 }),
      fc.constantFrom(61, 1000, Infinity),
      async (responses, most) => {
        const { exchanges, answers } = client(responses.length, most);
        await settled();
        const sent = allSent(exchanges);
        for (const [i, [text, isText]] of responses.entries()) {
          const { reply } = exchanges[i]!;
          reply.send(200, { type: "text/plain", body: isText ? text : encoder.encode(text) });
          if (i % 2 === 0) await settled();
        }
        const bodies = responses.map(([text]) => text);
        await sent;
        assert.deepEqual(bodiesOf(answers()), bodies);
      },
    ),
    { numRuns: dose(40) },
  );
});

Deno.test("a connection sends what was answered during a write in one write", async () => {
  const { exchanges, writes, answers } = client(20, Infinity);
  await settled();
  const sent = allSent(exchanges);
  const bodies = exchanges.map((_, i) => String(i));
  exchanges.forEach(({ reply }, i) => reply.send(200, { type: "text/plain", body: bodies[i]! }));
  await sent;
  assert.deepEqual(bodiesOf(answers()), bodies);
  assert.equal(writes.length, 2, "the first goes at once, all others together");
});

Deno.test("a connection sends answers that waited for the one before them along with it", async () => {
  const { exchanges, writes, answers } = client(5, Infinity);
  await settled();
  const sent = allSent(exchanges);
  const bodies = exchanges.map((_, i) => String(i));
  for (const [i, { reply }] of [...exchanges.entries()].reverse()) {
    reply.send(200, { type: "text/plain", body: bodies[i]! });
  }
  await sent;
  assert.deepEqual(bodiesOf(answers()), bodies);
  assert.equal(writes.length, 1);
});
