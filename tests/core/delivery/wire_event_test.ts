/** Events that stay lines: reading fields from their bytes gives the same as parsing them. */
import { defined } from "../../../core/base/defined.ts";
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { type WireEvent, wireEvents, withoutExpiry } from "../../../core/delivery/wire_event.ts";
import { type StoredEvent, toWireLine } from "../../../core/event/event.ts";
import { concat } from "../../../core/base/bytes.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Texts that look like the members around them. */
const text = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
  fc.constantFrom(
    '","key":"x',
    ',"metadata":{}',
    '","expiresAt":7,"x":"',
    '","keySeq":7,"x":"',
    "\\",
    '"',
    '\\"',
    ',"payload":',
    "\u2028",
    "kéy 🗝",
  ),
);
const event: fc.Arbitrary<StoredEvent> = fc.record({
  seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  topic: fc.constantFrom("t", "a.b-c_d"),
  id: fc.oneof(fc.uuid(), fc.constantFrom('a"b', "back\\slash", '","key":"k')),
  type: text,
  timestamp: fc.integer({ min: -1e12, max: 1e14 }),
  schemaVersion: text,
  key: fc.option(text, { nil: undefined }),
  keySeq: fc.option(fc.nat(), { nil: undefined }),
  expiresAt: fc.option(fc.nat({ max: 8_640_000_000_000_000 }), { nil: undefined }),
  metadata: fc.dictionary(fc.string({ maxLength: 5 }), text, { maxKeys: 2 }).map((value) =>
    JSON.stringify(value)
  ),
  payload: fc.jsonValue().map((value) => encoder.encode(JSON.stringify(value))),
}).map(({ key, keySeq, expiresAt, ...rest }) => ({
  ...rest,
  ...defined({ key, keySeq: key === undefined ? undefined : keySeq, expiresAt }),
}));

const withoutLine = ({ line: _line, ...rest }: StoredEvent) => rest;
const plain = (stored: StoredEvent) => ({ ...withoutLine(stored), payload: [...stored.payload] });

Deno.test("wireEvents reads off every line what was written into it", () => {
  fc.assert(fc.property(fc.array(event, { maxLength: 5 }), fc.boolean(), (events, lineFeed) => {
    const lines = concat(events.map(toWireLine));
    const bytes = lineFeed || lines.length === 0 ? lines : lines.subarray(0, lines.length - 1);
    const found = wireEvents(bytes);
    assert.equal(found.length, events.length);
    for (const [i, given] of events.entries()) {
      const one: WireEvent = found[i]!;
      const whole = toWireLine(given);
      assert.equal(one.seq, given.seq);
      assert.equal(one.key, given.key);
      assert.equal(one.expiresAt, given.expiresAt);
      assert.equal(one.size, whole.length - 1);
      assert.deepEqual(plain(one.stored), plain(given));
      assert.deepEqual(one.copy(), whole);
      const { expiresAt: _expiresAt, ...unending } = given;
      assert.deepEqual(withoutExpiry(whole), toWireLine(unending));
      one.own();
      assert.equal(one.line.buffer.byteLength, one.size, "its page is free to go");
      assert.deepEqual(one.copy(), whole);
      assert.deepEqual(plain(one.stored), plain(given));
    }
  }));
});

Deno.test("wireEvents reads a line whose members stand in another order", () => {
  const line =
    '{"seq":7,"key":"k","id":"i","type":"x","topic":"t","timestamp":1,"schemaVersion":"1.0",' +
    '"metadata":{"key":"other"},"payload":[1.0]}\n';
  const [one] = wireEvents(encoder.encode(line));
  assert.equal(one!.seq, 7);
  assert.equal(one!.key, "k");
  assert.equal(decoder.decode(one!.stored.payload), "[1.0]");
});
