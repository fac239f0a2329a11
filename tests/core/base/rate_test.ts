/** Rates as people write them, and the token bucket that keeps to one, with a clock of our own. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { parseRate, RateLimit, rateText } from "../../../core/base/rate.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

Deno.test("parseRate takes a number and a time and nothing else", () => {
  assert.deepEqual(parseRate("10/s"), { count: 10, perMs: 1_000 });
  assert.deepEqual(parseRate("90/m"), { count: 90, perMs: 60_000 });
  for (const text of ["10/s", "100/m", "5/h"]) assert.equal(rateText(parseRate(text)), text);
  for (
    const wrong of ["10", "0/s", "-1/s", "1.5/s", "10/d", "10 /s", "", 10 as unknown as string]
  ) {
    assert.throws(() => parseRate(wrong), /such as 10\/s/, `${wrong}`);
  }
});

Deno.test("RateLimit gives one token at a time, evenly, when the rate is slow", async () => {
  const clock = new FakeClock();
  const limit = new RateLimit(parseRate("10/s"), clock);
  assert.deepEqual([limit.tokens, limit.waitMs], [1, 0]);
  limit.take(1);
  assert.deepEqual([limit.tokens, limit.waitMs], [0, 100]);
  await clock.pass(60);
  assert.deepEqual([limit.tokens, limit.waitMs], [0, 40]);
  await clock.pass(60_000);
  assert.equal(limit.tokens, 1, "what nobody took is not saved up");
});

Deno.test("RateLimit lets a batch start on credit, and then waits for all of it", async () => {
  const clock = new FakeClock();
  const limit = new RateLimit(parseRate("10/s"), clock);
  limit.take(50);
  assert.equal(limit.waitMs, 5_000);
  await clock.pass(5_000);
  assert.equal(limit.tokens, 1);
});

Deno.test("RateLimit calls back once when a token is there, and not after stop", async () => {
  const clock = new FakeClock();
  const limit = new RateLimit(parseRate("1/m"), clock);
  limit.take(1);
  let called = 0;
  limit.whenFree(() => called++);
  limit.whenFree(() => called++);
  await clock.pass(59_999);
  assert.equal(called, 0);
  await clock.pass(1);
  assert.equal(called, 1);
  limit.take(1);
  limit.whenFree(() => called++);
  limit.stop();
  await clock.pass(120_000);
  assert.equal(called, 1);
});

Deno.test("RateLimit never lets more start in any time than the rate and its burst, and loses nothing where somebody always waits", async () => {
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 5_000 }),
    fc.constantFrom("s", "m", "h"),
    fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 60 }),
    async (count, unit, idle) => {
      const clock = new FakeClock();
      const rate = parseRate(`${count}/${unit}`);
      const limit = new RateLimit(rate, clock);
      const every = rate.perMs / rate.count;
      const burst = Math.max(1, Math.floor(20 / every));
      const starts: number[] = [];
      for (const gap of idle) {
        await clock.pass(limit.waitMs + gap * every);
        assert.ok(limit.tokens > 0, "it has waited long enough");
        for (let left = limit.tokens; left > 0; left--) {
          limit.take(1);
          starts.push(clock.monotonic());
        }
      }
      for (const [first, from] of starts.entries()) {
        for (let last = first; last < starts.length; last++) {
          const most = burst + (starts[last]! - from) / every;
          assert.ok(last - first + 1 <= most + 1e-6, `${last - first + 1} of ${most}`);
        }
      }
      const longest = idle.reduce((sum, gap) => sum + 1 + gap, 0) * every + idle.length;
      assert.ok(clock.monotonic() <= longest, "no wait is longer than it needs to be");
    },
  ));
});
