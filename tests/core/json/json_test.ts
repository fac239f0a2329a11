/** JSON text split without reserialising it, with faults located exactly, for any text. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  assertDepth,
  faultPosition,
  MAX_DEPTH,
  parseJson,
  place,
  pointerGet,
  splitElements,
  splitMembers,
} from "../../../core/json/json.ts";

/** Printed as anyone might: with or without spaces, on one line or many. */
const printed = fc.tuple(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom("", " ", "\t", "\r\n  "))
  .map(([value, space]) => ({
    value,
    text: space + JSON.stringify(value, null, space.trimStart() === "" ? space.length : 0) + space,
  }));

/**
 * Arrays and objects of whole numbers and plain strings: in these, any character that does not fit
 * is a fault by itself.
 */
const plainText = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.nat(),
    fc.stringMatching(/^[a-z ]{0,8}$/),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), tie("value"), { maxKeys: 4 }),
  ),
})).value.map((value) => JSON.stringify(value));

Deno.test("faultPosition is the place of a control character when it is put anywhere into a valid text", () => {
  fc.assert(fc.property(plainText, fc.nat(), (text, where) => {
    const at = where % (text.length + 1);
    assert.equal(faultPosition(`${text.slice(0, at)}\u0001${text.slice(at)}`), at);
  }));
});

Deno.test("faultPosition is the end of the text when a valid one was cut", () => {
  fc.assert(fc.property(plainText, fc.nat(), (text, where) => {
    const cut = text.slice(0, where % text.length);
    fc.pre(/[[{"]/.test(cut)); // a part of a number is a number
    assert.equal(faultPosition(cut), cut.length);
  }));
});

Deno.test("faultPosition stays in the text whatever it is", () => {
  const scraps = fc.array(
    fc.constantFrom(
      ...'{}[],:"\\ \n-01e.tfn/u'.split(""),
      '"a"',
      "\\u00e9",
      "true",
      "null",
      "é",
      "𝄞",
    ),
  ).map((parts) => parts.join(""));
  fc.assert(
    fc.property(scraps, (text) => {
      try {
        JSON.parse(text);
      } catch {
        const at = faultPosition(text);
        assert.ok(at >= 0 && at <= text.length, `${at} of ${text.length}`);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("faultPosition stands on the part that is wrong", () => {
  for (
    const [text, at] of [
      ['{"a":1,}', 7],
      ["[1,]", 3],
      ["[1 2]", 3],
      ['{"a" 1}', 5],
      ["{a:1}", 1],
      ['"\\x"', 1],
      ['"\\u12g4"', 1],
      ['"\\', 1],
      ["tru", 0],
      ["01", 1],
      ["1.", 1],
      ["[1}", 2],
      ["1 2", 2],
      ["", 0],
    ] as const
  ) assert.equal(faultPosition(text), at, text);
});

Deno.test("parseJson says where the fault is when a string of many megabytes stands before it", () => {
  const long = "x".repeat(20_000_000);
  assert.throws(() => parseJson(`{"a":"${long}" oops}`), {
    code: "event/invalid-json",
    message: `not valid JSON: unexpected "o" at column ${long.length + 9}`,
  });
  assert.throws(() => parseJson(`"${long}`), { message: /it ends too early/ });
});

Deno.test("splitMembers gives each member as it stands when an object was printed in any way", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(3), (object, spaces) => {
    const text = JSON.stringify(object, null, spaces);
    const bytes = new TextEncoder().encode(text);
    const members = splitMembers(text, bytes);
    assert.deepEqual(members.map(({ name }) => name), Object.keys(JSON.parse(text)));
    for (const { name, text: part, bytes: raw } of members) {
      assert.deepEqual(JSON.parse(part), JSON.parse(text)[name]);
      assert.equal(part, part.trim());
      assert.equal(new TextDecoder().decode(raw), part);
    }
  }));
});

Deno.test("splitMembers gives a name twice when the object has it twice", () => {
  const text = '{"a":1,"a":2}';
  const members = splitMembers(text, new TextEncoder().encode(text));
  assert.deepEqual(members.map(({ name, text }) => [name, text]), [["a", "1"], ["a", "2"]]);
});

Deno.test("splitElements gives each element as it stands when an array was printed in any way", () => {
  fc.assert(fc.property(fc.array(fc.jsonValue()), fc.nat(3), (array, spaces) => {
    const text = JSON.stringify(array, null, spaces);
    const elements = splitElements(text, new TextEncoder().encode(text));
    assert.deepEqual(elements.map((part) => JSON.parse(part.text)), JSON.parse(text));
    for (const part of elements) assert.equal(new TextDecoder().decode(part.bytes), part.text);
  }));
});

Deno.test("splitElements says where the fault is when the array is not valid", () => {
  const text = '["a",b]';
  assert.throws(() => splitElements(text, new TextEncoder().encode(text)), {
    message: 'not valid JSON: unexpected "b" at column 6',
  });
});

Deno.test("assertDepth counts what nests and not what stands in strings", () => {
  const nested = (levels: number) => `${"[".repeat(levels)}"[[[{{\\""${"]".repeat(levels)}`;
  assertDepth(nested(MAX_DEPTH));
  assert.throws(() => assertDepth(nested(MAX_DEPTH + 1)), {
    code: "event/too-deep",
    message: `nested deeper than ${MAX_DEPTH} at column ${MAX_DEPTH + 1}`,
  });
  assertDepth(nested(MAX_DEPTH + 1), { around: 1 });
  assertDepth(`[${"[],".repeat(500)}[]]`);
});

Deno.test("parseJson gives what JSON.parse gives when the text is valid", () => {
  fc.assert(fc.property(printed, ({ text }) => {
    assert.deepEqual(parseJson(text), JSON.parse(text));
  }));
});

Deno.test("place counts lines and columns from 1", () => {
  assert.deepEqual(place("ab\ncd", 0), { line: 1, column: 1 });
  assert.deepEqual(place("ab\ncd", 2), { line: 1, column: 3 });
  assert.deepEqual(place("ab\ncd", 3), { line: 2, column: 1 });
});

Deno.test("pointerGet finds what stands there, nothing else, and throws nothing", () => {
  const value = { "a/b": [{ "m~n": 1 }], "": 2 };
  assert.equal(pointerGet(value, "/a~1b/0/m~0n"), 1);
  assert.equal(pointerGet(value, "/"), 2);
  assert.equal(pointerGet(value, ""), value);
  for (const pointer of ["a", "/toString", "/a~1b/length/x", "/a~1b/1", "/__proto__"]) {
    assert.equal(pointerGet(value, pointer), undefined, pointer);
  }
  fc.assert(fc.property(fc.jsonValue(), fc.string(), (any, pointer) => {
    pointerGet(any, pointer);
  }));
});
