/** CloudEvents over HTTP: structured, batch, by lines and binary; read as lines and as a batch. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import type { CloudEvent } from "../../../core/event/cloud_event.ts";
import { anyCloudEvent } from "../../helpers/any_cloud_event.ts";
import { type Answer, startDaemon, type TestDaemon } from "../../helpers/daemon.ts";
import { dose } from "../../helpers/dose.ts";
import { faultsOf, openapi } from "../../helpers/openapi.ts";

const STRUCTURED = "application/cloudevents+json";
const BATCH = "application/cloudevents-batch+json";
const LINES = "application/cloudevents+ndjson";
const minimal = { specversion: "1.0", id: "1", source: "/a", type: "t" } as const;
const binary = {
  "ce-specversion": "1.0",
  "ce-id": "b1",
  "ce-source": "/a",
  "ce-type": "t",
} as const;

interface Sent {
  topic?: string;
  query?: string;
  headers?: Record<string, string>;
}

async function send(
  daemon: TestDaemon,
  body: unknown,
  { topic = "orders", query = "", headers = { "content-type": STRUCTURED } }: Sent = {},
): Promise<Answer> {
  const text = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  return await daemon.http("POST", `/v1/topics/${topic}/events${query}`, text, headers);
}

async function read(daemon: TestDaemon, path: string, accept: string): Promise<Answer> {
  const answer = await daemon.http("GET", path, undefined, { accept });
  assert.equal(answer.status, 200, answer.text);
  const route = path.includes("topic=") ? "/v1/events" : "/v1/topics/{topic}/events";
  const { responses } = openapi.paths[/events\/./.test(path) ? `${route}/{event}` : route].get;
  assert.equal(faultsOf(responses["200"], answer), undefined);
  return answer;
}

async function cloudEvents(daemon: TestDaemon, topic = "orders"): Promise<CloudEvent[]> {
  const { text } = await read(daemon, `/v1/topics/${topic}/events`, STRUCTURED);
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

Deno.test("the routes of events take and give any CloudEvent as it is", async () => {
  await using daemon = await startDaemon();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anyCloudEvent(), { selector: ({ id }) => id, minLength: 1, maxLength: 5 }),
      async (events) => {
        const topic = `t${runs++}`;
        const [first, ...others] = events;
        const answers = [
          await send(daemon, first, { topic }),
          await send(daemon, others, { topic, headers: { "content-type": BATCH } }),
          await send(daemon, events.map((event) => JSON.stringify(event)).join("\n"), {
            topic: `${topic}.lines`,
            headers: { "content-type": LINES },
          }),
        ];
        for (const { status, text } of answers) assert.equal(status, 200, text);
        assert.deepEqual(await cloudEvents(daemon, topic), events);
        assert.deepEqual(await cloudEvents(daemon, `${topic}.lines`), events);
        const batch = await read(daemon, `/v1/events?topic=${topic}`, BATCH);
        assert.deepEqual(JSON.parse(batch.text), events);
        const one = await read(daemon, `/v1/topics/${topic}/events/1`, STRUCTURED);
        assert.equal(one.headers.get("content-type"), STRUCTURED);
        assert.deepEqual(JSON.parse(one.text), first);
      },
    ),
    { numRuns: dose(20) },
  );
});

Deno.test("publish keeps the id, type, key and time of a CloudEvent, and its data's bytes", async () => {
  await using daemon = await startDaemon();
  const text = '{"data":{"n":9007199254740993,"d":1.0},"id":"A1","source":"/a","type":"t.made",' +
    '"time":"2026-11-29T10:00:00+01:00","subject":"o1","specversion":"1.0"}';
  assert.equal((await send(daemon, text)).status, 200);
  const again = await send(daemon, text);
  assert.deepEqual([again.json.count, again.json.duplicates], [0, 1]);
  const wire = await daemon.http("GET", "/v1/topics/orders/events/A1");
  const { id, type, key, timestamp, metadata } = wire.json;
  assert.deepEqual([id, type, key], ["A1", "t.made", "o1"]);
  assert.equal(timestamp, Date.parse("2026-11-29T09:00:00Z"));
  assert.equal(metadata.cloudevent.source, "/a");
  assert.ok(wire.text.includes('"payload":{"n":9007199254740993,"d":1.0}}'), wire.text);
  const one = await read(daemon, "/v1/topics/orders/events/A1", STRUCTURED);
  assert.ok(one.text.endsWith('"data":{"n":9007199254740993,"d":1.0}}\n'), one.text);
});

Deno.test("publish takes binary mode: headers as attributes, the body as it is", async () => {
  await using daemon = await startDaemon();
  const cases: [type: string | undefined, body: string | Uint8Array, data: object][] = [
    ["application/json", '{"n":1.0}', { data: { n: 1 } }],
    ["application/vnd.x+json; charset=UTF-8", "[1]", { data: [1] }],
    ["text/plain", "h\u00e9\n", { data: "h\u00e9\n" }],
    ["text/plain; charset=iso-8859-1", Uint8Array.of(0xe9), { data_base64: "6Q==" }],
    ["application/xml", "<a/>", { data: "<a/>" }],
    ["text/plain", Uint8Array.of(0xff), { data_base64: "/w==" }],
    ["application/octet-stream", "abc", { data_base64: "YWJj" }],
    ["application/json", "", {}],
  ];
  for (const [i, [type, body, data]] of cases.entries()) {
    const headers = {
      ...binary,
      "ce-id": `b${i}`,
      "ce-subject": "Gr%C3%B6%C3%9Fe%20%25",
      "ce-source": "/a%20b",
      "ce-time": "2026-11-29T10:00:00Z",
      "ce-tenant": '"a \\" b"',
      ...(type === undefined ? {} : { "content-type": type }),
    };
    const { status, text } = await send(daemon, body, { headers });
    assert.equal(status, 200, text);
    assert.deepEqual((await cloudEvents(daemon)).at(-1), {
      specversion: "1.0",
      id: `b${i}`,
      source: "/a%20b",
      type: "t",
      subject: "Gr\u00f6\u00dfe %",
      time: "2026-11-29T10:00:00Z",
      datacontenttype: type,
      tenant: 'a " b',
      ...data,
    });
  }
});

Deno.test("publish names what is wrong with a CloudEvent, and stores nothing", async () => {
  await using daemon = await startDaemon();
  const batch = { "content-type": BATCH };
  const wrong: [body: unknown, sent: Sent, status: number, code: string, message: RegExp][] = [
    [{ ...minimal, source: undefined }, {}, 422, "event/invalid-cloudevent", /^source is missing/],
    ["{", {}, 422, "event/invalid-json", /not valid JSON/],
    [[minimal], {}, 422, "event/invalid-cloudevent", /^a CloudEvent is a JSON object/],
    [minimal, { headers: batch }, 422, "event/invalid-cloudevent", /^a batch is a JSON array/],
    [
      [minimal, { ...minimal, id: 5 }],
      { headers: batch },
      422,
      "event/invalid-cloudevent",
      /^element 2: id is not a string; nothing was stored$/,
    ],
    [
      "1",
      { headers: { "ce-id": "1" } },
      422,
      "event/invalid-cloudevent",
      /^specversion is missing/,
    ],
    [
      "{",
      { headers: { ...binary, "content-type": "application/json" } },
      422,
      "event/invalid-json",
      /not valid JSON/,
    ],
    [
      "1",
      { headers: { ...binary, "ce-my-name": "x" } },
      422,
      "event/invalid-cloudevent",
      /^"my-name" is no name of an attribute/,
    ],
    [
      "1",
      { headers: { ...binary, "ce-subject": "%ff" } },
      422,
      "event/invalid-cloudevent",
      /^subject has percent escapes that are not UTF-8$/,
    ],
    [
      "1",
      { headers: { ...binary, "ce-datacontenttype": "text/plain" } },
      422,
      "event/invalid-cloudevent",
      /^datacontenttype is the header content-type/,
    ],
    [
      "<a/>",
      { headers: { "content-type": "application/cloudevents+xml" } },
      415,
      "request/unsupported-media-type",
      /^CloudEvents are not read as application\/cloudevents\+xml$/,
    ],
    [minimal, { query: "?type=x" }, 400, "argument/invalid", /^type does not go with CloudEvents/],
    [minimal, { query: "?id=x" }, 400, "argument/invalid", /^id does not go with CloudEvents/],
  ];
  for (const [body, sent, status, code, message] of wrong) {
    const answer = await send(daemon, body, sent);
    assert.deepEqual([answer.status, answer.json.error.code], [status, code], answer.text);
    assert.match(answer.json.error.message, message);
  }
  assert.deepEqual((await daemon.http("GET", "/v1/topics")).json.topics, []);
});

Deno.test("publish names the line of a CloudEvent that is wrong, and stores those before", async () => {
  await using daemon = await startDaemon();
  const lines = [minimal, { ...minimal, id: "2", time: "now" }, { ...minimal, id: "3" }]
    .map((event) => JSON.stringify(event)).join("\n");
  const headers = { "content-type": LINES };
  const stopped = await send(daemon, lines, { headers });
  assert.deepEqual([stopped.status, stopped.json.count], [422, 1]);
  assert.match(stopped.json.error.message, /^line 2: time is no time in RFC 3339/);
  assert.deepEqual(stopped.json.error.details, { attribute: "time" });
  const skipped = await send(daemon, lines, { headers, query: "?onError=skip" });
  assert.deepEqual([skipped.status, skipped.json.count, skipped.json.duplicates], [200, 1, 1]);
  assert.deepEqual((await cloudEvents(daemon)).map(({ id }) => id), ["1", "3"]);
});

for (const store of ["sqlite", "file"]) {
  Deno.test(`publish keeps events of several sources apart that have one id, in ${store}`, () => {
    return keepsSourcesApart(store);
  });
}

async function keepsSourcesApart(store: string): Promise<void> {
  await using daemon = await startDaemon({ store });
  await daemon.http("POST", "/v1/topics/orders/events?type=t&id=1", "0");
  const events = ["/a", "/b", "/a", "/c"].map((source) => ({ ...minimal, source }));
  const forms: [string, string][] = [
    [BATCH, JSON.stringify(events)],
    [LINES, events.map((event) => JSON.stringify(event)).join("\n")],
    ...events.map((event): [string, string] => [STRUCTURED, JSON.stringify(event)]),
  ];
  let count = 0;
  for (const [type, body] of forms) {
    const { json, status } = await send(daemon, body, { headers: { "content-type": type } });
    assert.equal(status, 200);
    count += json.count;
  }
  assert.equal(count, 3);
  const stored = await cloudEvents(daemon);
  assert.deepEqual(stored.map(({ id, source }) => [id, source]).sort(), [
    ["1", "/a"],
    ["1", "/b"],
    ["1", "/c"],
    ["1", "/evs/topics/orders"],
  ]);
}

Deno.test("publish keeps the order of lines whose ids another source has used", async () => {
  await using daemon = await startDaemon();
  const headers = { "content-type": LINES };
  const linesOf = (source: string, ids: number[]) =>
    ids.map((id) => JSON.stringify({ ...minimal, source, id: String(id) })).join("\n");
  await send(daemon, linesOf("/a", [1, 2, 3]), { headers });
  const both = `${linesOf("/b", [1, 2, 5])}\n${linesOf("/c", [5, 2, 6])}\n${linesOf("/a", [2])}`;
  assert.equal((await send(daemon, both, { headers })).json.duplicates, 1);
  const stored = await cloudEvents(daemon);
  assert.equal(
    stored.map(({ id, source }) => source + id).join(" "),
    "/a1 /a2 /a3 /b1 /b2 /b5 /c5 /c2 /c6",
  );
  assert.deepEqual(
    (await daemon.replay("orders")).map(({ id }) => id.slice(0, 3)),
    ["1", "2", "3", "ce-", "ce-", "5", "ce-", "ce-", "6"],
  );
});

Deno.test("readEvents gives events of ours as valid CloudEvents, and follows with them", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "order.paid", { n: 1 });
  const path = "/v1/topics/orders/events?from=start&follow=1&limit=2";
  const following = daemon.http("GET", path, undefined, { accept: `${STRUCTURED}, */*` });
  await daemon.publish("orders", "order.paid", { n: 2 });
  const { text, headers } = await following;
  assert.equal(headers.get("content-type"), LINES);
  const events = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  assert.deepEqual(events.map(({ data }) => data), [{ n: 1 }, { n: 2 }]);
  assert.equal(events[0].source, "/evs/topics/orders");
  const refused = await daemon.http("GET", path, undefined, { accept: BATCH });
  assert.equal(refused.status, 400);
  assert.match(refused.json.error.message, /^a batch has an end: leave out follow$/);
  const none = await read(daemon, "/v1/topics/orders/events?type=other", BATCH);
  assert.deepEqual(JSON.parse(none.text), []);
});

Deno.test("publish checks the data of a CloudEvent against the schema of its type", async () => {
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/schemas/t", { type: "object", required: ["n"] });
  const refused = await send(daemon, { ...minimal, data: {} });
  assert.equal(refused.json.error.code, "event/schema-violation");
  assert.equal((await send(daemon, { ...minimal, data: { n: 1 } })).status, 200);
});

Deno.test("publish keeps sources apart that share an id after the first event was deleted, or is scheduled", async () => {
  await using daemon = await startDaemon();
  await daemon.http("PUT", "/v1/topics/orders", { maxEvents: 1 });
  for (const source of ["/a", "/b", "/a"]) {
    await send(daemon, JSON.stringify({ ...minimal, source }));
  }
  const { json } = await daemon.http("GET", "/v1/topics/orders");
  assert.equal(json.lastSeq, 2, "the third is the first once more");
  await daemon.http("POST", "/v1/topics/later/events?type=t&id=1&delayMs=3600000", 0);
  const { json: reply } = await send(daemon, JSON.stringify(minimal), { topic: "later" });
  assert.equal(reply.count, 1);
});
