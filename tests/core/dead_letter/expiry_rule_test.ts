/**
 * How old dead letters look, against a model that knows when each was added: never older than they
 * are, and at most a little younger, with few marks.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { MarkEstimate, markSeen, thereSince } from "../../../core/dead_letter/expiry_rule.ts";
import { trimmed } from "../../../core/dead_letter/trimmed.ts";
import type { DeadLetterMark } from "../../../core/state/state.ts";

/** How long it takes until the next look, and how many entries are added before it. */
const looks = fc.array(fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.nat(3)), {
  minLength: 1,
  maxLength: 1500,
  // Else there are never so many marks that they are thinned.
  size: "max",
});

Deno.test("thereSince never takes a dead letter for older than it is, and hardly for younger, when marks are thinned", () => {
  fc.assert(
    fc.property(looks, fc.nat(), (steps, some) => {
      let marks: readonly DeadLetterMark[] = [];
      const addedAt: number[] = [];
      let now = 1_000_000;
      let longest = 0;
      for (const [ms, count] of steps) {
        for (let i = 0; i < count; i++) addedAt.push(now + ms);
        now += ms;
        longest = Math.max(longest, ms);
        marks = markSeen(marks, { newest: addedAt.length, now });
        assert.ok(marks.length <= 641);
      }
      const age = some % (now - 1_000_000 + 1);
      const upTo = thereSince(marks, now - age);
      addedAt.forEach((at, i) => {
        const old = now - at;
        if (i + 1 <= upTo) assert.ok(old >= age, "it is that old");
        // Marked at the next look that was a second after the last mark, then thinned.
        else if (marks.at(-1)!.number > i) {
          assert.ok(old <= age + age / 16 + longest + 1000 + old / 16);
        }
      });
    }),
    { numRuns: 100 },
  );
});

Deno.test("markSeen leaves out marks of which nobody notices, and keeps the young ones", () => {
  let marks: readonly DeadLetterMark[] = [];
  const count = 5000;
  for (let n = 1; n <= count; n++) marks = markSeen(marks, { newest: n, now: n * 10_000 });
  assert.ok(marks.length > 100 && marks.length <= 641, `${marks.length}`);
  const now = count * 10_000;
  for (let n = 1; n <= count; n++) {
    const age = now - n * 10_000;
    const looks = now - marks.find(({ number }) => number >= n)!.at;
    assert.ok(looks <= age && looks >= age * (1 - 1 / 16) - 10_000, `${n}: ${age} looks ${looks}`);
  }
});

Deno.test("MarkEstimate takes no dead letter for older than its time says when it was there before", () => {
  const entries = fc.array(fc.nat(2_000_000), { minLength: 1, maxLength: 300 })
    .map((times) => times.map((diedAt, i) => ({ number: 2 * i + 1, diedAt })));
  fc.assert(fc.property(entries, fc.nat(1_000_000), (given, age) => {
    const now = 1_000_000;
    const estimate = new MarkEstimate(now);
    // In pages, as they are read.
    for (let at = 0; at < given.length; at += 7) estimate.add(given.slice(at, at + 7));
    const upTo = thereSince(estimate.marks, now - age);
    for (const { number, diedAt } of given) {
      if (number <= upTo) assert.ok(now - Math.min(now, diedAt) >= age);
    }
  }));
});

Deno.test("trimmed removes what is too old and the oldest of too many, and nothing else", () => {
  const entries = fc.array(
    fc.record({
      subscription: fc.constantFrom("a", "b"),
      topic: fc.constantFrom("t", "u"),
      timestamp: fc.nat(100),
    }),
    { maxLength: 30 },
  ).map((all) => all.map((one, i) => ({ ...one, id: `e${i}` })));
  fc.assert(fc.property(entries, fc.nat(50), fc.nat(5), (all, retention, max) => {
    const steps = trimmed(all, { topic: "t", retention, max }, 100);
    const gone = new Set(steps.map(({ name }) => name));
    for (const subscription of ["a", "b"]) {
      const own = all.filter((one) => one.topic === "t" && one.subscription === subscription);
      const young = own.filter(({ timestamp }) => retention === 0 || timestamp > 100 - retention);
      const left = max === 0 ? young : young.slice(-max);
      assert.deepEqual(own.filter((one) => !gone.has(one)), left);
    }
    assert.ok(all.every((one) => one.topic === "t" || !gone.has(one)));
  }));
});
