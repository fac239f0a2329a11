/** Heartbeats of responses that stay open: when nothing else was sent, and then only. */
import assert from "node:assert/strict";
import { Heartbeat } from "../../../daemon/http/heartbeat.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { head, RawConnection } from "../../helpers/raw_connection.ts";

function beating() {
  const clock = new FakeClock();
  const sent: number[] = [];
  let room = Promise.resolve();
  let isBusy = false;
  const beat = new Heartbeat({
    clock,
    everyMs: 1000,
    send() {
      sent.push(clock.monotonic());
      return room;
    },
    isBusy: () => isBusy,
  });
  const full = (until: Promise<void>) => room = until;
  return { clock, beat, sent, full, busy: (value: boolean) => isBusy = value };
}

Deno.test("Heartbeat sends one whenever nothing was sent for its interval while it waits", async () => {
  const { clock, beat, sent } = beating();
  // Something else is being sent, or its reader is slow.
  await clock.pass(5000);
  assert.deepEqual(sent, []);
  const work = Promise.withResolvers<string>();
  const waiting = beat.during(work.promise);
  await clock.pass(2000);
  assert.deepEqual(sent, [6000, 7000]);
  await clock.pass(500);
  work.resolve("bytes");
  assert.equal(await waiting, "bytes");
  void beat.during(new Promise(() => {}));
  await clock.pass(999);
  assert.deepEqual(sent, [6000, 7000], "what was sent counts");
  await clock.pass(1);
  assert.deepEqual(sent, [6000, 7000, 8500]);
  beat.close();
  await clock.pass(5000);
  assert.equal(sent.length, 3);
  assert.equal(clock.timers, 0);
});

Deno.test("Heartbeat sends no other one while its client does not read", async () => {
  const { clock, beat, sent, full } = beating();
  const drained = Promise.withResolvers<void>();
  full(drained.promise);
  void beat.during(new Promise(() => {}));
  await clock.pass(9000);
  assert.equal(sent.length, 1);
  drained.resolve();
  await clock.pass(0);
  await clock.pass(1000);
  assert.equal(sent.length, 2);
  beat.close();
});

Deno.test("Heartbeat does not come in between while something passes by what it waits for", async () => {
  const { clock, beat, sent, busy } = beating();
  void beat.during(new Promise(() => {}));
  await clock.pass(500);
  beat.sent();
  busy(true);
  await clock.pass(5000);
  assert.deepEqual(sent, []);
  busy(false);
  await clock.pass(1000);
  assert.equal(sent.length, 1);
  beat.close();
});

Deno.test("Heartbeat is sent between the steps of a long search when it is due", async () => {
  const { clock, beat, sent } = beating();
  await beat.ifDue();
  assert.deepEqual(sent, []);
  clock.stand(1000);
  await beat.ifDue();
  await beat.ifDue();
  assert.deepEqual(sent, [1000]);
  beat.close();
});

for (
  const [form, accept, mark] of [
    ["an empty line", "", /\r\n1\r\n\n\r\n1\r\n\n\r\n/],
    ["a comment", "accept: text/event-stream\r\n", /\r\n3\r\n:\n\n\r\n3\r\n:\n\n\r\n/],
  ] as const
) {
  Deno.test(`a follower gets ${form} as a heartbeat, and events as before`, async () => {
    await using at = await startDaemon();
    await at.publish("t", "x", 1);
    const connection = await RawConnection.open(at.socket);
    const request = head("GET /v1/topics/t/events?follow=1&heartbeat=100ms");
    await connection.send(request.replace(/\r\n\r\n$/, `\r\n${accept}\r\n`));
    await connection.until(mark);
    await at.publish("t", "x", 2);
    const text = await connection.until(/"payload":2\}/);
    assert.doesNotMatch(text, /"payload":1\}/);
    connection.close();
  });
}

Deno.test("a heartbeat that is no duration, or too short, is refused", async () => {
  await using at = await startDaemon();
  await at.publish("t", "x", 1);
  for (const heartbeat of ["0s", "99ms", "1", "often"]) {
    const answer = await at.http("GET", `/v1/topics/t/events?heartbeat=${heartbeat}`);
    assert.equal(answer.status, 400, answer.text);
  }
  // A replay that ends at once needs none.
  assert.equal((await at.http("GET", "/v1/topics/t/events?heartbeat=1s")).status, 200);
});
