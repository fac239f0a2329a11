/** Wire lines of packed requests, byte for byte. */
import { anyEvent } from "../../helpers/any_event.ts";
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { toWireLine } from "../../../core/event/event.ts";
import { KeyNumbers } from "../../../core/store/key_seqs.ts";
import { pack, type PackedRequest, unpack } from "../../../core/store/pack.ts";
import { packedLines } from "../../../core/store/packed_lines.ts";
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
