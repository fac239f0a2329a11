/** Long lists of the dashboard render the rows in view, and ask for more in time. */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { isNearEnd, rowsInView } from "../../dashboard/view/window.ts";

Deno.test("rowsInView has every row that is seen, and few others, at any place of any list", () => {
  const size = fc.record({
    scrolled: fc.integer({ min: -1_000, max: 4_000_000 }),
    height: fc.integer({ min: 1, max: 2_000 }),
    count: fc.integer({ min: 0, max: 100_000 }),
  });
  fc.assert(fc.property(size, ({ scrolled, height, count }) => {
    const { first, end } = rowsInView({ scrolled, height, count, rowHeight: 34 });
    assert.ok(0 <= first && first <= end && end <= count, `${first} to ${end} of ${count}`);
    assert.ok(end - first <= Math.ceil(height / 34) + 18, `${end - first} rows for ${height} px`);
    const top = Math.max(0, Math.min(scrolled, count * 34 - height));
    assert.ok(first * 34 <= top, "the first row in view is there");
    assert.ok(end === count || end * 34 >= top + height, "the last row in view is there");
  }));
});

Deno.test("isNearEnd asks for more before the last row is seen", () => {
  const view = (scrolled: number) =>
    rowsInView({ scrolled, height: 680, rowHeight: 34, count: 200 });
  assert.equal(isNearEnd(view(0), 200), false);
  assert.equal(isNearEnd(view(200 * 34), 200), true);
  assert.equal(
    isNearEnd(rowsInView({ scrolled: 0, height: 680, rowHeight: 34, count: 5 }), 5),
    true,
  );
});
