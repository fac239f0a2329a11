/** HTTP messages, written and parsed byte by byte. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  type ByteSource,
  encodeQuery,
  encodeRequest,
  MessageReader,
} from "../../../core/client/http_message.ts";
import { ConnectionLostError } from "../../../core/base/errors.ts";

const encoder = new TextEncoder();
/** A body may begin with U+FEFF: a decoder that took it off would not show what was read. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Gives bytes in pieces of the given lengths, again and again. */
function inPieces(bytes: Uint8Array, lengths: readonly number[]): ByteSource {
  let at = 0;
  let turn = 0;
  return {
    read(buffer) {
      if (at >= bytes.length) return Promise.resolve(null);
      const most = lengths[turn++ % lengths.length] ?? 1;
      const piece = bytes.subarray(at, at + Math.min(most, buffer.length));
      buffer.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length);
    },
  };
}

interface Message {
  status: number;
  body: string;
}

/** `atOnce`: bodies that have arrived are not read by pieces. */
async function readAll(source: ByteSource, { atOnce = false } = {}): Promise<Message[]> {
  const reader = new MessageReader(source);
  const messages: Message[] = [];
  for (let head = await reader.head(); head !== undefined; head = await reader.head()) {
    const arrived = atOnce ? reader.arrivedBody(head) : undefined;
    const pieces: number[] = [];
    if (arrived === undefined) {
      for await (const piece of reader.body(head)) pieces.push(...piece);
    }
    const body = decoder.decode(arrived ?? Uint8Array.from(pieces));
    messages.push({ status: head.status, body });
  }
  return messages;
}

function withLength({ status, body }: Message): string {
  const length = encoder.encode(body).length;
  return `HTTP/1.1 ${status} Whatever\r\nContent-Length: ${length}\r\nX: y\r\n\r\n${body}`;
}

function inChunks({ status, body }: Message, sizes: readonly number[]): string {
  let text = `HTTP/1.1 ${status} Whatever\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const bytes = encoder.encode(body);
  const raw: string[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const part = bytes.subarray(at, at + (sizes[turn % sizes.length] ?? 1));
    raw.push(`${part.length.toString(16)}\r\n${latin1(part)}\r\n`);
    at += part.length;
  }
  text += raw.join("");
  return `${text}0\r\n\r\n`;
}

/** Bytes as characters of the same number, so that a split inside a character survives. */
function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function fromLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const message = fc.record({
  status: fc.constantFrom(200, 404, 422, 503),
  body: fc.string({ unit: "binary", maxLength: 400 }).map((text) => text.toWellFormed()),
}, { noNullPrototype: true });
const lengths = (max: number) =>
  fc.array(fc.integer({ min: 1, max }), { minLength: 1, maxLength: 8 });
const sizes = lengths(50);

Deno.test("MessageReader reads the same messages whatever the pieces they come in", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(message, fc.boolean(), sizes), { minLength: 1, maxLength: 5 }),
      fc.oneof(sizes, lengths(2000)),
      fc.boolean(),
      async (sent, pieces, atOnce) => {
        const wire = sent.map(([one, chunked, chunks]) =>
          chunked ? inChunks(one, chunks) : latin1(encoder.encode(withLength(one)))
        ).join("");
        const got = await readAll(inPieces(fromLatin1(wire), pieces), { atOnce });
        assert.deepEqual(got, sent.map(([one]) => one));
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("MessageReader ends a body's pieces with lines where more is to come, and hands small ones on together", async () => {
  const line = `${"x".repeat(990)}\n`;
  const body = line.repeat(2000);
  const chunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${
    body.length.toString(16)
  }\r\n${body}\r\n0\r\n\r\n`;
  for (const text of [withLength({ status: 200, body }), chunked]) {
    const reader = new MessageReader(inPieces(encoder.encode(text), [70_000, 7, 3001]));
    const head = await reader.head();
    const pieces: string[] = [];
    for await (const piece of reader.body(head!)) pieces.push(decoder.decode(piece));
    assert.equal(pieces.join(""), body);
    assert.ok(pieces.every((piece) => piece.endsWith("\n")));
    assert.ok(pieces.length < 15, `${pieces.length} pieces`);
  }
});

