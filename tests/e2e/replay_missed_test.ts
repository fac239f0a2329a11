/**
 * Who reads what is stored is told what retention deleted of it: evs replay, export and tail
 * --no-follow, NDJSON and SSE over HTTP, the streams of both brokers.
 */
import assert from "node:assert/strict";
import { connect, EventBroker, type Missed } from "../../mod.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, evsCommand, until } from "../helpers/evs.ts";

/** Topics that keep the last 10 of their events. */
async function cut(at: TestDaemon, ...topics: string[]): Promise<void> {
  for (const topic of topics) {
    const path = `/v1/topics/${topic}`;
    assert.equal((await at.http("PATCH", path, { maxEvents: 10 })).status, 200);
    await until(async () => (await at.http("GET", path)).json.events === 10);
  }
}

async function cutTopics(at: TestDaemon, ...topics: string[]): Promise<void> {
  for (const topic of topics) {
    await at.publish(topic, "n", ...Array.from({ length: 100 }, (_, i) => i + 1));
  }
  await cut(at, ...topics);
}

const LEFT = Array.from({ length: 10 }, (_, i) => 91 + i);
const seqsOf = (text: string) =>
  text.split("\n").filter(Boolean).map((line) => JSON.parse(line).seq as number);

for (const store of ["sqlite", "file", "memory"]) {
  Deno.test(`a reader is told what is gone where it begins when it asks for that: ${store}`, async () => {
    await using at = await startDaemon({ store });
    await cutTopics(at, "t");
    for (const topics of ["/v1/topics/t/events?", "/v1/events?topic=t&topic=t.*&"]) {
      for (const from of ["from=5", "after=t:4", "from=5&limit=10", "from=5&follow=1&limit=10"]) {
        const path = `${topics}${from}`;
        assert.deepEqual(seqsOf((await at.http("GET", path)).text), LEFT);

        const told = await at.http("GET", `${path}&missed=1`);
        const [notice, ...events] = told.text.trim().split("\n");
        const missed = { topic: "t", from: 5, to: 90, count: 86 };
        assert.equal(notice, `\x1e${JSON.stringify({ missed })}`, path);
        assert.deepEqual(seqsOf(events.join("\n")), LEFT);

        const sse = await at.http("GET", path, undefined, { accept: "text/event-stream" });
        const beginning = `event: missed\ndata: ${JSON.stringify(missed)}\n\nid: t:91\n`;
        assert.ok(sse.text.startsWith(beginning), sse.text);
      }
      // What is there is no gap, and the start of a topic neither.
      for (const from of ["from=start", "from=91", "from=-20", "from=@2020-01-01T00:00Z", ""]) {
        const { text } = await at.http("GET", `${topics}missed=1&${from}`);
        assert.deepEqual(seqsOf(text), LEFT, from);
      }
      const { text } = await at.http("GET", `${topics}missed=1&from=5&to=50`);
      assert.equal(text, '\x1e{"missed":{"topic":"t","from":5,"to":50,"count":46}}\n');
    }
  });
}

Deno.test("evs replay, export, expect and tail say how many events are gone when they begin at such a seq", async () => {
  await using at = await startDaemon();
  await cutTopics(at, "t");
  const missed = /^evs: missed 5\.\.90 of t \(86 events\): retention deleted them$/m;
  for (
    const argv of [
      ["replay", "t", "--from", "5"],
      ["replay", "t", "--from", "5", "--where", "payload > 0"],
      ["replay", "t", "--from", "5", "--limit", "10"],
      ["replay", "t", "--from", "5", "--speed", "1000000x"],
      ["tail", "t", "--from", "5", "--no-follow"],
      ["expect", "t", "--from", "5", "--count", "10", "--timeout", "10m"],
    ]
  ) {
    const { code, stdout, stderr } = await evs(argv, { at });
    assert.equal(code, 0, stderr);
    assert.match(stderr, missed, argv.join(" "));
    assert.deepEqual(seqsOf(stdout), LEFT);
  }
  const counted = await evs(["replay", "t", "--from", "5", "--dry-run", "--json"], { at });
  assert.match(counted.stderr, missed);
  assert.equal(JSON.parse(counted.stdout).events, 10);
  const into = await evs(["replay", "t", "--from", "5", "--into", "u"], { at });
  assert.equal(into.code, 0, into.stderr);
  assert.match(into.stderr, missed);
  assert.deepEqual((await at.replay("u")).map(({ payload }) => payload), LEFT);
  for (const argv of [["replay", "t"], ["replay", "t", "--from", "91"], ["export", "t"]]) {
    const { stdout, stderr } = await evs(argv, { at });
    assert.deepEqual([seqsOf(stdout), stderr], [LEFT, ""]);
  }
});

