/**
 * Contract rows 17 and 19, by a clock of the test: what becomes of each connection while the daemon
 * stops, and of one too many. tests/system/drain_test.ts does the same to a daemon under load.
 */
import assert from "node:assert/strict";
import { settled } from "../../helpers/fake_clock.ts";
import { answer, serving } from "../../helpers/fake_connection.ts";
import { head } from "../../helpers/raw_connection.ts";

const get = head("GET /");
/** What a connection ends with. */
const LAST_REPLY = /HTTP\/1\.1 507 [^]*connection: close\r\n[^]*"code":"daemon\/stopping"[^]*\n$/;

Deno.test("Connections end each idle connection with a reply when the daemon stops, a moment later", async () => {
  const { clock, exchanges, connections, connect } = serving();
  const unused = await connect();
  const used = await connect(get);
  answer(exchanges[0]!);
  await settled();
  const drained = connections.drain(new AbortController().signal);
  await clock.pass(99);
  assert.deepEqual([unused.answers, used.isClosed], ["", false], "a request may be on its way");
  await clock.pass(1);
  for (const socket of [unused, used]) {
    assert.match(socket.answers, LAST_REPLY);
    assert.equal(socket.isClosed, true);
  }
  await drained;
});

Deno.test("Connections wait for what is in flight when the daemon stops, and forget no answer", async () => {
  const { clock, exchanges, connections, connect } = serving();
  const busy = await connect(get + get);
  let isDrained = false;
  const drained = connections.drain(new AbortController().signal).then(() => isDrained = true);
  await clock.pass(60_000);
  assert.deepEqual([busy.answers, busy.isClosed, isDrained], ["", false, false]);
  answer(exchanges[1]!);
  await clock.pass(60_000);
  assert.equal(busy.answers, "", "the first answer comes first");
  answer(exchanges[0]!);
  await settled();
  await clock.pass(100);
  assert.equal(busy.answers.match(/^HTTP\/1\.1 200 /gm)?.length, 2);
  assert.match(busy.answers, LAST_REPLY);
  await drained;
  assert.equal(busy.isClosed, true);
});

Deno.test("Connections give a body one second to end when the daemon stops", async () => {
  const { clock, exchanges, connections, connect } = serving();
  await connect(head("PUT /", "content-length: 9") + "half");
  const { body } = exchanges[0]!.request;
  assert.equal(body.take()?.length, 4);
  const failures: { code?: string }[] = [];
  body.arrival().catch((error) => failures.push(error));
  void connections.drain(new AbortController().signal);
  await clock.pass(999);
  assert.deepEqual(failures, []);
  await clock.pass(1);
  assert.deepEqual(failures.map(({ code }) => code), ["daemon/stopping"]);
});

Deno.test("Connections cut what is left at the deadline, and accept nobody silently while they drain", async () => {
  const { clock, connections, connect } = serving();
  const stuck = await connect(get);
  const deadline = new AbortController();
  const drained = connections.drain(deadline.signal);
  const late = await connect();
  await clock.pass(100);
  assert.match(late.answers, LAST_REPLY);
  assert.equal(stuck.isClosed, false);
  deadline.abort();
  await drained;
  assert.deepEqual([stuck.isClosed, connections.size], [true, 0]);
});

Deno.test("Connections admit as many as the limit says, tell one more that they are busy, and admit again", async () => {
  const { exchanges, counts, connections, connect } = serving({ limit: 2 });
  const first = await connect(head("GET /", "connection: close"));
  await connect();
  assert.deepEqual([connections.size, counts.refused], [2, 0]);
  const third = await connect(get);
  assert.match(third.answers, /^HTTP\/1\.1 503 [^]*connection: close\r\n[^]*"code":"daemon\/busy"/);
  assert.deepEqual([third.isClosed, connections.size, counts.refused], [true, 2, 1]);
  answer(exchanges[0]!);
  await settled();
  assert.deepEqual([first.isClosed, connections.size], [true, 1]);
  await connect(get);
  assert.deepEqual([exchanges.length, counts.refused], [2, 1]);
});

Deno.test("Connections cut what is left when the deadline has passed before they are asked to drain", async () => {
  const { connections, connect } = serving();
  const stuck = await connect(get);
  // As after a standstill: the deadline came while the last ones were accepted.
  await connections.drain(AbortSignal.abort());
  assert.deepEqual([stuck.isClosed, connections.size], [true, 0]);
});
