/** CloudEvents come in and go out again as they were; events of ours go out as valid ones. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EventRefusedError } from "../../../core/base/errors.ts";
import {
  type CloudEvent,
  cloudSource,
  fromCloudEvent,
  toCloudEvent,
} from "../../../core/event/cloud_event.ts";
import {
  readCloudEvent,
  toCloudLine,
  wireToCloudLine,
} from "../../../core/event/cloud_event_text.ts";
import { type Event, type StoredEvent, toEvent, toWireLine } from "../../../core/event/event.ts";
import { isEventId } from "../../../core/event/id.ts";
import { isName } from "../../../core/event/name.ts";
import { anyCloudEvent } from "../../helpers/any_cloud_event.ts";
import { dose } from "../../helpers/dose.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const minimal = { specversion: "1.0", id: "1", source: "/a", type: "t" } as const;

/** The event that a store would have of a CloudEvent. */
function stored(text: string): StoredEvent {
  const { fields, payload } = readCloudEvent(text, encoder.encode(text));
  return {
    seq: 7,
    topic: "orders",
    timestamp: 1_800_000_000_000,
    schemaVersion: "1.0",
    ...fields,
    metadata: JSON.stringify(fields.metadata),
    payload,
  };
}

/** The event that an application would see of a CloudEvent that it published. */
function published(event: object): Event {
  const { type, payload, options } = fromCloudEvent(event);
  const timestamp = 1_800_000_000_000;
  return { seq: 7, topic: "orders", timestamp, schemaVersion: "1.0", type, payload, ...options };
}

Deno.test("toCloudEvent gives what fromCloudEvent was given, for any CloudEvent", () => {
  fc.assert(
    fc.property(anyCloudEvent(), (event) => {
      const ours = published(event);
      assert.deepEqual(toCloudEvent(ours), event);
      assert.ok(isEventId(ours.id));
      assert.ok(ours.key === undefined || isName(ours.key));
      assert.ok(Number.isSafeInteger(ours.timestamp));
      assert.equal(cloudSource(ours), event.source);
    }),
    { numRuns: dose(200) },
  );
});

Deno.test("toCloudLine gives what readCloudEvent was given, with the bytes of the data", () => {
  fc.assert(
    fc.property(anyCloudEvent(), (event) => {
      const event_ = stored(JSON.stringify(event));
      const line = toCloudLine(event_);
      assert.deepEqual(JSON.parse(decoder.decode(line)), event);
      assert.deepEqual(wireToCloudLine(toWireLine(event_).slice(0, -1)), line);
    }),
    { numRuns: dose(200) },
  );
  const data = `{"n": 9007199254740993, "d":1.0, "a":"\\u0000\\ud800", "a":2}`;
  const text = `{"specversion":"1.0","data":${data},"id":"1","source":"/a","type":"t"}`;
  assert.ok(decoder.decode(toCloudLine(stored(text))).endsWith(`,"data":${data}}\n`));
});

Deno.test("fromCloudEvent maps id, type, time and subject to fields of their own", () => {
  const event = {
    ...minimal,
    id: "A234-1234-1234",
    type: "com.github.pull_request.opened",
    source: "https://github.com/cloudevents/spec/pull",
    subject: "123",
    time: "2018-04-05T17:31:00.123456789+02:00",
    correlationid: "c1",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    data: { n: 1 },
  };
  const { type, payload, options } = fromCloudEvent(event);
  assert.equal(type, event.type);
  assert.deepEqual(payload, { n: 1 });
  const { id, key, timestamp, metadata } = options;
  assert.deepEqual([id, key], ["A234-1234-1234", "123"]);
  assert.equal(timestamp, Date.parse("2018-04-05T15:31:00.123Z"));
  assert.equal(metadata["correlationId"], "c1");
  assert.equal(metadata["traceparent"], event.traceparent);
  assert.equal((metadata["cloudevent"] as CloudEvent).source, event.source);
  assert.equal(fromCloudEvent({ ...event, partitionkey: "p" }).options.key, "p");
  assert.equal(fromCloudEvent({ ...minimal, subject: "x".repeat(257) }).options.key, undefined);
  assert.equal(
    fromCloudEvent({ ...minimal, time: "2016-12-31T23:59:60Z" }).options.timestamp,
    Date.parse("2016-12-31T23:59:59.999Z"),
  );
});

