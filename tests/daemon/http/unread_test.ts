/**
 * When a connection is read, how much of it at once, and how long it is kept when it is not: one
 * object with a connection and a clock of the test.
 */
import assert from "node:assert/strict";
import { turn } from "../../../core/base/in_turns.ts";
import { settled } from "../../helpers/fake_clock.ts";
import { answer, FakeClient } from "../../helpers/fake_connection.ts";
import { head } from "../../helpers/raw_connection.ts";

const MINUTE = 60_000;

/** Resolves when a connection has read what it reads: it yields after so many bytes. */
async function readOn(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) {
    await settled();
    await turn();
  }
}

const get = head("GET /");
const put = (body: string) => head("PUT /", `content-length: ${body.length}`) + body;

Deno.test("a connection is read on when a route has taken a body, and not before, whole or not", async () => {
  const client = new FakeClient([put("whole"), put("half").slice(0, -2), "lf", get, get]);
  await settled();
  assert.equal(client.left, 4, "the first body was not taken");
  assert.equal(client.exchanges[0]!.request.body.takeWhole(10)?.length, 5);
  await settled();
  assert.deepEqual([client.exchanges.length, client.left], [2, 3], "nor was half of the second");
  const { body } = client.exchanges[1]!.request;
  for (const piece of ["ha", "lf"]) {
    assert.equal(new TextDecoder().decode(body.take()), piece);
    await settled();
  }
  assert.deepEqual([client.exchanges.length, client.left], [4, 0]);
  client.exchanges.forEach(answer);
  await settled();
  assert.equal(client.answers.match(/200 OK/g)?.length, 4);
});

Deno.test("a connection is read on when a request was answered whose body nobody has taken", async () => {
  const client = new FakeClient([put("whole"), get]);
  await settled();
  assert.equal(client.left, 1);
  answer(client.exchanges[0]!);
  await settled();
  assert.equal(client.exchanges.length, 2);
});

Deno.test("a body is what was sent when it is taken late, whatever has been read meanwhile", async () => {
  const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
  const client = new FakeClient([put("first"), put("other")]);
  await settled();
  const { body } = client.exchanges[0]!.request;
  answer(client.exchanges[0]!);
  await settled();
  assert.equal(client.exchanges.length, 2, "the next one was read");
  assert.equal(text(body.take()), "first");
  const { body: second } = client.exchanges[1]!.request;
  assert.equal(second.peekWhole(4), undefined, "it is longer");
  assert.equal(text(second.peekWhole(5)), "other");
  const taken = second.take();
  client.socket.send(put("third"));
  await settled();
  assert.deepEqual([client.exchanges.length, text(taken)], [3, "other"]);
});

Deno.test("a connection is read on when a body was looked at and dropped", async () => {
  const client = new FakeClient([put("whole"), get]);
  await settled();
  const { body } = client.exchanges[0]!.request;
  body.peekWhole(5);
  await settled();
  assert.equal(client.exchanges.length, 1);
  body.drop();
  await settled();
  assert.deepEqual([client.exchanges.length, body.take()], [2, undefined]);
});

Deno.test("a connection that is neither read nor written to is closed after ten minutes", async () => {
  const client = new FakeClient([put("for a route that never comes to it")]);
  await settled();
  await client.clock.pass(10 * MINUTE - 1);
  assert.equal(client.isClosed, false);
  await client.clock.pass(1);
  assert.equal(client.isClosed, true);
});

Deno.test("a connection whose client takes no answers is kept, however long that is", async () => {
  const client = new FakeClient([get.repeat(64), get], { takes: false });
  await settled();
  client.exchanges.forEach(answer);
  await readOn();
  await client.clock.pass(100 * MINUTE);
  assert.deepEqual([client.exchanges.length, client.left, client.isClosed], [64, 1, false]);
});

Deno.test("a connection is not read while the heads of its requests take much memory", async () => {
  // A header of four bytes takes eight times as much.
  const large = head("GET /", "a:\r\n".repeat(900).trimEnd());
  const client = new FakeClient(Array.from({ length: 60 }, () => large));
  await readOn();
  const { length } = client.exchanges;
  assert.ok(2 < length && length < 16, `${length} are held`);
  for (let n = 0; n < client.exchanges.length; n++) {
    answer(client.exchanges[n]!);
    await turn();
    await settled();
  }
  assert.deepEqual([client.exchanges.length, client.left], [60, 0]);
  assert.equal(client.answers.match(/200 OK/g)?.length, 60);
});

Deno.test("a request of more than 1000 headers is refused in words", async () => {
  const pieces = (count: number) =>
    head("GET /", "a:\r\n".repeat(count).trimEnd()).match(/[^]{1,4096}/g)!;
  const most = new FakeClient(pieces(999)); // and the host
  await settled();
  assert.equal(most.exchanges.length, 1);
  const more = new FakeClient(pieces(1000));
  await settled();
  assert.equal(more.exchanges.length, 0);
  assert.match(more.answers, /^HTTP\/1.1 431 [^]*a request has at most 1000 headers/);
  assert.equal(more.isClosed, true);
});

Deno.test("others have their turn while a client sends requests without end", async () => {
  const client = new FakeClient(Array.from({ length: 1000 }, () => get), { answers: true });
  await turn();
  assert.ok(client.left > 500, `${1000 - client.left} requests were read in one turn`);
  while (client.left > 0) await turn();
  await settled();
  assert.equal(client.answers.match(/200 OK/g)?.length, 1000);
});

Deno.test("others have their turn while a client sends a large body", async () => {
  const piece = "x".repeat(4096);
  const upload = head("PUT /", `content-length: ${256 * piece.length}`);
  const client = new FakeClient([upload, ...Array.from({ length: 256 }, () => piece)], {
    answers: true,
  });
  await turn();
  assert.ok(client.left > 200, `${257 - client.left} pieces were read in one turn`);
  while (client.left > 0) await turn();
  await settled();
  assert.match(client.answers, /200 OK/);
});

Deno.test("a body that no route reads is not read on without end while its request has no answer", async () => {
  const upload = head("GET /", `content-length: ${1024 * 1024}`);
  const client = new FakeClient([upload, ...Array.from({ length: 256 }, () => "x".repeat(4096))]);
  await readOn();
  assert.ok(client.left > 230, `${256 - client.left} pieces of it were read`);
  answer(client.exchanges[0]!);
  await settled();
  assert.equal(client.isClosed, true, "what follows cannot be told from the body");
});

Deno.test("a connection ends when a request was answered before its client was asked for the body", async () => {
  const asking = head("GET /", "content-length: 5", "expect: 100-continue");
  const client = new FakeClient([asking]);
  await settled();
  answer(client.exchanges[0]!);
  await settled();
  assert.match(client.answers, /^HTTP\/1\.1 200 /);
  assert.equal(client.isClosed, true, "what it sends next may be the body or a request");
});
