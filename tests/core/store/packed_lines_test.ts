/** Wire lines of packed requests, byte for byte. */
import { anyEvent } from "../../helpers/any_event.ts";
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { type NewEvent, toWireLine } from "../../../core/event/event.ts";
import { IdSource } from "../../../core/event/id.ts";
import { KeyNumbers } from "../../../core/store/key_seqs.ts";
import { pack, type PackedRequest, unpack } from "../../../core/store/pack.ts";
import { packedLines } from "../../../core/store/packed_lines.ts";
import { newEvent } from "../../../testing/new_event.ts";
import { packedRequest } from "../../../testing/packed_requests.ts";

const encoder = new TextEncoder();

function check(request: PackedRequest, firstSeq: number, last?: number): void {
  const counts = { keySeqOfKey: () => last!, keySeqAt: () => 0, firstSeq: 1 };
  const keySeqs = last === undefined || request.keys === undefined
    ? undefined
    : new KeyNumbers(counts).column(request.keys, request.count);
  const { bytes, ends, heads } = packedLines(request, firstSeq, { keySeqs });
  let start = 0;
  unpack(request).events.forEach((event, i) => {
    const line = bytes.subarray(start, ends[i]);
    const place = { topic: request.topic, seq: firstSeq + i, keySeq: keySeqs?.[i] || undefined };
    assert.deepEqual(line, toWireLine({ ...event, ...place }));
    assert.deepEqual(line.subarray(heads[i], line.length - 2), event.payload);
    start = ends[i]!;
  });
  assert.equal(start, bytes.length);
}

const json = fc.json({ maxDepth: 2 });
const firstSeq = fc.constantFrom(1, 8, 9, 99_997, 2 ** 31 - 3, 2 ** 36 - 20, 1_000_000_000_000);

const lastKeySeq = fc.option(fc.constantFrom(0, 5, 98, 999_990), { nil: undefined });

Deno.test("packedLines writes what toWireLine writes when only seq, id and payload differ", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 5 });
  fc.assert(fc.property(
    fc.array(json, { minLength: 1, maxLength: 15 }),
    fc.record({
      types: name,
      versions: name,
      keys: name,
      expires: fc.option(fc.nat(), { nil: undefined }),
      metadata: fc.constantFrom("{}", '{"ü":1}'),
    }),
    firstSeq,
    lastKeySeq,
    (payloads, fields, seq, last) => check(packedRequest(payloads, fields), seq, last),
  ));
});

Deno.test("packedLines writes what toWireLine writes when timestamps differ, too", () => {
  const [fewest, most] = [10 ** 12, 10 ** 13 - 1];
  const alike = fc.oneof(
    fc.constantFrom(fewest, most, 1_764_480_000_000),
    fc.integer({ min: fewest, max: most }),
  );
  const other = fc.constantFrom(0, -1, fewest - 1, most + 1);
  const timestamps = fc.oneof(
    { weight: 4, arbitrary: fc.array(alike, { minLength: 1, maxLength: 15 }) },
    fc.array(fc.oneof(alike, other), { minLength: 1, maxLength: 15 }),
  );
  const key = fc.option(fc.constantFrom("k", "ü"), { nil: undefined });
  fc.assert(fc.property(timestamps, key, firstSeq, lastKeySeq, (times, keys, seq, last) => {
    const request = packedRequest(times.map((time) => String(time)), {
      types: "täglich",
      keys,
      timestamps: Float64Array.from(times),
    });
    check(request, seq, last);
  }));
});

Deno.test("pack writes generated ids as bytes while they ascend, and as text otherwise", () => {
  const source = new IdSource();
  const event = (id: string, idGiven = false) => ({
    ...newEvent({ id }),
    idGiven,
  });
  const ids = source.many(4, 1_764_480_000_000);
  const packed = (...events: NewEvent[]) => pack({ topic: "t", events });
  const bytes = packed(...ids.map((id) => event(id)));
  assert.ok(typeof bytes.ids !== "string");
  assert.deepEqual(unpack(bytes).events.map(({ id }) => id), ids);
  const [a, b, c] = ids.map((id) => event(id)) as [NewEvent, NewEvent, NewEvent];
  for (
    const [why, events] of [
      ["they do not ascend", [a, c, b]],
      ["one is there twice", [a, a]],
      ["one was given", [a, event(ids[1]!, true)]],
      ["one is shorter", [a, event("short")]],
      ["one is no UUIDv7", [event("a".repeat(36))]],
    ] as const
  ) {
    const { ids } = packed(...events);
    assert.equal(ids, events.map(({ id }) => id).join("\n"), why);
  }
});

Deno.test("packedLines writes what toWireLine writes when every member differs", () => {
  const event = anyEvent(json.map((text) => encoder.encode(text)));
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 1, maxLength: 15 }),
      firstSeq,
      lastKeySeq,
      (events, seq, last) => check(pack({ topic: "t", events }), seq, last),
    ),
  );
});
