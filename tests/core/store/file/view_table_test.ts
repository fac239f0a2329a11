/**
 * Views of many topics as columns: everything stored can be read back, before and after a transfer
 * to another thread.
 */
import assert from "node:assert/strict";
import fc from "../../../packages/fast_check.ts";
import type { TopicView } from "../../../../core/store/file/view.ts";
import { ViewTable } from "../../../../core/store/file/view_table.ts";

const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
/** A time, or what stands for none. */
const time = fc.oneof(count, fc.constantFrom(Infinity, -Infinity));
const segment = fc.record({
  firstSeq: count,
  lastSeq: count,
  end: count,
  size: count,
  maxTimestamp: time,
  minIdTime: time,
  maxIdTime: time,
  storedAt: count,
  sealed: fc.boolean(),
}, { noNullPrototype: true });
const view: fc.Arbitrary<TopicView> = fc.record({
  name: fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/),
  firstSeq: count,
  lastSeq: count,
  bytes: count,
  segments: fc.array(segment, { maxLength: 3 }),
}, { noNullPrototype: true });
const views = fc.uniqueArray(view, { selector: ({ name }) => name, maxLength: 12 });

function all(table: ViewTable): TopicView[] {
  return [...table.names()].map((name) => table.get(name)!).sort(byName);
}

const byName = (a: TopicView, b: TopicView) => a.name < b.name ? -1 : 1;

Deno.test("ViewTable gives back every view that was put in, when it was packed, changed and packed again", () => {
  fc.assert(fc.property(views, views, fc.nat(), (first, second, pick) => {
    const before = new ViewTable();
    for (const one of first) before.set(one);
    const table = new ViewTable(structuredClone(before.pack()));
    assert.equal(table.size, first.length);
    for (const { name, firstSeq, lastSeq, bytes } of first) {
      assert.ok(table.has(name));
      assert.deepEqual(table.head(name), { firstSeq, lastSeq, bytes });
    }
    // Some are asked for, so that they are no longer columns; some are changed, one goes.
    for (const { name } of first.slice(0, pick % (first.length + 1))) table.get(name);
    for (const one of second) table.set(one);
    const expected = new Map([...first, ...second].map((one) => [one.name, one]));
    const gone = [...expected.keys()][pick % Math.max(1, expected.size)] ?? "none";
    table.delete(gone);
    expected.delete(gone);
    const again = new ViewTable(structuredClone(table.pack()));
    for (const one of [table, again]) {
      assert.deepEqual(all(one), [...expected.values()].sort(byName));
      for (const { name, firstSeq, lastSeq, bytes } of expected.values()) {
        assert.deepEqual(one.head(name), { firstSeq, lastSeq, bytes });
      }
      assert.equal(one.get(gone), undefined);
      assert.equal(one.head(gone), undefined);
    }
  }));
});

Deno.test("ViewTable refuses columns that do not fit each other", () => {
  const table = new ViewTable();
  table.set({ name: "a", firstSeq: 1, lastSeq: 0, bytes: 0, segments: [] });
  const { names, numbers } = table.pack();
  for (const wrong of [{ names: `${names}\nb`, numbers }, { names: "", numbers }]) {
    assert.throws(() => new ViewTable(wrong), RangeError);
  }
});
