/** Shows how many deliveries one mark covers: many of fast handlers, each its own of slow ones. */
import assert from "node:assert/strict";
import { BeginAhead } from "../../../core/delivery/begin_ahead.ts";

/** The marks of handlers of this speed, ms, where storing a mark takes as long as this, ms. */
function marks({ handler, storing }: { handler: number; storing: number }): number[] {
  const ahead = new BeginAhead();
  const counts: number[] = [];
  let now = 0;
  for (let n = 0; n < 12; n++) {
    const count = ahead.next(now, { busy: n > 0 });
    counts.push(count);
    now += storing;
    ahead.stored(now);
    now += count * handler;
  }
  return counts;
}

Deno.test("BeginAhead marks more and more together while handlers are fast", () => {
  const counts = marks({ handler: 0.001, storing: 0.05 });
  assert.deepEqual(counts, [1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256, 256]);
  assert.deepEqual(marks({ handler: 1, storing: 0.05 }).slice(-3), [5, 5, 5]);
});

Deno.test("BeginAhead marks each delivery of slow handlers", () => {
  assert.deepEqual(new Set(marks({ handler: 10, storing: 0.05 })), new Set([1]));
});

Deno.test("BeginAhead marks as many together where storing a mark takes long", () => {
  assert.deepEqual(
    marks({ handler: 0.001, storing: 20 }),
    marks({ handler: 0.001, storing: 0.05 }),
  );
  assert.deepEqual(new Set(marks({ handler: 10, storing: 20 })), new Set([1]));
});

Deno.test("BeginAhead begins anew when handlers had nothing to do", () => {
  const ahead = new BeginAhead();
  ahead.next(0, { busy: false });
  ahead.stored(1);
  assert.equal(ahead.next(1.1, { busy: true }), 2);
  ahead.stored(2);
  assert.equal(ahead.next(2.1, { busy: false }), 1);
});
