/** `POST /v1/events`: events for several topics, stored all or none. */
import assert from "node:assert/strict";
import { Client } from "../../../core/client/client.ts";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";

type Body = Record<string, unknown>;

const event = (topic: string, more: Body = {}): Body => ({ topic, type: "x", payload: 1, ...more });

const ends = async (daemon: TestDaemon, ...topics: string[]) =>
  await Promise.all(topics.map(async (topic) => {
    const { status, json } = await daemon.http("GET", `/v1/topics/${topic}`);
    return status === 404 ? 0 : json.lastSeq;
  }));

async function refusal(daemon: TestDaemon, body: unknown) {
  const { status, json } = await daemon.http("POST", "/v1/events", body);
  return { status, code: json.error.code, message: json.error.message, ...json.error.details };
}

Deno.test("POST /v1/events stores events in their topics, byte for byte, and says where", async () => {
  await using daemon = await startDaemon();
  const payload = '{"big":9007199254740993,"one":1.0, "a":1,"a":2}';
  const body = `[{"topic":"a","type":"x","payload":${payload},"seq":7,"key":"k"},
    {"payload":"ü","topic":"b","type":"y","id":"own","metadata":{"m":1},"timestamp":5},
    {"topic":"a","type":"z","payload":null,"schemaVersion":"2","expected":"none"}]`;
  using client = new Client({ socket: daemon.socket });
  const reply = await client.publishAll(body);
  assert.deepEqual(
    { ...reply, events: reply.events.map(({ topic, seq }) => `${topic} ${seq}`) },
    { count: 3, duplicates: 0, durable: true, events: ["a 1", "b 1", "a 2"] },
  );
  assert.equal(reply.events[1]!.id, "own");
  const { text } = await daemon.http("GET", "/v1/topics/a/events");
  assert.ok(text.includes(`"payload":${payload}}`), text);
  const { json } = await daemon.http("GET", "/v1/topics/b/events/own");
  assert.deepEqual([json.payload, json.metadata, json.timestamp], ["ü", { m: 1 }, 5]);
  assert.deepEqual((await client.publishAll("[]")).events, []);
  const again = await daemon.http("POST", "/v1/events", [event("b", { id: "own" }), event("c")]);
  assert.deepEqual(
    [again.json.count, again.json.duplicates, again.json.events[0].duplicate],
    [1, 1, true],
  );
});

Deno.test("POST /v1/events stores nothing when one element is refused, and names it", async () => {
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/schemas/checked", { type: "string" });
  const refused: [unknown, number, string][] = [
    [{ type: "x", payload: 1 }, 422, "event/invalid-envelope"],
    [1, 422, "event/invalid-envelope"],
    [event("b", { topic: 1 }), 422, "event/invalid-envelope"],
    [event("b", { colour: 1 }), 422, "event/invalid-envelope"],
    [{ topic: "b", type: "x" }, 422, "event/invalid-envelope"],
    [event("..", {}), 400, "topic/invalid-name"],
    [event("b", { type: "checked" }), 422, "event/schema-violation"],
    [event("b", { payload: "x".repeat(1024 * 1024) }), 413, "event/too-large"],
    [event("b", { expected: "nonne" }), 400, "argument/invalid"],
    [event("b", { expected: -1 }), 400, "argument/invalid"],
    [event("b", { expected: { key: 1 } }), 422, "event/invalid-envelope"],
    [event("b", { expected: "exists" }), 409, "event/conflict"],
  ];
  for (const [element, status, code] of refused) {
    const told = await refusal(daemon, [event("a"), element, event("c")]);
    assert.deepEqual([told.status, told.code, told.element], [status, code, 2], told.message);
    assert.match(told.message, /^element 2: .*; nothing was stored$/);
  }
  const twice = await refusal(daemon, '[{"topic":"a","type":"x","payload":1,"topic":"b"}]');
  assert.match(twice.message, /"topic" is there twice/);
  assert.deepEqual(await ends(daemon, "a", "b", "c"), [0, 0, 0]);
});

Deno.test("POST /v1/events says what is wrong when the body is no array of events", async () => {
  await using daemon = await startDaemon();
  const codes = async (body: unknown) => {
    const { status, code } = await refusal(daemon, body);
    return [status, code];
  };
  assert.deepEqual(await codes(event("a")), [422, "event/invalid-envelope"]);
  assert.deepEqual(await codes("[{]"), [422, "event/invalid-json"]);
  assert.deepEqual(await codes(new Uint8Array([0x5b, 0xff, 0x5d])), [422, "event/invalid-utf8"]);
  const many = Array.from({ length: 10_001 }, () => event("a"));
  const told = await refusal(daemon, many);
  assert.deepEqual([told.code, told.element], ["argument/too-large", 10_001]);
  const large = Array.from({ length: 20 }, () => event("a", { payload: "x".repeat(900_000) }));
  assert.deepEqual(await codes(large), [413, "event/too-large"]);
  assert.deepEqual(await ends(daemon, "a"), [0]);
});

Deno.test("POST /v1/events refuses topics that no store keeps together", async () => {
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/topics/files", { store: "file" });
  await daemon.http("PUT", "/v1/topics/more.files", { store: "file", durability: "os" });
  await daemon.http("PUT", "/v1/topics/passing", { persistent: false });
  for (
    const [topics, why] of [
      [["files", "new"], /^files is in the file store and new in the sqlite store: /],
      [["files", "passing"], /^passing stores nothing: /],
    ] as const
  ) {
    const told = await refusal(daemon, topics.map((topic) => event(topic)));
    assert.deepEqual([told.status, told.code], [501, "store/not-atomic"]);
    assert.match(told.message, why);
  }
  assert.deepEqual(await ends(daemon, "files", "new", "passing"), [0, 0, 0]);
  const { json } = await daemon.http("POST", "/v1/events", [event("files"), event("more.files")]);
  assert.deepEqual([json.count, json.durable], [2, false]);
  await daemon.kill();
  await daemon.start();
  assert.deepEqual(await ends(daemon, "files", "more.files"), [1, 1]);
});
