/** The wire line: writing it, reading it back, and the same bytes from every store. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { fromWireLine, type StoredEvent, toWireLine } from "../../../core/event/event.ts";
import { LineWriter } from "../../../core/store/line_writer.ts";

const encoder = new TextEncoder();
/** Text that would lead a careless reader astray. */
const text = fc.oneof(
  fc.string({ unit: "binary", minLength: 1 }),
  fc.constantFrom(',"metadata":', '","payload":', "x,", "\\", '"', "}", "\u2028", "😀"),
).filter((name) => name.isWellFormed());
const event: fc.Arbitrary<StoredEvent> = fc.record({
  seq: fc.integer({ min: 1, max: 2 ** 36 }),
  topic: fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/),
  id: text,
  type: text,
  timestamp: fc.integer({ min: 0, max: 2 ** 50 }),
  schemaVersion: text,
  key: fc.option(text, { nil: undefined }),
  metadata: fc.dictionary(text, fc.jsonValue()).map((value) => JSON.stringify(value)),
  payload: fc.json().map((json) => encoder.encode(json)),
}).map(({ key, ...rest }) => key === undefined ? rest : { ...rest, key });

function headOf(stored: StoredEvent): number {
  return toWireLine(stored).length - stored.payload.length - 2;
}

Deno.test("fromWireLine gives back what toWireLine was given", () => {
  fc.assert(fc.property(event, (stored) => {
    assert.deepEqual(fromWireLine(toWireLine(stored).subarray(0, -1), headOf(stored)), stored);
  }));
});

Deno.test("toWireLine prints one line of JSON, the payload byte for byte at its end", () => {
  fc.assert(fc.property(event, (stored) => {
    const line = new TextDecoder().decode(toWireLine(stored));
    assert.equal(line.indexOf("\n"), line.length - 1);
    assert.equal(JSON.parse(line).id, stored.id);
    assert.ok(line.endsWith(`,"payload":${new TextDecoder().decode(stored.payload)}}\n`));
  }));
});

Deno.test("LineWriter writes what toWireLine writes, many lines one after the other", () => {
  const room = fc.record({ count: fc.nat(20), bytes: fc.nat(2000) });
  const lists = fc.array(event, { maxLength: 20 });
  fc.assert(fc.property(lists, room, fc.boolean(), (events, room, reset) => {
    const writer = new LineWriter("t", room);
    const written = events.map((stored) => {
      const { line, head } = writer.write(stored.seq, { ...stored, idGiven: true });
      const bytes = { line: line.slice(), head };
      if (reset) writer.reset();
      return { ...bytes, view: line };
    });
    events.forEach((stored, i) => {
      const { line, head, view } = written[i]!;
      assert.deepEqual(line, toWireLine({ ...stored, topic: "t" }).subarray(0, -1));
      assert.equal(head, headOf({ ...stored, topic: "t" }));
      if (!reset) assert.deepEqual(view, line, "a later line left it alone");
    });
  }));
});

Deno.test("LineWriter gives a line that is larger than its buffer one of its own", () => {
  const writer = new LineWriter("t", { count: 1, bytes: 1 });
  const large: StoredEvent = {
    seq: 1,
    topic: "t",
    id: "a",
    type: "x",
    timestamp: 1,
    schemaVersion: "1.0",
    metadata: "{}",
    payload: encoder.encode(JSON.stringify("x".repeat(300_000))),
  };
  for (const stored of [large, { ...large, payload: encoder.encode("1") }, large]) {
    const { line } = writer.write(1, { ...stored, idGiven: true });
    assert.deepEqual(line, toWireLine(stored).subarray(0, -1));
  }
});
