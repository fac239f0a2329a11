/** `--cloudevents` of `evs publish`, `tail`, `replay` and `get`: what goes in comes out equal. */
import assert from "node:assert/strict";
import { startDaemon } from "../helpers/daemon.ts";
import { evs, RunningEvs, until } from "../helpers/evs.ts";

const sold = {
  specversion: "1.0",
  id: "A1",
  source: "/till",
  type: "sold",
  subject: "tea",
  time: "2026-11-29T10:00:00.123456+01:00",
  tenant: "acme",
  data: { n: 1 },
} as const;
const events = [
  sold,
  { ...sold, id: "A2", data: undefined, data_base64: "AAE=" },
  { ...sold, id: "A2", source: "/other" },
].map((event) => JSON.parse(JSON.stringify(event)));
const lines = events.map((event) => `${JSON.stringify(event)}\n`).join("");

const parsed = (text: string) => text.split("\n").filter(Boolean).map((line) => JSON.parse(line));

Deno.test("publish --cloudevents takes one event, a batch, and one event per line", async () => {
  await using at = await startDaemon();
  const file = `${at.folder}/events.json`;
  await Deno.writeTextFile(file, `\ufeff${lines}`);
  const forms: [count: number, argv: string[], stdin?: string][] = [
    [1, [JSON.stringify(sold)]],
    [1, ["-"], JSON.stringify(sold)],
    [1, [], `\n${JSON.stringify(sold, null, 2)}\n`],
    [3, [], JSON.stringify(events, null, 2)],
    [3, [JSON.stringify(events)]],
    [3, [], lines],
    [3, [`@${file}`]],
  ];
  for (const [i, [count, argv, stdin]] of forms.entries()) {
    const topic = `t${i}`;
    const options = stdin === undefined ? { at } : { at, stdin };
    const done = await evs(["publish", topic, ...argv, "--cloudevents"], options);
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(JSON.parse(done.stdout), {
      topic,
      count,
      duplicates: 0,
      firstSeq: 1,
      lastSeq: count,
      lines: count,
      refused: 0,
      durable: true,
    });
    const replay = await evs(["replay", topic, "--cloudevents"], { at });
    assert.deepEqual(parsed(replay.stdout), events.slice(0, count), replay.stderr);
  }
  const again = await evs(["publish", "t5", "--cloudevents"], { at, stdin: lines });
  assert.equal(JSON.parse(again.stdout).duplicates, 3);
});

Deno.test("tail, replay and get --cloudevents print an event for each of the topic", async () => {
  await using at = await startDaemon();
  const tail = new RunningEvs(["tail", "shop", "-n", "0", "--cloudevents"], { at });
  await until(async () => (await at.http("GET", "/v1/status")).json.tails === 1);
  await evs(["publish", "shop", "--cloudevents"], { at, stdin: lines });
  await evs(["publish", "shop", "counted", "[1]", "--id", "own", "--key", "k"], { at });
  await until(() => parsed(tail.stdout).length === 4);
  tail.child.kill("SIGINT");
  await tail.end();
  const replay = await evs(["replay", "shop", "--cloudevents"], { at });
  assert.equal(tail.stdout, replay.stdout);
  assert.deepEqual(parsed(replay.stdout).slice(0, 3), events);
  const get = await evs(["get", "shop", "own", "--cloudevents"], { at });
  const { time, ...own } = JSON.parse(get.stdout);
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 3_600_000);
  assert.deepEqual(own, {
    specversion: "1.0",
    id: "own",
    source: "/evs/topics/shop",
    type: "counted",
    subject: "k",
    datacontenttype: "application/json",
    data: [1],
  });
  // And all of it goes into another topic, and comes out the same.
  await evs(["publish", "copy", "--cloudevents"], { at, stdin: replay.stdout });
  const copy = await evs(["replay", "copy", "--cloudevents"], { at });
  assert.equal(copy.stdout, replay.stdout);
});

Deno.test("publish --cloudevents says which line and attribute is wrong, and what to type", async () => {
  await using at = await startDaemon();
  const publish = (stdin: string, ...argv: string[]) =>
    evs(["publish", "t", "--cloudevents", ...argv], { at, stdin });
  const wrong = `${JSON.stringify(sold)}\n{"specversion":"1.0","id":"2","type":"t"}\n`;
  const stopped = await publish(wrong);
  assert.equal(stopped.code, 4);
  assert.match(stopped.stderr, /line 2: source is missing/);
  assert.match(stopped.stderr, /1 event before it was stored, nothing behind it/);
  assert.match(stopped.stderr, /fix line 2, then: evs publish t --cloudevents --skip 1/);
  const skipped = await publish(wrong, "--on-error", "skip");
  assert.equal(skipped.code, 6, skipped.stderr);
  const batch = await publish(JSON.stringify([{ ...sold, id: "9" }, { ...sold, type: "" }]));
  assert.equal(batch.code, 4);
  assert.match(batch.stderr, /element 2: type is empty; nothing was stored/);
  const cut = await publish(`{\n"specversion": "1.0",\n`);
  assert.equal(cut.code, 4);
  assert.match(cut.stderr, /not valid JSON: it ends too early at line 3, column 1; nothing was/);
  const own = await evs(["replay", "t"], { at });
  const envelope = await publish(own.stdout);
  assert.match(envelope.stderr, /specversion is missing/);
  assert.match(envelope.stderr, /as evs prints it is published with --envelope/);
  assert.equal((await at.replay("t")).length, 1);
});

Deno.test("publish --cloudevents refuses flags that do not go with it", async () => {
  await using at = await startDaemon();
  const cases: [argv: string[], message: RegExp][] = [
    [["--ndjson"], /--ndjson and --cloudevents exclude each other/],
    [["--meta", "a=b"], /--meta does not go with --cloudevents/],
    [["--id", "x"], /--id does not go with --cloudevents/],
    [["--id-prefix", "x"], /--id-prefix does not go with --cloudevents/],
    [["type", "{}"], /--cloudevents takes one argument, the EVENT/],
  ];
  for (const [argv, message] of cases) {
    const { code, stderr } = await evs(["publish", "t", "--cloudevents", ...argv], { at });
    assert.equal(code, 2);
    assert.match(stderr, message);
  }
  const batch = await evs(["publish", "t", "--cloudevents", "--skip", "1"], { at, stdin: "[]" });
  assert.equal(batch.code, 2);
  assert.match(batch.stderr, /--skip goes with one event per line/);
  const both = await evs(["replay", "t", "--cloudevents", "--raw"], { at });
  assert.match(both.stderr, /--raw and --cloudevents exclude each other/);
  const into = await evs(["replay", "t", "--cloudevents", "--into", "u"], { at });
  assert.match(into.stderr, /--cloudevents does not go with --into/);
});
