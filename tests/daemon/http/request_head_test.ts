/** The head of a request: what a flood of headers or of empty lines costs whoever reads it. */
import assert from "node:assert/strict";
import { RequestHead } from "../../../daemon/http/request_head.ts";
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