Deno.test("fromCloudEvent makes one id of a source and an id that is none of ours", () => {
  const event = { ...minimal, id: "Größe 1" };
  const { id } = fromCloudEvent(event).options;
  assert.match(id, /^ce-[0-9a-f]{32}$/);
  assert.equal(fromCloudEvent(event).options.id, id);
  assert.notEqual(fromCloudEvent({ ...event, source: "/b" }).options.id, id);
  // A copy with another id is another event.
  assert.equal(toCloudEvent({ ...published(event), id: "copy" }).id, "copy");
});

Deno.test("fromCloudEvent names the attribute that is wrong", () => {
  const wrong: [name: string, change: object, message: RegExp][] = [
    ["specversion", { specversion: "0.3" }, /^specversion is "0\.3"; understood is "1\.0"$/],
    ["specversion", { specversion: undefined }, /^specversion is missing/],
    ["id", { id: "" }, /^id is empty$/],
    ["id", { id: 5 }, /^id is not a string$/],
    ["id", { id: null }, /^id is missing/],
    ["source", { source: "/a b" }, /^source is no URI: character 3/],
    ["source", { source: "/a%2" }, /^source has a percent sign/],
    ["type", { type: "x".repeat(257) }, /^type has 257 characters; the limit is 256$/],
    ["type", { type: "a\nb" }, /^type has a control character/],
    ["time", { time: "yesterday" }, /^time is no time in RFC 3339/],
    ["time", { time: "2023-02-30T00:00:00Z" }, /^time is no time/],
    ["time", { time: "2023-02-03T24:00:01Z" }, /^time is no time/],
    ["time", { time: "2023-02-03T10:00:00" }, /^time is no time/],
    ["subject", { subject: "\ud800" }, /^subject has half of a surrogate pair/],
    ["datacontenttype", { datacontenttype: "json" }, /^datacontenttype is no media type/],
    ["dataschema", { dataschema: "/relative" }, /^dataschema is no absolute URI/],
    ["data_base64", { data_base64: "a" }, /^data_base64 is not base64$/],
    ["data_base64", { data: 1, data_base64: "YQ==" }, /^data_base64 is given beside data/],
    ['"userId"', { userId: "x" }, /^"userId" is no name of an attribute/],
    ["ext", { ext: { a: 1 } }, /^ext is neither a string, a boolean nor/],
    ["ext", { ext: 2 ** 31 }, /^ext is neither/],
    ["ext", { ext: 1.5 }, /^ext is neither/],
  ];
  for (const [name, change, message] of wrong) {
    assert.throws(() => fromCloudEvent({ ...minimal, ...change }), (error) => {
      assert.ok(error instanceof EventRefusedError);
      assert.equal(error.code, "event/invalid-cloudevent");
      assert.match(error.message, message);
      assert.equal(error.details?.["attribute"], name);
      return true;
    });
  }
  for (const none of [[], null, 5, { toJSON: () => 1 }]) {
    assert.throws(() => fromCloudEvent(none as object), /a CloudEvent is a JSON object/);
  }
});

