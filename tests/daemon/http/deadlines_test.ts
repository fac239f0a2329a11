/**
 * Contract row 18, by a clock of the test: when exactly a connection gives up on a head, a body or
 * a next request, and what counts as a sign of life.
 */
import assert from "node:assert/strict";
import { ConnectionGoneError } from "../../../daemon/http/connection.ts";
import { settled } from "../../helpers/fake_clock.ts";
import { answer, FakeClient, serving } from "../../helpers/fake_connection.ts";
import { head } from "../../helpers/raw_connection.ts";

const upload = head("PUT /", "content-length: 100");

Deno.test("a connection is told that the headers did not come when five seconds have passed, and not before", async () => {
  for (const sent of ["", "GET /", "GET / HTTP/1.1\r\nhost: evs\r\n"]) {
    const client = new FakeClient(sent === "" ? [] : [sent]);
    await settled();
    await client.clock.pass(4999);
    assert.deepEqual([client.answers, client.isClosed], ["", false], sent);
    await client.clock.pass(1);
    assert.match(client.answers, /^HTTP\/1\.1 408 [^]*the headers did not come in time/, sent);
    assert.equal(client.isClosed, true, sent);
  }
});

Deno.test("a head has five seconds from its first byte when its bytes come one by one", async () => {
  const client = new FakeClient([]);
  for (let second = 0; second < 4; second++) {
    client.socket.send("GET /"[second]!);
    await client.clock.pass(1000);
  }
  assert.equal(client.isClosed, false);
  client.socket.send("a");
  await client.clock.pass(1000);
  assert.match(client.answers, /^HTTP\/1\.1 408 /);
});

Deno.test("a body is given up when ten seconds have passed without a byte of it", async () => {
  const client = new FakeClient([`${upload}a`]);
  await settled();
  const { body } = client.exchanges[0]!.request;
  for (let n = 0; n < 5; n++) {
    body.take();
    await settled();
    await client.clock.pass(9999);
    assert.equal(client.isClosed, false);
    client.socket.send("b");
    await settled();
  }
  body.take();
  await settled();
  await client.clock.pass(10_000);
  assert.equal(client.isClosed, true);
  assert.equal(client.answers, "");
  await assert.rejects(body.arrival(), ConnectionGoneError, "a cut body never looks like a whole");
});

Deno.test("an idle connection is kept for ten minutes from its last answer", async () => {
  const client = new FakeClient([head("GET /")]);
  await settled();
  await client.clock.pass(60 * 60_000);
  assert.equal(client.isClosed, false, "a route may take its time");
  answer(client.exchanges[0]!);
  await settled();
  await client.clock.pass(10 * 60_000 - 1);
  assert.equal(client.isClosed, false);
  await client.clock.pass(1);
  assert.equal(client.isClosed, true);
});

Deno.test("Connections give up on each connection at its own deadline, whichever came first", async () => {
  const { clock, connect } = serving();
  const first = await connect("GET /");
  await clock.pass(2000);
  const second = await connect(`${upload}a`);
  await clock.pass(1000);
  const third = await connect("GET /");
  await clock.pass(2000);
  assert.deepEqual([first, second, third].map(({ isClosed }) => isClosed), [true, false, false]);
  await clock.pass(3000);
  assert.deepEqual([second, third].map(({ isClosed }) => isClosed), [false, true]);
});
