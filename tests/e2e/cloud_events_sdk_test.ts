/** What the official CloudEvents SDK sends, it gets back equal: in every mode, over the socket. */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { CloudEvent, emitterFor, HTTP, type Message, Mode } from "../packages/cloudevents.ts";
import { anyCloudEvent } from "../helpers/any_cloud_event.ts";
import { startDaemon, type TestDaemon } from "../helpers/daemon.ts";
import { dose } from "../helpers/dose.ts";

const BATCH = "application/cloudevents-batch+json";
const base = { id: "1", source: "https://shop.example/till", type: "example.sold" };
const typical = [
  new CloudEvent({ ...base, subject: "tea", data: { n: 1, list: [null, "ü"] } }),
  new CloudEvent({ ...base, data: ["a"], dataschema: "https://shop.example/sold.json" }),
  new CloudEvent({ ...base, tenant: "acme", tries: 3, late: true, data: { n: 2 } }),
  new CloudEvent({ ...base, datacontenttype: "text/plain", data: "just text\n" }),
  new CloudEvent({ ...base, datacontenttype: "application/xml", data: "<sold n='1'/>" }),
  new CloudEvent({ ...base, time: "2026-11-29T10:00:00.123Z", data: {} }),
  new CloudEvent(base),
].map((event, i) => event.cloneWith({ id: String(i) }));

/** The HTTP message of a response, as the SDK reads it. */
async function messageOf(response: Response): Promise<Message> {
  assert.equal(response.status, 200);
  return { headers: Object.fromEntries(response.headers), body: await response.text() };
}

/** A way to reach the daemon for an SDK that knows nothing of sockets. */
function reach(daemon: TestDaemon): { client: Deno.HttpClient; url: string } & Disposable {
  const client = Deno.createHttpClient({ proxy: { transport: "unix", path: daemon.socket } });
  const url = "http://localhost/v1/topics/shop/events";
  return { client, url, [Symbol.dispose]: () => client.close() };
}

/** What the SDK would make of its own message without anything in between. */
function throughSdk({ headers, body }: Message): unknown {
  // Headers are text, whatever they were made from.
  const texts = Object.entries(headers).map(([name, value]) => [name, String(value)]);
  return JSON.parse(JSON.stringify(HTTP.toEvent({ headers: Object.fromEntries(texts), body })));
}

async function roundTrip(
  daemon: TestDaemon,
  { mode, events }: { mode: Mode; events: readonly CloudEvent<unknown>[] },
): Promise<void> {
  using way = reach(daemon);
  const sent: Message[] = [];
  const emit = emitterFor(async (message) => {
    sent.push(message);
    const response = await fetch(way.url, {
      method: "POST",
      client: way.client,
      headers: message.headers as Record<string, string>,
      body: message.body as BodyInit,
    });
    assert.equal(response.status, 200, await response.text());
  }, { mode });
  const lastSeq = (await daemon.http("GET", "/v1/topics/shop")).json?.lastSeq ?? 0;
  for (const [i, event] of events.entries()) {
    await emit(event);
    const response = await fetch(`${way.url}/${lastSeq + i + 1}`, {
      client: way.client,
      headers: { accept: "application/cloudevents+json" },
    });
    const received = HTTP.toEvent(await messageOf(response)) as CloudEvent<unknown>;
    assert.deepEqual(JSON.parse(JSON.stringify(received)), throughSdk(sent[i]!));
  }
}

Deno.test("the SDK gets back what it sent in structured mode", async () => {
  await using daemon = await startDaemon();
  await roundTrip(daemon, { mode: Mode.STRUCTURED, events: typical });
});

Deno.test("the SDK gets back what it sent in binary mode", async () => {
  await using daemon = await startDaemon();
  await roundTrip(daemon, { mode: Mode.BINARY, events: typical });
});

Deno.test("the SDK gets back the batch that it sent", async () => {
  await using daemon = await startDaemon();
  using way = reach(daemon);
  const posted = await fetch(way.url, {
    method: "POST",
    client: way.client,
    headers: { "content-type": BATCH },
    body: JSON.stringify(typical),
  });
  assert.equal((await posted.json()).count, typical.length);
  const response = await fetch(way.url, { client: way.client, headers: { accept: BATCH } });
  const received = HTTP.toEvent(await messageOf(response)) as CloudEvent<unknown>[];
  assert.deepEqual(received.map((event) => event.toJSON()), typical.map((event) => event.toJSON()));
});

Deno.test("the SDK gets back bytes in every mode", async () => {
  await using daemon = await startDaemon();
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const event = new CloudEvent({
    ...base,
    datacontenttype: "application/octet-stream",
    data: bytes,
  });
  using way = reach(daemon);
  for (const [i, message] of [HTTP.structured(event), HTTP.binary(event)].entries()) {
    const headers = { ...message.headers as Record<string, string>, "ce-id": `b${i}` };
    const body = message.body as BodyInit;
    const posted = await fetch(way.url, { method: "POST", client: way.client, headers, body });
    assert.equal(posted.status, 200, await posted.text());
    const { text } = await daemon.http("GET", `/v1/topics/shop/events/${i + 1}`, undefined, {
      accept: "application/cloudevents+json",
    });
    assert.deepEqual(Uint8Array.fromBase64(JSON.parse(text).data_base64), bytes);
  }
});

Deno.test("the SDK accepts any event that it could have sent, and it is the same", async () => {
  await using daemon = await startDaemon();
  let seq = 0;
  await fc.assert(
    fc.asyncProperty(anyCloudEvent(), async (given) => {
      // Its own id, so that each run stores an event; its own data, which the SDK would copy.
      const event = new CloudEvent({ ...given, id: `${given.id}-${seq}` } as typeof base);
      const { headers, body } = HTTP.structured(event);
      const answer = await daemon.http(
        "POST",
        "/v1/topics/any/events",
        body as string,
        headers as Record<string, string>,
      );
      assert.equal(answer.status, 200, answer.text);
      const got = await daemon.http("GET", `/v1/topics/any/events/${++seq}`, undefined, {
        accept: "application/cloudevents+json",
      });
      assert.deepEqual(JSON.parse(got.text), JSON.parse(body as string));
      // And its own check finds nothing wrong with it.
      new CloudEvent(JSON.parse(got.text), true);
    }),
    { numRuns: dose(15) },
  );
});

Deno.test("the SDK accepts events that never were CloudEvents", async () => {
  await using daemon = await startDaemon();
  await daemon.publish("orders", "order.placed", { n: 1 }, "text", null, [true]);
  const { text } = await daemon.http("GET", "/v1/topics/orders/events", undefined, {
    accept: BATCH,
  });
  const events = HTTP.toEvent({ headers: { "content-type": BATCH }, body: text });
  const payloads = (events as CloudEvent<unknown>[]).map(({ data }) => data);
  assert.deepEqual(payloads, [{ n: 1 }, "text", null, [true]]);
});
