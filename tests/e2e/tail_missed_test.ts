/**
 * Followers of a topic are notified of events that retention deleted first: evs tail, NDJSON and
 * SSE over HTTP, both brokers' streams.
 */
import { defined } from "../../core/base/defined.ts";
import assert from "node:assert/strict";
import { EventStream, type StreamSource } from "../../core/broker/event_stream.ts";
import { connect, EventBroker, type Missed } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { RunningEvs, until } from "../helpers/evs.ts";

/** A topic that kept the last 10 of 100 events. */
async function cutTopic(at: TestDaemon): Promise<void> {
  await at.http("PUT", "/v1/topics/t", { maxEvents: 10 });
  await at.publish("t", "n", ...Array.from({ length: 100 }, (_, i) => i + 1));
  await until(async () => (await at.http("GET", "/v1/topics/t")).json.events === 10);
}

/** What an answer begins with, up to a pattern. */
async function beginning(
  at: TestDaemon,
  { path, accept, to }: { path: string; accept?: string; to: RegExp },
): Promise<string> {
  const client = Deno.createHttpClient({ proxy: { transport: "unix", path: at.socket } });
  const abort = new AbortController();
  try {
    const answer = await fetch(`http://localhost${path}`, {
      client,
      signal: abort.signal,
      headers: defined({ accept }),
    });
    const decoder = new TextDecoder();
    let text = "";
    for await (const piece of answer.body!) {
      text += decoder.decode(piece, { stream: true });
      if (to.test(text)) break;
    }
    return text;
  } finally {
    abort.abort();
    client.close();
  }
}

const MISSED = { topic: "t", from: 6, to: 90, count: 85 };

for (const store of ["sqlite", "file", "memory"]) {
  Deno.test(`a follower is told what it missed when it asks for that, and its events stay JSON: ${store}`, async () => {
    await using at = await startDaemon({ store });
    await cutTopic(at);
    for (const topics of ["/v1/topics/t/events?", "/v1/events?topic=t&topic=other&"]) {
      const path = `${topics}follow=1&after=t:5`;
      const plain = await beginning(at, { path, to: /"payload":100[^]*\n/ });
      const seqs = plain.trim().split("\n").map((line) => JSON.parse(line).seq);
      assert.deepEqual(seqs, Array.from({ length: 10 }, (_, i) => 91 + i));

      const told = await beginning(at, { path: `${path}&missed=1`, to: /"payload":100[^]*\n/ });
      const [notice, ...events] = told.trim().split("\n");
      assert.equal(notice![0], "\x1e");
      assert.deepEqual(JSON.parse(notice!.slice(1)), { missed: MISSED });
      assert.equal(`${events.join("\n")}\n`, plain);

      const accept = "text/event-stream";
      const sse = await beginning(at, { path, accept, to: /"payload":100[^]*\n\n/ });
      assert.ok(
        sse.startsWith(`event: missed\ndata: ${JSON.stringify(MISSED)}\n\nid: t:91\n`),
        sse,
      );
    }
    // What is there is no gap, and the start of a topic neither.
    const whole = await beginning(at, {
      path: "/v1/topics/t/events?follow=1&missed=1&from=start",
      to: /"payload":100[^]*\n/,
    });
    assert.doesNotMatch(whole, /missed/);
  });
}

Deno.test("evs tail says what it missed when retention overtakes it", async () => {
  await using at = await startDaemon();
  await at.http("PUT", "/v1/topics/t", { maxEvents: 10 });
  await at.publish("t", "n", "first");
  const tail = new RunningEvs(["tail", "t"], { at });
  await until(() => tail.stdout.includes("first"));
  tail.child.kill("SIGSTOP");
  // More than the sockets between them hold.
  const line = "x".repeat(10_000);
  for (let n = 0; n < 10; n++) await at.publish("t", "n", ...Array<string>(100).fill(line));
  await until(async () => (await at.http("GET", "/v1/topics/t")).json.events === 10);
  tail.child.kill("SIGCONT");
  await tail.said(/missed \d+\.\.\d+ of t \(\d+ events\): retention deleted them/);
  const [, from, to, count] = /missed (\d+)\.\.(\d+) of t \((\d+) events\)/.exec(tail.stderr)!
    .map(Number);
  assert.equal(count, to! - from! + 1);
  await until(() => tail.stdout.endsWith("\n") && tail.stdout.includes('"seq":1001,'));
  tail.child.kill("SIGTERM");
  await tail.end();
  const seqs = tail.stdout.trim().split("\n").map((text) => JSON.parse(text).seq as number);
  const expected = Array.from({ length: 1001 }, (_, i) => i + 1)
    .filter((seq) => seq < from! || seq > to!);
  assert.deepEqual(seqs, expected, "all others came, and nothing else");
});

Deno.test("EventStream tells what it missed when retention overtakes the loop, in process and behind a daemon", async () => {
  await using at = await startDaemon();
  await using local = new EventBroker();
  await using remote = await connect({ socket: at.socket });
  for (const broker of [local, remote]) {
    await broker.createTopic("t", { maxEvents: 10 });
    const told: Missed[] = [];
    const stream = broker.stream("t", { onMissed: (missed) => told.push(missed) });
    await stream.ready;
    await broker.publish("t", "n", "first");
    assert.equal((await stream.next()).value?.seq, 1);
    // More than the sockets between the two hold.
    const line = "x".repeat(10_000);
    for (let n = 2; n <= 1001; n++) void broker.publish("t", "n", line);
    await broker.publish("t", "n", "last");
    if (broker === local) await local.retain();
    else await until(async () => (await at.http("GET", "/v1/topics/t")).json.events === 10);
    const seqs: number[] = [];
    while (seqs.at(-1) !== 1002) seqs.push((await stream.next()).value!.seq!);
    assert.equal(told.length, 1);
    const [{ topic, from, to, count }] = told as [Missed];
    assert.deepEqual([topic, to, count], ["t", 992, 992 - from + 1]);
    assert.equal(stream.missed, count);
    const expected = Array.from({ length: 1001 }, (_, i) => i + 2)
      .filter((seq) => seq < from || seq > to);
    assert.deepEqual(seqs, expected);
    await stream.return();
  }
});

Deno.test("EventStream ends with an error when it missed something and its overflow is fail", async () => {
  const source: StreamSource = {
    opened: Promise.resolve(),
    dropped: 0,
    pull() {
      this.onMissed!({ topic: "t", from: 6, to: 91, count: 86 });
      return Promise.resolve([]);
    },
    close() {},
  };
  const failing = new EventStream(source, { overflow: "fail" });
  await assert.rejects(() => failing.next(), {
    code: "stream/overflow",
    message: "missed 6..91 of t (86 events): retention deleted them",
  });
  // What its listener throws ends it, too: nobody else would be told.
  const throwing = new EventStream(source, {
    onMissed() {
      throw new Error("enough");
    },
  });
  await assert.rejects(() => throwing.next(), /enough/);
});