Deno.test("readCloudEvent refuses a member that is there twice, and what is no object", () => {
  const read = (text: string) => readCloudEvent(text, encoder.encode(text));
  const twice = '{"specversion":"1.0","id":"1","id":"2","source":"/a","type":"t"}';
  assert.throws(() => read(twice), /^EventRefusedError: id is there twice$/);
  assert.throws(() => read("[]"), /a CloudEvent is a JSON object/);
  assert.throws(() => read("{"), /not valid JSON/);
  const deep = `{"specversion":"1.0","id":"1","source":"/a","type":"t","data":${"[".repeat(64)}${
    "]".repeat(64)
  }}`;
  assert.equal(JSON.stringify(toEvent(stored(deep)).payload).length, 128);
  assert.throws(() => read(deep.replace("[", "[[").replace("]", "]]")), /nested deeper than 64/);
});

/** An event with anything in its metadata. */
function anyOwnEvent(): fc.Arbitrary<Event> {
  const name = fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 300 }),
    fc.constantFrom("a", "b\u0085", "\ufdd0", "\u{1fffe}"),
  ).filter(isName);
  return fc.record({
    seq: fc.nat(),
    id: fc.stringMatching(/^[!-~]{1,128}$/),
    type: name,
    topic: fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/),
    timestamp: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, 1_800_000_000_000)),
    schemaVersion: fc.constantFrom("1.0", "2.0", "\u0085"),
    key: name,
    payload: fc.oneof(fc.jsonValue(), fc.constantFrom("QUJD", "no base64", null)),
    metadata: fc.dictionary(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.constantFrom("id", "data", "time", "contentEncoding", "contentMediaType", "cloudevent"),
        fc.constantFrom("correlationId", "correlationid", "evsmetadata", "tenant"),
      ),
      fc.oneof(
        fc.jsonValue(),
        fc.constantFrom("base64", "text/plain", { source: "/a" }, 2 ** 31, 5, true),
        fc.constant({ specversion: "1.0", source: "/a", subject: "s" }),
      ),
      { noNullPrototype: true },
    ),
  }, {
    requiredKeys: ["id", "type", "topic", "timestamp", "schemaVersion", "payload", "metadata"],
  });
}

Deno.test("toCloudEvent gives a valid CloudEvent for any event, which comes back equal", () => {
  fc.assert(
    fc.property(anyOwnEvent(), (event) => {
      const cloud = toCloudEvent(event);
      assert.equal(cloud.id, event.id);
      // What is not valid is refused.
      assert.deepEqual(toCloudEvent(published(cloud)), cloud);
    }),
    { numRuns: dose(200) },
  );
});

Deno.test("toCloudEvent takes the source from the topic, and metadata as extensions", () => {
  const event: Event = {
    seq: 5,
    id: "0199f3a2-7c11-7d4e-a1b2-3c4d5e6f7081",
    type: "order.paid",
    topic: "orders",
    timestamp: Date.parse("2026-11-29T10:00:00.5Z"),
    schemaVersion: "2.0",
    key: "o1",
    payload: { total: 5 },
    metadata: { correlationId: "c1", tenant: "acme", tries: 3, list: [1], userId: "u" },
  };
  assert.deepEqual(toCloudEvent(event), {
    specversion: "1.0",
    id: "0199f3a2-7c11-7d4e-a1b2-3c4d5e6f7081",
    source: "/evs/topics/orders",
    type: "order.paid",
    time: "2026-11-29T10:00:00.500Z",
    subject: "o1",
    datacontenttype: "application/json",
    schemaversion: "2.0",
    correlationid: "c1",
    tenant: "acme",
    tries: 3,
    evsmetadata: '{"list":[1],"userId":"u"}',
    data: { total: 5 },
  });
  assert.equal(
    toCloudEvent(event, { source: "https://shop.example" }).source,
    "https://shop.example/topics/orders",
  );
  const binary = {
    ...event,
    payload: "QUJD",
    metadata: { contentEncoding: "base64", contentMediaType: "image/png" },
  };
  const { data, data_base64, datacontenttype, evsmetadata } = toCloudEvent(binary);
  assert.deepEqual([data, data_base64], [undefined, "QUJD"]);
  assert.deepEqual([datacontenttype, evsmetadata], ["image/png", undefined]);
});