Deno.test("MessageReader hands on what has no line feed, and no more than a buffer of it at once", async () => {
  const body = "x".repeat(3_000_000);
  const reader = new MessageReader(
    inPieces(encoder.encode(withLength({ status: 200, body })), [65_536]),
  );
  const head = await reader.head();
  let length = 0;
  for await (const piece of reader.body(head!)) {
    assert.ok(piece.length <= 512 * 1024, `${piece.length} bytes at once`);
    length += piece.length;
  }
  assert.equal(length, body.length);
});

Deno.test("MessageReader tells an answer that is cut off from one that never began", async () => {
  const whole = encoder.encode(withLength({ status: 200, body: "hello" }));
  for (let length = 1; length < whole.length; length++) {
    for (const atOnce of [false, true]) {
      await assert.rejects(
        readAll(inPieces(whole.subarray(0, length), [7]), { atOnce }),
        ConnectionLostError,
        `cut at ${length}`,
      );
    }
  }
  assert.deepEqual(await readAll(inPieces(new Uint8Array(0), [7])), []);
});

Deno.test("MessageReader passes over 100 Continue and gives 204 no body", async () => {
  const wire = encoder.encode(
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n" +
      "content-length: 2\r\n\r\nok",
  );
  assert.deepEqual(await readAll(inPieces(wire, [3])), [
    { status: 204, body: "" },
    { status: 200, body: "ok" },
  ]);
});

Deno.test("MessageReader reads to the end of the connection where no length is given", async () => {
  const wire = encoder.encode("HTTP/1.1 200 OK\r\n\r\nall of it");
  assert.deepEqual(await readAll(inPieces(wire, [4])), [{ status: 200, body: "all of it" }]);
});

Deno.test("MessageReader refuses what is no HTTP and heads without an end", async () => {
  for (
    const wire of [
      "SSH-2.0-OpenSSH_9.2\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n",
      `HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`,
    ]
  ) {
    await assert.rejects(readAll(inPieces(encoder.encode(wire), [4096])), ConnectionLostError);
  }
});

Deno.test("MessageReader gives up a head without an end, long before that comes", async () => {
  let taken = 0;
  const endless: ByteSource = {
    read(buffer) {
      if (taken > 16 * 1024 * 1024) return Promise.resolve(null);
      const begin = taken === 0 ? "HTTP/1.1 200 OK\r\nx: " : "";
      encoder.encodeInto(begin, buffer.fill("y".charCodeAt(0)));
      taken += buffer.length;
      return Promise.resolve(buffer.length);
    },
  };
  await assert.rejects(readAll(endless), /a head of more than 64 KiB/);
  assert.ok(taken < 1024 * 1024, `${taken} bytes of it were taken`);
});

Deno.test("encodeRequest writes a small body along with its head and a large one behind it", () => {
  const small = encodeRequest({ method: "POST", path: "/v1/x", body: "{}" }, "1");
  assert.equal(small.length, 1);
  assert.equal(
    decoder.decode(small[0]),
    "POST /v1/x HTTP/1.1\r\nhost: evs\r\nevs-protocol: 1\r\ncontent-type: application/json\r\n" +
      "content-length: 2\r\n\r\n{}",
  );
  const body = new Uint8Array(100_000);
  const large = encodeRequest({ method: "POST", path: "/v1/x", body }, "1");
  assert.equal(large[1], body);
});

Deno.test("encodeQuery leaves out what is undefined and repeats lists", () => {
  assert.equal(encodeQuery({}), "");
  assert.equal(
    encodeQuery({ type: ["a b", "c&d"], from: undefined, limit: 5, follow: "1" }),
    "?type=a%20b&type=c%26d&limit=5&follow=1",
  );
});
