/** The W3C headers `traceparent` and `tracestate` of every kind of publish go into the metadata. */
import assert from "node:assert/strict";
import { startDaemon, type TestDaemon } from "../../helpers/daemon.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;
const tracestate = "vendor=a,other=b";
const trace = { traceparent, tracestate };
const own = `00-${"1".repeat(32)}-${"2".repeat(16)}-00`;
const cloud = { specversion: "1.0", id: "c1", source: "/s", type: "n" };

/** Publishes with the headers of a trace, and returns the metadata of what was stored. */
async function published(
  at: TestDaemon,
  request: { topic: string; query?: string; body: unknown; headers?: Record<string, string> },
): Promise<Record<string, unknown>[]> {
  const { topic, query = "", body, headers = {} } = request;
  const path = `/v1/topics/${topic}/events${query}`;
  const answer = await at.http("POST", path, body, { ...trace, ...headers });
  assert.equal(answer.status, 200, answer.text);
  return (await at.replay(topic)).map(({ metadata }) => metadata);
}

Deno.test("publish puts the trace of the headers into each event's metadata, however it comes", async () => {
  await using at = await startDaemon();
  const lines = { "content-type": "application/x-ndjson" };
  const one = { type: "n", payload: 1 };
  assert.deepEqual(await published(at, { topic: "payload", query: "?type=n", body: "1" }), [trace]);
  assert.deepEqual(
    await published(at, {
      topic: "query",
      query: `?type=n&metadata=${encodeURIComponent('{"n":1}')}`,
      body: "1",
    }),
    [{ n: 1, ...trace }],
  );
  assert.deepEqual(await published(at, { topic: "one", body: one }), [trace]);
  assert.deepEqual(
    await published(at, { topic: "array", body: [one, { ...one, metadata: { n: 1 } }] }),
    [trace, { n: 1, ...trace }],
  );
  assert.deepEqual(
    await published(at, { topic: "packed", query: "?type=n", body: "1\n2\n", headers: lines }),
    [trace, trace],
  );
  assert.deepEqual(
    await published(at, { topic: "lines", body: `${JSON.stringify(one)}\n`, headers: lines }),
    [trace],
  );
  assert.deepEqual(
    await published(at, {
      topic: "checked",
      query: "?type=n&idPrefix=p&keyPointer=",
      body: "1\n2\n",
      headers: lines,
    }),
    [trace, trace],
  );
  const due = { ...one, schedule: { at: "2020-01-01T00:00:00Z" } };
  assert.deepEqual(await published(at, { topic: "later", body: due }), [trace]);
});

Deno.test("publish of several topics puts the trace of the headers into each event's metadata", async () => {
  await using at = await startDaemon();
  const events = ["a", "b"].map((topic) => ({ topic, type: "n", payload: 1 }));
  const named = { topic: "b", type: "n", payload: 2, metadata: { traceparent: own } };
  const answer = await at.http("POST", "/v1/events", [...events, named], trace);
  assert.equal(answer.status, 200, answer.text);
  const [a, b] = [await at.replay("a"), await at.replay("b")];
  assert.deepEqual(a.map(({ metadata }) => metadata), [trace]);
  assert.deepEqual(b.map(({ metadata }) => metadata), [trace, { traceparent: own }]);
});

Deno.test("publish of CloudEvents takes their own trace, and that of the headers for those without", async () => {
  await using at = await startDaemon();
  const traced = { ...cloud, id: "c2", traceparent: own };
  const batch = [cloud, traced];
  for (const type of ["cloudevents-batch+json", "cloudevents+ndjson"]) {
    const body = type.endsWith("ndjson")
      ? batch.map((one) => JSON.stringify(one)).join("\n")
      : batch;
    const [first, second] = await published(at, {
      topic: type.replace("+", "."),
      body,
      headers: { "content-type": `application/${type}` },
    });
    assert.deepEqual([first!["traceparent"], first!["tracestate"]], [traceparent, tracestate]);
    assert.deepEqual([second!["traceparent"], second!["tracestate"]], [own, undefined]);
  }
  const binary = (id: string, more = {}) => ({
    "ce-specversion": "1.0",
    "ce-id": id,
    "ce-source": "/s",
    "ce-type": "n",
    "content-type": "application/json",
    ...more,
  });
  await published(at, { topic: "binary", body: "1", headers: binary("b1") });
  const [first, second] = await published(at, {
    topic: "binary",
    body: "1",
    headers: binary("b2", { "ce-traceparent": own }),
  });
  assert.equal(first!["traceparent"], traceparent);
  assert.equal(second!["traceparent"], own);
});

Deno.test("publish ignores a trace that is invalid, and a tracestate that is invalid or alone", async () => {
  await using at = await startDaemon();
  const cases: [Record<string, string>, Record<string, string>][] = [
    [{}, {}],
    [{ traceparent: "", tracestate }, {}],
    [{ traceparent: "00-zz", tracestate }, {}],
    [{ traceparent: `${traceparent}, ${traceparent}`, tracestate }, {}],
    [{ traceparent: `00-${"0".repeat(32)}-b7ad6b7169203331-01` }, {}],
    [{ tracestate }, {}],
    [{ traceparent, tracestate: "?" }, { traceparent }],
    [{ traceparent, tracestate: " vendor=a ,, other=b" }, trace],
    [{ traceparent: `cc${traceparent.slice(2)}-more` }, { traceparent }],
  ];
  for (const [i, [headers, expected]] of cases.entries()) {
    const answer = await at.http("POST", `/v1/topics/t${i}/events?type=n`, "1", headers);
    assert.equal(answer.status, 200, answer.text);
    const [event] = await at.replay(`t${i}`);
    assert.deepEqual(event.metadata, expected, JSON.stringify(headers));
  }
});

Deno.test("publish keeps the metadata's own trace, and its numbers as they were written", async () => {
  await using at = await startDaemon();
  const text = '{"type":"n","payload":1,"metadata":{"big":12345678901234567890,"e":1.0}}';
  const named = { type: "n", payload: 1, metadata: { traceparent: "mine" } };
  const answer = await at.http(
    "POST",
    "/v1/topics/t/events",
    `${text}\n${JSON.stringify(named)}\n`,
    { ...trace, "content-type": "application/x-ndjson" },
  );
  assert.equal(answer.status, 200, answer.text);
  const raw = await at.http("GET", "/v1/topics/t/events");
  const [first, second] = raw.text.split("\n");
  assert.ok(
    first!.includes(
      `"metadata":{"big":12345678901234567890,"e":1.0,${JSON.stringify(trace).slice(1)}`,
    ),
    first,
  );
  assert.deepEqual(JSON.parse(second!).metadata, { traceparent: "mine" });
});
