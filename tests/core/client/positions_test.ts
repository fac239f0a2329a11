/** A reader's position, read from the heads of wire lines. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { Positions, seqAt, topicAt } from "../../../core/client/positions.ts";
import { toWireLine } from "../../../core/event/event.ts";

const encoder = new TextEncoder();

function line(seq: number, options: { topic: string; id?: string; type?: string }): Uint8Array {
  return toWireLine({
    seq,
    topic: options.topic,
    id: options.id ?? "id",
    type: options.type ?? "type",
    timestamp: 0,
    schemaVersion: "1.0",
    metadata: "{}",
    payload: encoder.encode(`{"topic":"no","seq":1}`),
  });
}

function join(lines: Uint8Array[]): Uint8Array {
  return Uint8Array.from(lines.flatMap((one) => [...one]));
}

Deno.test("topicAt and seqAt find what is in a wire line whatever the id and type hold", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.stringMatching(/^[A-Za-z0-9._-]{1,40}$/),
      fc.string({ unit: fc.constantFrom('"', "\\", "a", "{", ",", "ü"), maxLength: 12 }),
      fc.string({ unit: fc.constantFrom('"', "\\", "a", "{", ",", "ü"), maxLength: 12 }),
      (seq, topic, id, type) => {
        const block = join([line(1, { topic: "other" }), line(seq, { topic, id, type })]);
        const at = block.indexOf(0x0a) + 1;
        assert.equal(seqAt(block, at), seq);
        assert.equal(topicAt(block, at), topic);
      },
    ),
  );
});

Deno.test("Positions keeps the last seq of every topic", () => {
  const positions = new Positions(undefined);
  positions.base("idle", 9);
  positions.note(join([
    line(1, { topic: "a" }),
    line(7, { topic: "b" }),
    line(2, { topic: "a" }),
  ]));
  assert.deepEqual(positions.toList(), ["idle:9", "a:2", "b:7"]);
});

Deno.test("Positions of one topic looks only at the last line", () => {
  const positions = new Positions("a");
  positions.note(join([line(1, { topic: "a" }), line(2, { topic: "a" })]));
  positions.note(new Uint8Array(0));
  assert.deepEqual(positions.toList(), ["a:2"]);
});
