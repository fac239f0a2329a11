/** A head that a connection sends again is the one before, and any other is read. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { RequestParser } from "../../../daemon/http/request_parser.ts";
import { head } from "../../helpers/raw_connection.ts";

const encoder = new TextEncoder();

const post = head("POST /v1/topics/t/events?type=a", "content-length: 2");

/** What each of the heads is read as, all of them by one parser, and each by its own. */
function readAs(heads: readonly string[]) {
  const one = new RequestParser({ maxHead: 4096 });
  const read = (parser: RequestParser, text: string) => {
    const { head, read } = parser.readHead(encoder.encode(`${text}rest`))!;
    const { method, url, keepAlive, isHttp10, length, size } = head;
    return { method, url, keepAlive, isHttp10, length, size, read, headers: head.headers() };
  };
  return {
    one: heads.map((text) => read(one, text)),
    each: heads.map((text) => read(new RequestParser({ maxHead: 4096 }), text)),
  };
}

Deno.test("RequestParser reads a head as it is, whichever came before on its connection", () => {
  const texts = [
    post,
    post.replace("length: 2", "length: 3"),
    post.replace("length: 2", "length: 20"),
    post.replace("type=a", "type=b"),
    post.replace("POST", "PUT"),
    post.replace("HTTP/1.1", "HTTP/1.0"),
    post.replace("content-length: 2", "content-length: 2\r\nconnection: close"),
    head("GET /"),
    head("GET /", `x: ${"long".repeat(300)}`),
    `\r\n${post}`,
  ];
  const some = fc.array(fc.constantFrom(...texts), { maxLength: 12 });
  fc.assert(fc.property(some, (heads) => {
    const { one, each } = readAs(heads);
    assert.deepEqual(one, each);
  }));
});

Deno.test("RequestParser makes one object of a head that comes again, from the second time on", () => {
  const parser = new RequestParser({ maxHead: 4096 });
  const bytes = encoder.encode(post);
  const [first, second, third] = [1, 2, 3].map(() => parser.readHead(bytes)!.head);
  assert.notEqual(first, second, "most connections send one request");
  assert.equal(second, third);
});

Deno.test("RequestParser waits for the rest of a head of which the one before was the beginning", () => {
  const parser = new RequestParser({ maxHead: 4096 });
  for (const _ of [1, 2, 3]) parser.readHead(encoder.encode(post));
  const [begin, end] = [encoder.encode(post.slice(0, -1)), encoder.encode(post.slice(-1))];
  assert.equal(parser.readHead(begin), undefined);
  assert.deepEqual(parser.readHead(end)?.read, 1);
});
