/**
 * The head of a request, and the frames of its body: what a flood of headers or of empty lines costs
 * whoever reads it, and that nothing is taken which two readers could take for different requests.
 */
import assert from "node:assert/strict";
import { BadRequestError, RequestHead } from "../../../daemon/http/request_head.ts";
import { RequestParser } from "../../../daemon/http/request_parser.ts";
import { heldInOneOf } from "../../helpers/series.ts";

const encoder = new TextEncoder();

function readHeaders(count: number): number {
  const lines = Array.from({ length: count }, (_, i) => `${i.toString(36)}: ${i}`);
  const bytes = encoder.encode(["GET / HTTP/1.1", ...lines, "0: again", "", ""].join("\r\n"));
  const began = performance.now();
  const headers = RequestHead.read(bytes)!.headers();
  const took = performance.now() - began;
  assert.equal(Object.keys(headers).length, count);
  assert.deepEqual([headers["0"], headers["a"]], ["0, again", "10"]);
  return took;
}

/** Without what others took of the processor. */
function bestOf(count: number): number {
  return Math.min(...Array.from({ length: 5 }, () => readHeaders(count)));
}

Deno.test("all headers are read in a time that grows with their number, not with its square", async () => {
  readHeaders(999); // compiles it
  await heldInOneOf(() => {
    const [few, many] = [bestOf(99), bestOf(999)];
    return Promise.resolve({ holds: many < 40 * few, figures: `${few} ms, ${many} ms` });
  });
});

Deno.test("empty lines before a request are passed over, but not without end", () => {
  const parser = new RequestParser({ maxHead: 1024 });
  const request = "GET / HTTP/1.1\r\n\r\n";
  assert.equal(parser.readHead(encoder.encode(`${"\r\n".repeat(4)}${request}`))?.head.url, "/");
  assert.throws(() => parser.readHead(encoder.encode("\r\n".repeat(5))), { limit: undefined });
});

/** Bodies that end somewhere else for another reader: the headers behind the method. */
const UNCLEAR: [method: string, ...headers: string[]][] = [
  ["POST", "content-length: 5", "transfer-encoding: chunked"],
  ["POST", "transfer-encoding: chunked", "content-length: 5"],
  ["POST", "content-length: 5", "content-length: 5"],
  ["POST", "content-length: 5", "content-length: 6"],
  ["POST", "Content-Length: 5", "content-length: 0"],
  ["POST", "content-length: 5, 5"],
  ["POST", "content-length: +5"],
  ["POST", "content-length: -5"],
  ["POST", "content-length: 0x5"],
  ["POST", "content-length: 5 5"],
  ["POST", "content-length:"],
  ["POST", "content-length: 1234567890123456"],
  ["POST", "transfer-encoding: gzip, chunked"],
  ["POST", "transfer-encoding: chunked, chunked"],
  ["POST", "transfer-encoding: chunked", "transfer-encoding: chunked"],
  ["POST", "transfer-encoding: chunked", "transfer-encoding: identity"],
  ["POST", "transfer-encoding: identity"],
  ["POST", "transfer-encoding: xchunked"],
  ["POST", "transfer-encoding:"],
  ["CONNECT", "transfer-encoding: chunked"],
  ["POST", "content-length : 5"],
  ["POST", "x: y", " content-length: 5"],
  ["POST", "x: y\rcontent-length: 5"],
  ["POST", "x: y\ncontent-length: 5"],
  ["POST", "x: y\0"],
  ["post", "x: y"],
];

const requestOf = ([method, ...headers]: readonly string[], version = "1.1") =>
  encoder.encode(`${[`${method} / HTTP/${version}`, ...headers].join("\r\n")}\r\n\r\n`);

Deno.test("RequestHead.read refuses a request when two readers could disagree on where it ends", () => {
  for (const unclear of UNCLEAR) {
    assert.throws(() => RequestHead.read(requestOf(unclear)), BadRequestError, unclear.join(" | "));
  }
  const old = ["POST", "transfer-encoding: chunked"];
  assert.throws(() => RequestHead.read(requestOf(old, "1.0")), BadRequestError, "HTTP/1.0");
  assert.equal(RequestHead.read(requestOf(old))?.length, undefined);
  assert.equal(RequestHead.read(requestOf(["POST", "content-length: 5"]))?.length, 5);
  assert.equal(RequestHead.read(requestOf(["POST"]))?.length, 0);
});

Deno.test("RequestHead.keepAlive says whether more requests follow, whatever else the header has", () => {
  const cases: [version: string, connection: string | undefined, isKept: boolean][] = [
    ["1.1", undefined, true],
    ["1.1", "close", false],
    ["1.1", "Close", false],
    ["1.1", "keep-alive", true],
    ["1.1", "te, close", false],
    ["1.1", "keep-alive ,\tclose", false],
    ["1.1", "closed", true],
    ["1.0", undefined, false],
    ["1.0", "Keep-Alive", true],
    ["1.0", "te, keep-alive", true],
    ["1.0", "keep-alive, close", false],
  ];
  for (const [version, connection, isKept] of cases) {
    const headers = connection === undefined ? [] : [`connection: ${connection}`];
    const { keepAlive } = RequestHead.read(requestOf(["GET", ...headers], version))!;
    assert.equal(keepAlive, isKept, `HTTP/${version} ${connection}`);
  }
});

/** Bodies in chunks that are framed wrongly. */
const BROKEN = [
  "5\nhello\r\n0\r\n\r\n",
  "5\r\nhello!\r\n0\r\n\r\n",
  "5\r\nhello\n0\r\n\r\n",
  "5\r\nhello\rx0\r\n\r\n",
  "-5\r\nhello\r\n0\r\n\r\n",
  "+5\r\nhello\r\n0\r\n\r\n",
  "0x5\r\nhello\r\n0\r\n\r\n",
  "5 \r\nhello\r\n0\r\n\r\n",
  " 5\r\nhello\r\n0\r\n\r\n",
  "5;\r\nhello\r\n0\r\n\r\n",
  "\r\nhello\r\n0\r\n\r\n",
  "12345678901234\r\n",
  "0\r\na\r\n\r\n",
  "0\r\nx: y\n\r\n",
];

Deno.test("RequestParser.readChunks refuses a body when its frames are not exactly those of the RFC", () => {
  for (const body of BROKEN) {
    const parser = new RequestParser({ maxHead: 1024 });
    assert.throws(() => parser.readChunks(encoder.encode(body)), BadRequestError, body);
  }
  const parser = new RequestParser({ maxHead: 1024 });
  const body = encoder.encode('5;a="b"\r\nhello\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\nrest');
  assert.equal(parser.readChunks(body), body.length - "rest".length);
  assert.equal(new TextDecoder().decode(parser.data), "hello0123456789");
  assert.equal(parser.isComplete, true);
});

Deno.test("RequestParser.readChunks refuses chunk extensions and trailers when they have no end", () => {
  for (const [begin, more] of [["1;a=", "b"], ["0\r\n", "x: y\r\n"]] as const) {
    const parser = new RequestParser({ maxHead: 1024 });
    const piece = encoder.encode(more.repeat(Math.ceil(1024 / more.length)));
    let taken = parser.readChunks(encoder.encode(begin));
    assert.throws(() => {
      while (taken < 64 * 1024) taken += parser.readChunks(piece.slice());
    }, BadRequestError);
    assert.ok(8 * 1024 < taken && taken <= 32 * 1024, `${taken} bytes were taken`);
  }
});
