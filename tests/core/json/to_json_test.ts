/**
 * Values that JSON cannot represent are refused by name and location; all others are printed as
 * JSON prints them.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { InvalidSchemaError } from "../../../core/base/errors.ts";
import { isPlainJson, schemaToJson, toJson, unplainPart } from "../../../core/json/to_json.ts";

const cycle: Record<string, unknown> = { a: [{}] };
(cycle["a"] as unknown[])[0] = cycle;
class Money {
  cents = 5;
  toJSON() {
    return { cents: this.cents, of: new Map() };
  }
}
class Point {
  x = 1;
}

const UNSPEAKABLE: [value: unknown, pointer: string, name: RegExp][] = [
  [undefined, "", /undefined/],
  [() => 1, "", /a function/],
  [{ a: { "b/c": Symbol("s") } }, "/a/b~1c", /a symbol/],
  [{ n: 1n }, "/n", /a bigint/],
  [{ n: Object(1n) }, "/n", /a bigint/],
  [[1, NaN], "/1", /NaN/],
  [{ a: -Infinity }, "/a", /-Infinity/],
  [{ a: new Number(NaN) }, "/a", /NaN/],
  [[1, undefined], "/1", /undefined/],
  // deno-lint-ignore no-sparse-arrays -- a hole is what is refused
  [[1, , 2], "/1", /undefined/],
  [{ at: new Date(NaN) }, "/at", /an invalid Date/],
  [new Map([[1, 2]]), "", /a Map/],
  [{ s: [new Set([1])] }, "/s/0", /a Set/],
  [{ w: new WeakMap() }, "/w", /a WeakMap/],
  [{ w: new WeakSet() }, "/w", /a WeakSet/],
  [{ w: new WeakRef({}) }, "/w", /a WeakRef/],
  [{ b: new Uint8Array([1]) }, "/b", /a Uint8Array/],
  [{ b: new Float64Array(0) }, "/b", /a Float64Array/],
  [{ b: new BigInt64Array(1) }, "/b", /a BigInt64Array/],
  [{ b: new ArrayBuffer(2) }, "/b", /an ArrayBuffer/],
  [{ b: new SharedArrayBuffer(2) }, "/b", /a SharedArrayBuffer/],
  [{ b: new DataView(new ArrayBuffer(1)) }, "/b", /a DataView/],
  [{ r: /x/ }, "/r", /a RegExp/],
  [{ e: new RangeError("no") }, "/e", /an Error/],
  [{ e: Object.assign(new Error("no"), { code: 1 }) }, "/e", /an Error/],
  [{ p: Promise.resolve() }, "/p", /a Promise/],
  [{ q: new URLSearchParams("a=1") }, "/q", /a URLSearchParams/],
  [{ b: new Blob([]) }, "/b", /a Blob/],
  [cycle, "/a/0", /a part of itself/],
  [{ money: new Money() }, "/money/of", /a Map/],
  [{ deep: new Point(), more: { m: new Map() } }, "/more/m", /a Map/],
  [{ toJSON: () => undefined }, "", /undefined/],
  [{ list: [{ toJSON: () => () => 1 }] }, "/list/0", /a function/],
];

Deno.test("toJson refuses what JSON cannot say, by name and pointer", () => {
  for (const [value, pointer, name] of UNSPEAKABLE) {
    assert.equal(isPlainJson(value), false);
    assert.throws(() => toJson(value, "the payload"), (error: Error & Record<string, unknown>) => {
      assert.equal(error["code"], "event/invalid-payload", String(name));
      assert.match(error.message, /^the payload is not JSON: /);
      assert.match(error.message, name);
      assert.equal((error["details"] as { pointer: string }).pointer, pointer, error.message);
      assert.match(String(error["hint"]), /\S/);
      return true;
    });
  }
});

Deno.test("toJson prints what JSON says: after toJSON, without absent members, unboxed", () => {
  const printed = (value: unknown) => toJson(value, "the payload");
  const at = new Date("2026-11-29T01:02:03Z");
  assert.equal(printed({ at, gone: undefined }), '{"at":"2026-11-29T01:02:03.000Z"}');
  assert.equal(printed(new Point()), '{"x":1}');
  assert.equal(printed(Object.create(null, { a: { value: 1, enumerable: true } })), '{"a":1}');
  assert.equal(printed([new Number(1), new String("s"), new Boolean(true)]), '[1,"s",true]');
  assert.equal(printed({ url: new URL("https://example.com/") }), '{"url":"https://example.com/"}');
  class Pairs extends Map<string, number> {
    toJSON() {
      return [...this];
    }
  }
  assert.equal(printed({ map: new Pairs([["a", 1]]) }), '{"map":[["a",1]]}');
  const shared = { n: 1 };
  assert.equal(
    printed({ a: shared, b: [shared, new Point()] }),
    '{"a":{"n":1},"b":[{"n":1},{"x":1}]}',
  );
  assert.equal(printed({ "": { "": new Point() } }), '{"":{"":{"x":1}}}');
});

Deno.test("toJson prints any JSON value as JSON.stringify does, plain or not", () => {
  const hidden = Symbol("hidden");
  fc.assert(fc.property(fc.jsonValue(), (drawn) => {
    const value = JSON.parse(JSON.stringify(drawn));
    assert.ok(isPlainJson(value));
    assert.equal(toJson(value, "it"), JSON.stringify(value));
    // The same by the careful way: a class of one's own.
    class Holder {
      value = value;
      [hidden] = 1;
    }
    assert.equal(toJson(new Holder(), "it"), JSON.stringify({ value }));
  }));
});

Deno.test("toJson refuses what nests too deep, whatever it is made of", () => {
  let plain: unknown = 1;
  let own: unknown = new Point();
  for (let depth = 0; depth < 10_000; depth++) {
    plain = [plain];
    own = Object.assign(new Point(), { own });
  }
  for (const value of [plain, own]) {
    assert.throws(() => toJson(value, "the payload"), { code: "event/too-deep" });
  }
});

Deno.test("schemaToJson refuses a schema with a bound that JSON cannot say", () => {
  assert.throws(() => schemaToJson({ maximum: Infinity }), (error) => {
    assert.ok(error instanceof InvalidSchemaError);
    assert.match(error.message, /the schema is not JSON: \/maximum is Infinity/);
    return true;
  });
});

Deno.test("unplainPart names what would come back from JSON as something else", () => {
  for (const [value, , name] of UNSPEAKABLE) assert.ok(unplainPart(value), String(name));
  const some: [unknown, string, string][] = [
    [{ "a/b": [1, new Map()] }, "/a~1b/1", "a Map"],
    [new Set(), "", "a Set"],
    [{ n: 1n }, "/n", "a bigint"],
    [[undefined], "/0", "undefined"],
    [{ n: -Infinity }, "/n", "-Infinity"],
    [{ b: new Uint8Array(1) }, "/b", "a Uint8Array"],
    [{ f: () => 1 }, "/f", "a function"],
    [cycle, "/a/0", "a part of itself"],
    [{ at: new Date(0) }, "/at", "a Date"],
    [{ a: [{ p: new Point() }] }, "/a/0/p", "an object of a class"],
    [{ m: new Money() }, "/m", "an object of a class"],
    [{ n: new Number(1) }, "/n", "an object of a class"],
  ];
  for (const [value, pointer, found] of some) {
    const part = unplainPart(value);
    assert.deepEqual([part?.pointer, part?.found], [pointer, found]);
    assert.ok(part!.hint.length > 0);
  }
});

Deno.test("unplainPart finds nothing in what JSON keeps", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    assert.equal(unplainPart(value), undefined);
  }));
  assert.equal(unplainPart({ a: undefined, b: Object.create(null) }), undefined);
  let deep: unknown = 1;
  for (let i = 0; i < 200; i++) deep = [deep];
  assert.equal(unplainPart(deep), undefined, "nor in what is nested too deeply for an event");
  const shared = {};
  assert.equal(unplainPart([shared, shared]), undefined);
});
