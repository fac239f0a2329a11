/** `evs publish --atomic`: events for several topics from standard input, all stored or none. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { evs, type EvsResult } from "../helpers/evs.ts";

async function atomic(
  at: TestDaemon,
  stdin: string,
  env: Record<string, string> = {},
): Promise<EvsResult> {
  return await evs(["publish", "--atomic"], { at, stdin, env });
}

/** Lines of JSON, as scripts make them. */
function linesOf(...events: unknown[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join("");
}

async function topics(at: TestDaemon): Promise<Record<string, number>> {
  const { json } = await at.http("GET", "/v1/topics");
  return Object.fromEntries(
    json.topics.map(({ name, events }: { name: string; events: number }) => [name, events]),
  );
}

const transfer = [
  { topic: "accounts", type: "withdrawn", key: "a", payload: { amount: 7 }, expected: "none" },
  { topic: "accounts", type: "deposited", key: "b", payload: { amount: 7 }, expected: "none" },
  { topic: "audit", type: "transfer", id: "t-1", payload: 1.0, metadata: { by: "ada" } },
];

Deno.test("publish --atomic stores events of several topics, and says where each is", async () => {
  await using at = await startDaemon();
  const done = await atomic(at, linesOf(...transfer));
  assert.equal(done.code, 0, done.stderr);
  const { events, ...rest } = JSON.parse(done.stdout);
  assert.deepEqual(rest, { count: 3, duplicates: 0, durable: true });
  assert.deepEqual(
    events.map(({ topic, seq }: { topic: string; seq: number }) => [topic, seq]),
    [["accounts", 1], ["accounts", 2], ["audit", 1]],
  );
  const [audited] = await at.replay("audit");
  assert.deepEqual([audited.id, audited.metadata], ["t-1", { by: "ada" }]);

  // What tail and replay print is such a line; as an array it is the same.
  const printed = await evs(["replay", "audit"], { at });
  for (const stdin of [printed.stdout, `[${printed.stdout}]`]) {
    const again = JSON.parse((await atomic(at, stdin)).stdout);
    assert.deepEqual([again.count, again.duplicates], [0, 1]);
  }
  const nothing = await atomic(at, "\n");
  assert.equal(JSON.parse(nothing.stdout).count, 0, nothing.stderr);
});

Deno.test("publish --atomic stores nothing when an expectation fails, and names its line", async () => {
  await using at = await startDaemon();
  assert.equal((await atomic(at, linesOf(...transfer))).code, 0);
  const [withdrawn, deposited, audited] = transfer;
  const stdin = linesOf({ ...withdrawn, expected: 1 }, { ...audited, id: "t-2" }) + "\n" +
    linesOf({ ...deposited, expected: 1 });
  const refused = await atomic(at, stdin);
  assert.equal(refused.code, 3, refused.stderr);
  assert.match(refused.stderr, /^evs: line 4: .*; nothing was stored/);
  assert.deepEqual(await topics(at), { accounts: 2, audit: 1 });
  const both = { ...withdrawn, expected: { topic: 2, key: 1 } };
  assert.equal((await atomic(at, linesOf(both))).code, 0);
  assert.deepEqual(await topics(at), { accounts: 3, audit: 1 });
});

Deno.test("publish --atomic stores nothing when a line is bad, and names it", async () => {
  await using at = await startDaemon();
  const [good] = transfer;
  const faults: [string, RegExp, number][] = [
    ["{", /^evs: line 2: not valid JSON: .*; nothing was stored/, 4],
    [
      `{"topic":"a","type":"x","payload":1},{"topic":"b","type":"x","payload":1}`,
      /^evs: line 2/,
      4,
    ],
    ["7", /^evs: line 2: an event is a JSON object with a topic/, 4],
    [`{"type":"x","payload":1}`, /^evs: line 2: the event has no topic; nothing was stored/, 4],
    [`{"topic":"a","payload":1}`, /^evs: line 2: .*type.*; nothing was stored/, 4],
    [`{"topic":"a b","type":"x","payload":1}`, /^evs: line 2: /, 2],
    [`{"topic":"a","type":"x","payload":1,"delay":1}`, /^evs: line 2: /, 4],
    [`{"topic":"a","type":"x","payload":1,"schedule":{"delayMs":1}}`, /^evs: line 2: /, 4],
  ];
  for (const [line, wanted, code] of faults) {
    const refused = await atomic(at, `${JSON.stringify(good)}\n${line}\n`);
    assert.match(refused.stderr, wanted, line);
    assert.equal(refused.code, code, refused.stderr);
  }
  const array = await atomic(at, JSON.stringify([good, 7]));
  assert.equal(array.code, 4);
  assert.match(array.stderr, /^evs: element 2: .*; nothing was stored/);
  assert.deepEqual(await topics(at), {});
});

Deno.test("publish --atomic refuses topics of different stores, other flags and a topic", async () => {
  await using at = await startDaemon();
  await evs(["topic", "create", "audit", "--store", "file"], { at });
  const apart = await atomic(at, linesOf(...transfer));
  assert.equal(apart.code, 2, apart.stderr);
  assert.match(apart.stderr, /store/);
  for (const more of [["orders"], ["--key", "k"], ["--ndjson"], ["--on-error", "skip"]]) {
    const { code, stderr } = await evs(["publish", "--atomic", ...more], { at, stdin: "" });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /does not go with --atomic: each event names its own/);
  }
  const common = ["--json", "--verbose", "--color", "never", "--wait", "5s", "--socket", at.socket];
  const event = linesOf({ topic: "t", type: "x", payload: 1 });
  const taken = await evs(["publish", "--atomic", ...common], { at, stdin: event });
  assert.equal(taken.code, 0, taken.stderr);
  assert.equal(JSON.parse(taken.stdout).count, 1);
  const without = await evs(["publish"], { at });
  assert.deepEqual([without.code, without.stderr], [
    2,
    "evs: TOPIC is missing\n  try: evs publish --help\n",
  ]);
});

Deno.test("publish --atomic names the event that a handler handles as the cause, byte for byte beside it", async () => {
  await using at = await startDaemon();
  const env = { EVS_SUBSCRIPTION: "s", EVS_ID: "cause-1", EVS_CORRELATION_ID: "c-1" };
  const stdin = `{ "topic":"t", "type":"x", "payload":{"n": 1.0} }\n` +
    linesOf({ topic: "t", type: "x", payload: 2, metadata: { by: "ada" } });
  assert.equal((await atomic(at, stdin, env)).code, 0);
  assert.equal((await atomic(at, `[${stdin.split("\n")[0]}]`, env)).code, 0);
  const { text } = await at.http("GET", "/v1/topics/t/events");
  assert.match(text, /"payload":\{"n": 1\.0\}\}/);
  const cause = { causationId: "cause-1", correlationId: "c-1" };
  assert.deepEqual(
    (await at.replay("t")).map(({ metadata }) => metadata),
    [cause, { by: "ada" }, cause],
  );
});
