/** The order in which dead letters are redelivered. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { inKeyOrder } from "../../../core/dead_letter/order.ts";

const entry = fc.record({
  subscription: fc.constantFrom("a", "b"),
  topic: fc.constantFrom("t", "u"),
  key: fc.option(fc.constantFrom("k", "l"), { nil: undefined }),
  seq: fc.nat(1000),
});

Deno.test("inKeyOrder sends the oldest first, and each key by seq", () => {
  fc.assert(fc.property(fc.array(entry, { maxLength: 40 }), (newestFirst) => {
    const given = newestFirst.map((one, died) => ({ ...one, died: -died }));
    const ordered = inKeyOrder(given);
    assert.equal(new Set(ordered).size, given.length);
    const group = ({ subscription, topic, key }: typeof given[number]) =>
      key === undefined ? "none" : `${subscription} ${topic} ${key}`;
    const groups = Map.groupBy(ordered, group);
    for (const [name, members] of groups) {
      const by = members.map(({ seq, died }) => name === "none" ? died : seq);
      assert.deepEqual(by, by.toSorted((a, b) => a - b), name);
    }
    // A key keeps its position: only its own members change places.
    assert.deepEqual(ordered.map(group), given.toReversed().map(group));
  }));
});

Deno.test("inKeyOrder leaves what it was given as it is", () => {
  const given = [{ subscription: "s", topic: "t", key: "k", seq: 1 }, {
    subscription: "s",
    topic: "t",
    key: "k",
    seq: 2,
  }];
  assert.deepEqual(inKeyOrder(given).map(({ seq }) => seq), [1, 2]);
  assert.deepEqual(given.map(({ seq }) => seq), [1, 2]);
});
