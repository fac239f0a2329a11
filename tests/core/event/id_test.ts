/**
 * Event ids: which are valid, and UUIDv7s that have the right form and time, increase and never
 * repeat.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EventRefusedError } from "../../../core/base/errors.ts";
import {
  assertEventId,
  IdSource,
  isEventId,
  OWN_ID_BYTES,
  timeOfId,
} from "../../../core/event/id.ts";

/** RFC 9562, section 5.7: version 7, variant 10. */
const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const time = fc.integer({ min: 0, max: 2 ** 48 - 10 });

Deno.test("IdSource makes UUIDv7s of the time that it is given when the clock goes on", () => {
  fc.assert(fc.property(fc.uniqueArray(time, { minLength: 1, maxLength: 50 }), (times) => {
    const source = new IdSource();
    for (const now of times.toSorted((a, b) => a - b)) {
      const id = source.next(now);
      assert.match(id, UUID7);
      assert.equal(timeOfId(id), now);
      assert.ok(isEventId(id));
    }
  }));
});

Deno.test("IdSource makes ids that rise and never come twice when the clock jumps", () => {
  const step = fc.record({ now: time, count: fc.integer({ min: 1, max: 300 }) });
  fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
    const source = new IdSource();
    const ids = steps.flatMap(({ now, count }) => source.many(count, now));
    assert.equal(ids.length, steps.reduce((sum, { count }) => sum + count, 0));
    for (let i = 1; i < ids.length; i++) assert.ok(ids[i - 1]! < ids[i]!, `${i}: ${ids[i]}`);
    for (const id of ids) assert.match(id, UUID7);
  }));
});

Deno.test("IdSource borrows from the next millisecond when 4096 ids were made in one", () => {
  const source = new IdSource();
  const ids = source.many(4096 * 2 + 1, 1000);
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(ids, ids.toSorted());
  assert.deepEqual([ids[4095], ids[4096], ids[8192]].map((id) => timeOfId(id!)), [
    1000,
    1001,
    1002,
  ]);
  assert.equal(timeOfId(source.next(1001)), 1002, "what was borrowed is not given back");
  assert.equal(timeOfId(source.next(1003)), 1003);
});

Deno.test("IdSource puts the random bytes into the last 62 bits, each byte once", () => {
  let filled = 0;
  const source = new IdSource({
    fill(bytes) {
      for (let i = 0; i < bytes.length; i++) bytes[i] = i % 256;
      filled++;
    },
  });
  const first = source.next(1);
  assert.equal(first, "00000000-0001-7000-8001-020304050607");
  assert.equal(source.next(1), "00000000-0001-7001-8809-0a0b0c0d0e0f");
  source.many(254, 1);
  assert.equal(filled, 1, "one fill for 256 ids");
  source.next(1);
  assert.equal(filled, 2);
});

Deno.test("IdSource.bytes goes on where next was, each id above the one before", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(5000), fc.integer({ min: 1, max: 20 })), { maxLength: 5 }),
      (steps) => {
        const source = new IdSource();
        const ids: string[] = [];
        for (const [count, now] of steps) {
          const text = new TextDecoder().decode(source.bytes(count, now));
          assert.equal(text.length, count * OWN_ID_BYTES);
          for (let i = 0; i < count; i++) {
            ids.push(
              text.slice(i * OWN_ID_BYTES, (i + 1) * OWN_ID_BYTES),
            );
          }
          ids.push(source.next(now));
        }
        assert.ok(ids.every((id) => timeOfId(id) !== undefined), "every one is a UUIDv7");
        assert.ok(ids.every((id, i) => i === 0 || id > ids[i - 1]!), "they rise");
      },
    ),
    { numRuns: 20 },
  );
});

Deno.test("two IdSources make different ids when their clocks are the same", () => {
  const [a, b] = [new IdSource().many(1000, 5), new IdSource().many(1000, 5)];
  assert.equal(new Set([...a, ...b]).size, 2000);
});

Deno.test("isEventId takes 1 to 128 printable ASCII characters, no space, and nothing else", () => {
  const any = fc.oneof(
    fc.string({ unit: "binary", maxLength: 140 }),
    fc.string({ unit: "grapheme-ascii", minLength: 120, maxLength: 140 }),
    fc.stringMatching(/^[!-~]{1,140}$/),
  );
  fc.assert(fc.property(any, (text) => {
    const codes = [...text].map((character) => character.codePointAt(0)!);
    const fits = text.length >= 1 && text.length <= 128 &&
      codes.every((code) => code > 0x20 && code < 0x7f);
    assert.equal(isEventId(text), fits);
    if (fits) assert.equal(assertEventId(text), text);
    else assert.throws(() => assertEventId(text), EventRefusedError);
  }));
  for (const text of ["a\n", "\na", "a b", ""]) assert.equal(isEventId(text), false);
});

Deno.test("assertEventId shows a part of an id that is far too long", () => {
  assert.throws(() => assertEventId("x".repeat(10_000)), (error) => {
    assert.ok(error instanceof EventRefusedError);
    assert.equal(error.code, "event/invalid-envelope");
    assert.ok(error.message.length < 300);
    return true;
  });
});

Deno.test("timeOfId gives nothing when the id is no UUIDv7", () => {
  for (
    const id of [
      "",
      "order-1",
      "00000000-0001-4000-8001-020304050607",
      "00000000-0001-7000-c001-020304050607",
      "00000000-0001-7000-8001-020304050607x",
    ]
  ) assert.equal(timeOfId(id), undefined, id);
});
