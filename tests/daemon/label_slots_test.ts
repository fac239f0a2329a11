/** Which names have metrics of their own, and that the sum of the others only grows. */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { LabelSlots } from "../../daemon/label_slots.ts";

const LIMIT = 3;

Deno.test("LabelSlots keeps what it gave to a name as long as that is there", () => {
  const slots = new LabelSlots<object>(2, () => {});
  const divide = (names: string) => {
    const { own, others } = slots.divide(
      names.split(" ").map((name) => ({ name, counts: {} })),
    );
    return [own, others].map((all) => all.map(({ name }) => name).join(" "));
  };
  assert.deepEqual(divide("b c"), ["b c", ""]);
  assert.deepEqual(divide("a b c"), ["b c", "a"]);
  // A place that became free is for a new one: what was counted for `a` is in the sum.
  assert.deepEqual(divide("a b"), ["b", "a"]);
  assert.deepEqual(divide("a b d e"), ["b d", "a e"]);
});

Deno.test("LabelSlots: the counters of the others never go back, whatever comes, counts and goes", () => {
  const step = fc.record({ name: fc.nat(9), goes: fc.boolean(), more: fc.nat(5) });
  fc.assert(fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
    let gone = 0;
    const slots = new LabelSlots<{ count: number }>(LIMIT, ({ count }) => void (gone += count));
    const there = new Map<string, { count: number }>();
    let counted = 0;
    for (const { name, goes, more } of steps) {
      const key = `n${name}`;
      if (goes) there.delete(key);
      else {
        const counts = there.get(key) ?? { count: 0 };
        counts.count += more;
        there.set(key, counts);
      }
      const items = Array.from(there, ([name, counts]) => ({ name, counts }));
      const { own, others } = slots.divide(items);
      assert.ok(own.length <= LIMIT);
      assert.equal(own.length + others.length, items.length);
      const sum = others.reduce((sum, { counts }) => sum + counts.count, gone);
      assert.ok(sum >= counted, `${sum} after ${counted}`);
      counted = sum;
    }
  }));
});
