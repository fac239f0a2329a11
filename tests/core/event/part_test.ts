/**
 * The slot and the part of an event: all events of a key are in one, runs of events without a key
 * are spread over all, and what stored rows have stays true.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  allParts,
  eventSlot,
  isInParts,
  maskOf,
  MOST_PARTS,
  partOf,
  partsIn,
  slotOfKey,
  SLOTS,
} from "../../../core/event/part.ts";

const key = fc.string({ unit: "grapheme", maxLength: 20 });
const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const parts = fc.integer({ min: 1, max: MOST_PARTS });

Deno.test("slotOfKey says what it said when stored rows got their slots", () => {
  const known = { "": 120, a: 63, "order-1": 50, "order-2": 101, "Ünïcode": 60, "😀": 35, "0": 60 };
  const found = Object.keys(known).map((key) => [key, slotOfKey(key)]);
  assert.deepEqual(Object.fromEntries(found), known);
});

Deno.test("partOf is the same for all events of a key wherever they are", () => {
  fc.assert(fc.property(key, seq, seq, parts, (key, one, other, parts) => {
    const part = partOf({ key, seq: one }, parts);
    assert.equal(part, partOf({ key, seq: other }, parts));
    assert.ok(Number.isInteger(part) && part >= 0 && part < parts);
  }));
});

Deno.test("partOf goes by the slot alone, so that a store can tell it from a stored slot", () => {
  fc.assert(fc.property(fc.option(key, { nil: undefined }), seq, parts, (key, seq, parts) => {
    const slot = eventSlot({ key, seq });
    assert.ok(Number.isInteger(slot) && slot >= 0 && slot < SLOTS);
    assert.equal(partOf({ key, seq }, parts), slot % parts);
  }));
});

Deno.test("eventSlot is that of (seq >> 8) & 255 for events without a key, also beyond 32 bits", () => {
  fc.assert(fc.property(seq, (seq) => {
    assert.equal(eventSlot({ seq }), Number((BigInt(seq) >> 8n) & 255n));
  }));
});

Deno.test("partOf gives every part something of a long topic without keys, in runs", () => {
  fc.assert(
    fc.property(parts, fc.integer({ min: 1, max: 2 ** 40 }), (parts, from) => {
      const seqs = Array.from({ length: 2 * SLOTS }, (_, run) => from + 256 * run);
      assert.equal(new Set(seqs.map((seq) => partOf({ seq }, parts))).size, parts);
      const start = from - from % 256;
      assert.equal(partOf({ seq: start }, parts), partOf({ seq: start + 255 }, parts));
    }),
    { numRuns: 30 },
  );
});

Deno.test("partOf spreads keys over all parts", () => {
  const counts = new Array<number>(16).fill(0);
  for (let n = 0; n < 16_000; n++) counts[partOf({ key: `order-${n}`, seq: 1 }, 16)]!++;
  // 1000 are expected of each; with a fair hash, 800 are six standard deviations away.
  assert.ok(counts.every((count) => count > 800 && count < 1200), counts.join(" "));
});

Deno.test("maskOf and partsIn are inverse, and allParts is every part once", () => {
  fc.assert(fc.property(parts, (count) => {
    const all = Array.from({ length: count }, (_, part) => part);
    assert.deepEqual(partsIn(allParts(count)), all);
    assert.equal(maskOf(all), allParts(count));
  }));
  fc.assert(fc.property(fc.uniqueArray(fc.nat(MOST_PARTS - 1)), (some) => {
    assert.deepEqual(partsIn(maskOf(some)), some.toSorted((a, b) => a - b));
  }));
});

Deno.test("isInParts is true of an event for its own part alone", () => {
  fc.assert(fc.property(fc.option(key, { nil: undefined }), seq, parts, (key, seq, count) => {
    const own = partsIn(allParts(count)).filter((part) =>
      isInParts({ key, seq }, { count, mask: maskOf([part]) })
    );
    assert.deepEqual(own, [partOf({ key, seq }, count)]);
  }));
});
