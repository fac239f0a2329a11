/** Members that nobody gave are absent, all others as they are. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { defined } from "../../../core/base/defined.ts";

Deno.test("defined leaves out what is undefined, and nothing else", () => {
  const given = { text: "", zero: 0, no: false, nil: null, nan: NaN };
  assert.deepEqual(defined({ ...given, absent: undefined }), given);
  assert.deepEqual(Object.keys(defined({ b: 1, x: undefined, a: 2 })), ["b", "a"]);
});

Deno.test("defined in a spread keeps what stands there when a member is undefined", () => {
  const asked: { store?: string; level?: number } = { store: undefined, level: 2 };
  const settings: { store: string; level: number } = {
    ...{ store: "memory", level: 1 },
    ...defined({ store: asked.store, level: asked.level }),
  };
  assert.deepEqual(settings, { store: "memory", level: 2 });
});

Deno.test("defined gives for any object what JSON would keep of it", () => {
  const members = fc.dictionary(fc.string(), fc.option(fc.json(), { nil: undefined }));
  fc.assert(fc.property(members, (object) => {
    const kept = defined(object);
    assert.equal(JSON.stringify(kept), JSON.stringify(object));
    assert.ok(Object.values(kept).every((value) => value !== undefined));
  }));
});
