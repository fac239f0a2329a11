/** How many events are leased ahead of the handlers. */
import assert from "node:assert/strict";
import fc from "../../../packages/fast_check.ts";
import { Prefetch } from "../../../../core/client/consumer/prefetch.ts";

function after(room: number, ...durations: number[]): Prefetch {
  const reserve = new Prefetch(room);
  for (const ms of durations) reserve.note(ms);
  return reserve;
}

Deno.test("Reserve leases nothing ahead before it knows how long a handler takes, or when that is long", () => {
  assert.equal(after(1).size, 0);
  assert.equal(after(8).wanted(0), 0);
  assert.equal(after(1, 51).size, 0);
  assert.equal(after(8, 60_000).size, 0);
});

Deno.test("Reserve holds what lasts for a moment, several at a request", () => {
  assert.equal(after(1, 5).size, 10);
  assert.equal(after(4, 10).size, 20);
  assert.equal(after(1, 0).size, 256);
  assert.equal(after(500, 1).size, 500);
  const reserve = after(1, 5);
  assert.deepEqual([0, 5, 6, 10, 12].map((waiting) => reserve.wanted(waiting)), [10, 5, 0, 0, 0]);
});

Deno.test("Reserve gives up what it held ahead when handlers become slow", () => {
  const reserve = after(2, 1);
  assert.ok(reserve.size > 0);
  for (let run = 0; run < 20; run++) reserve.note(1000);
  assert.equal(reserve.size, 0);
});

Deno.test("Reserve never asks for more than it holds", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 1000 }),
    fc.array(fc.double({ min: 0, max: 1e6, noNaN: true })),
    fc.nat(2000),
    (room, durations, waiting) => {
      const reserve = after(room, ...durations);
      const wanted = reserve.wanted(waiting);
      assert.ok(Number.isInteger(wanted) && wanted >= 0);
      assert.ok(wanted === 0 || wanted + waiting === reserve.size);
      assert.ok(reserve.size <= Math.max(256, room));
    },
  ));
});