/** Runs it with a reader that stops after the first piece until `meanwhile` is over. */
async function withSlowReader(
  at: TestDaemon,
  argv: readonly string[],
  meanwhile: () => Promise<unknown>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = evsCommand(argv, { at });
  const child = new Deno.Command(command.program, command.options).spawn();
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let stdout = decoder.decode((await reader.read()).value, { stream: true });
  await meanwhile();
  const stderr = new Response(child.stderr).text();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    stdout += decoder.decode(value, { stream: true });
  }
  return { code: (await child.status).code, stdout, stderr: await stderr };
}

Deno.test("evs replay and export say what they missed when retention overtakes them", async () => {
  for (const argv of [["replay", "t"], ["replay", "t", "u"], ["export"]]) {
    await using at = await startDaemon();
    // More than the sockets and pipes between them hold.
    const line = "x".repeat(10_000);
    for (const topic of ["t", "u"]) {
      for (let n = 0; n < 10; n++) await at.publish(topic, "n", ...Array<string>(100).fill(line));
    }
    const { code, stdout, stderr } = await withSlowReader(at, argv, () => cut(at, "t", "u"));
    assert.equal(code, 0, stderr);
    const events = stdout.trim().split("\n").map((text) => JSON.parse(text));
    const told = [...stderr.matchAll(/missed (\d+)\.\.(\d+) of (\w) \((\d+) events\)/g)];
    assert.ok(told.some(([, , , topic]) => topic === "t"), `${argv}: ${stderr}`);
    for (const topic of argv[1] === "t" ? argv.slice(1) : ["t", "u"]) {
      const [, from, to, , count] = told.find(([, , , of]) => of === topic) ?? [];
      const expected = Array.from({ length: 1000 }, (_, i) => i + 1)
        .filter((seq) => from === undefined || seq < Number(from) || seq > Number(to));
      const seqs = events.filter((event) => event.topic === topic).map(({ seq }) => seq);
      // An export comes to a topic when the one before it is out: what is gone by then is no gap.
      if (argv[0] === "export" && topic === "u") assert.deepEqual(seqs, expected.slice(-10));
      else assert.deepEqual(seqs, expected, `${argv} ${topic} ${count}`);
    }
  }
});

Deno.test("EventStream tells what is gone when it begins at a seq, in process and behind a daemon", async () => {
  await using at = await startDaemon();
  await using local = new EventBroker();
  await using remote = await connect({ socket: at.socket });
  for (const broker of [local, remote]) {
    await broker.createTopic("t", { maxEvents: 10 });
    for (let n = 1; n < 100; n++) void broker.publish("t", "n", n);
    await broker.publish("t", "n", 100);
    if (broker === local) await local.retain();
    else await until(async () => (await at.http("GET", "/v1/topics/t")).json.events === 10);
    const told: Missed[] = [];
    const stream = broker.stream("t", { from: "5", onMissed: (missed) => told.push(missed) });
    const seqs: number[] = [];
    for await (const { seq } of stream) {
      seqs.push(seq!);
      if (seq === 100) break;
    }
    assert.deepEqual(seqs, LEFT);
    assert.deepEqual(told, [{ topic: "t", from: 5, to: 90, count: 86 }]);
  }
});
