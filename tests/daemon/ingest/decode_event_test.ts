/** What becomes of one event that comes in: as an envelope, or as a bare payload with its options. */
import assert from "node:assert/strict";
import {
  EventDecoder,
  type EventDecoderOptions,
  onOneLine,
  parseExpected,
} from "../../../daemon/ingest/decode_event.ts";
import { RefusedLines } from "../../../daemon/ingest/refused_lines.ts";
import { EventRefusedError } from "../../../core/base/errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function decode(text: string, options: Partial<EventDecoderOptions> = {}, maxEventBytes = 1000) {
  const events = new EventDecoder({ metadata: "{}", ...options }, {
    admit: ({ version }) => version ?? "1.0",
    nextId: () => "made",
    now: () => 1000,
    stamp: (event) => event,
    maxEventBytes,
  });
  return events.event(7, text, encoder.encode(text));
}

const invalid = { code: "event/invalid-envelope" };

Deno.test("EventDecoder takes each member of an envelope as it stands there", () => {
  const text = '{"id":"i","type":"t","key":"k","timestamp":5,"schemaVersion":"2.0",' +
    '"metadata":{"a":1.0},"payload":{"n":9007199254740993},"seq":3,"topic":"x","keySeq":1}';
  const { payload, metadata, ...event } = decode(text);
  assert.deepEqual(event, {
    id: "i",
    idGiven: true,
    type: "t",
    key: "k",
    timestamp: 5,
    schemaVersion: "2.0",
    expiresAt: undefined,
    ttlMs: undefined,
  });
  assert.equal(decoder.decode(payload), '{"n":9007199254740993}', "byte for byte");
  assert.equal(metadata, '{"a":1.0}');
});

Deno.test("EventDecoder knows an id that was given, which makes a repeat one, from one that it made", () => {
  const given = (text: string, options?: Partial<EventDecoderOptions>) => {
    const { id, idGiven } = decode(text, options);
    return [id, idGiven];
  };
  const envelope = '{"type":"t","payload":1}';
  assert.deepEqual(given(envelope), ["made", false]);
  assert.deepEqual(given(envelope, { idPrefix: "p" }), ["p-7", true]);
  assert.deepEqual(given('{"id":"own","type":"t","payload":1}', { idPrefix: "p" }), ["own", true]);
  assert.deepEqual(given("1", { type: "t" }), ["made", false]);
  assert.deepEqual(given("1", { type: "t", idPrefix: "p" }), ["p-7", true]);
  assert.deepEqual(given("1", { type: "t", id: "own" }), ["own", true]);
});

Deno.test("EventDecoder refuses an envelope that two readers could take for different events, and what it does not know", () => {
  for (
    const [text, says] of [
      ['{"type":"t","payload":1,"payload":2}', /"payload" is there twice/],
      ['{"id":"a","id":"b","type":"t","payload":1}', /"id" is there twice/],
      ['{"type":"t","payload":1,"paylaod":2}', /no member "paylaod"/],
      ['{"type":"t","payload":1,"expected":"none"}', /no member "expected"/],
      ['{"type":"t"}', /no payload/],
      ['{"payload":1}', /no type/],
      ['{"type":1,"payload":1}', /type is not a string/],
      ['{"id":1,"type":"t","payload":1}', /id is not a string/],
      ['{"key":1,"type":"t","payload":1}', /key is not a string/],
      ['{"type":"t","payload":1,"metadata":[]}', /metadata is not a JSON object/],
      ['{"type":"t","payload":1,"metadata":null}', /metadata is not a JSON object/],
      ['{"type":"t","payload":1,"timestamp":1.5}', /timestamp is not a whole number/],
      ['{"type":"t","payload":1,"timestamp":"5"}', /timestamp is not a whole number/],
      ['{"type":"t","payload":1,"ttlMs":5,"expiresAt":9}', /exclude each other/],
      ['{"type":"t","payload":1,"schedule":{"delayMs":5}}', /schedule goes with one event/],
      ["[1]", /a JSON object with a type and a payload/],
      ["1", /a JSON object with a type and a payload/],
      ["null", /a JSON object with a type and a payload/],
    ] as const
  ) {
    assert.throws(() => decode(text), (error: Error) => {
      assert.match(error.message, says);
      assert.equal((error as EventRefusedError).code, invalid.code, text);
      return true;
    });
  }
});

Deno.test("EventDecoder takes a key as its digits are written, and refuses what is no key", () => {
  const keyed = (text: string) => decode(text, { type: "t", keyPointer: "/k" }).key;
  assert.equal(keyed('{"k":"a"}'), "a");
  assert.equal(keyed('{"k":9007199254740993}'), "9007199254740993");
  assert.equal(keyed('{"k":1.50}'), "1.50");
  assert.equal(keyed('{"k":true}'), "true");
  for (const text of ["{}", '{"k":null}', '{"k":{}}', '{"k":[1]}', "1"]) {
    assert.throws(() => keyed(text), invalid, text);
  }
});

Deno.test("EventDecoder refuses an event of one byte more than the limit", () => {
  const size = (text: string, most: number) => decode(text, { type: "t" }, most).payload.length;
  const text = '"0123456789"';
  let most = text.length;
  const fits = () => {
    try {
      return size(text, most) > 0;
    } catch (error) {
      assert.equal((error as EventRefusedError).code, "event/too-large");
      return false;
    }
  };
  // What goes with the payload counts, too: the limit is somewhat more than its bytes.
  while (!fits()) assert.ok(++most < text.length + 200);
  assert.ok(most > text.length, `${most}`);
  assert.throws(() => size(`${text.slice(0, -1)}x"`, most), { code: "event/too-large" });
  assert.throws(() => decode(text, { type: "t", key: "k" }, most), { code: "event/too-large" });
  assert.throws(() => decode(text, { type: "tt" }, most), { code: "event/too-large" });
});

Deno.test("onOneLine makes spaces of line breaks, and leaves every other byte", () => {
  const bytes = encoder.encode('{"a":\r\n1,\n"b":"\\n"}\t');
  assert.equal(decoder.decode(onOneLine(bytes)), '{"a":  1, "b":"\\n"}\t');
  const plain = encoder.encode("1");
  assert.equal(onOneLine(plain), plain);
});

Deno.test("parseExpected takes a seq and three words, and nothing that looks like one", () => {
  assert.deepEqual(["0", "12", "none", "exists", "any"].map(parseExpected), [
    0,
    12,
    "none",
    "exists",
    "any",
  ]);
  for (const text of ["", "-1", "1.0", "1e3", " 1", "None", "1234567890123456"]) {
    assert.throws(() => parseExpected(text), { code: "argument/invalid" }, text);
  }
});

Deno.test("RefusedLines lists a thousand lines, and counts the others", () => {
  const lines = new RefusedLines();
  const error = new EventRefusedError("event/invalid-json", "no");
  for (let line = 1; line <= 1000; line++) lines.add(line, error);
  assert.deepEqual([lines.listed.length, lines.more, lines.count], [1000, 0, 1000]);
  lines.add(1001, error);
  assert.deepEqual([lines.listed.length, lines.more, lines.count], [1000, 1, 1001]);
  assert.deepEqual(lines.listed[999], { line: 1000, code: "event/invalid-json", message: "no" });
});
