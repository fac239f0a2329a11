/** Every pair: an old schema, a new one, and where each direction breaks. */
import assert from "node:assert/strict";
import { breaksAgainst } from "../../../core/schema/compatibility/breaks.ts";
import { compareSchemas } from "../../../core/schema/compatibility/compare.ts";

type Pair = [name: string, older: unknown, newer: unknown, backward: string[], forward: string[]];

const object = (properties: Record<string, unknown>, rest: Record<string, unknown> = {}) => ({
  type: "object",
  properties,
  ...rest,
});
const closed = { additionalProperties: false };
const kind = (name: string, rest: Record<string, unknown> = {}) =>
  object({ kind: { const: name }, ...rest }, { required: ["kind"] });
const draft07 = { $schema: "http://json-schema.org/draft-07/schema#" };
const tree = (value: unknown) =>
  object({ value, children: { type: "array", items: { $ref: "#" } } });

// deno-fmt-ignore
const PAIRS: Pair[] = [
  // Required.
  ["a property becomes required", object({ a: {} }), object({ a: {} }, { required: ["a"] }), ["/required/0"], []],
  ["a property is no longer required", object({}, { required: ["a", "b"] }), object({}, { required: ["a"] }), [], ["/required/1"]],
  ["required stays, in another order", object({}, { required: ["a", "b"] }), object({}, { required: ["b", "a"] }), [], []],
  ["a default does not make up for what is missing", object({ a: { default: 1 } }), object({ a: { default: 1 } }, { required: ["a"] }), ["/required/0"], []],
  // Defaults and words.
  ["a default changes", { type: "string", default: "a" }, { type: "string", default: "b" }, [], []],
  ["words change", { type: "string", title: "A" }, { type: "string", description: "B", examples: ["b"] }, [], []],
  // Types.
  ["a type becomes another", { type: "string" }, { type: "number" }, ["/type"], ["/type"]],
  ["whole numbers become numbers", { type: "integer" }, { type: "number" }, [], ["/type"]],
  ["numbers become whole", { type: "number" }, { type: "integer" }, ["/type"], []],
  ["null is allowed too", { type: "string" }, { type: ["string", "null"] }, [], ["/type"]],
  ["nullable is null too", { type: "string" }, { type: "string", nullable: true }, [], ["/type"]],
  ["a type is asked for at last", {}, { type: "object" }, ["/type"], []],
  ["a whole multiple is a whole number", { type: "number", multipleOf: 2 }, { type: "integer" }, [], ["/multipleOf"]],
  ["everything is refused", true, false, [""], []],
  // Enum and const.
  ["a value leaves the enum", { enum: ["a", "b"] }, { enum: ["a"] }, ["/enum"], []],
  ["a value joins the enum", object({ c: { enum: ["a"] } }), object({ c: { enum: ["a", "b"] } }), [], ["/properties/c/enum"]],
  ["the enum changes its order", { enum: ["a", "b"] }, { enum: ["b", "a"] }, [], []],
  ["an enum becomes its type", { enum: ["a", "b"] }, { type: "string" }, [], ["/enum"]],
  ["a const becomes another", { const: 1 }, { const: 2 }, ["/const"], ["/const"]],
  ["an enum of true and false is boolean", { type: "boolean" }, { enum: [true, false] }, [], []],
  ["enum members that the type refuses do not count", { type: "string", enum: ["a", 1] }, { enum: ["a"] }, [], []],
  // Formats and patterns.
  ["a format is asked for", { type: "string" }, { type: "string", format: "email" }, ["/format"], []],
  ["a format changes", { type: "string", format: "email" }, { type: "string", format: "uri" }, ["/format"], ["/format"]],
  ["values of an enum have the format", { enum: ["a@example.com"] }, { type: "string", format: "email" }, [], ["/enum"]],
  ["a pattern is asked for", { type: "string" }, { type: "string", pattern: "^a" }, ["/pattern"], []],
  ["a pattern changes", { type: "string", pattern: "^a" }, { type: "string", pattern: "^b" }, ["/pattern"], ["/pattern"]],
  ["a pattern stays and a length goes", { type: "string", pattern: "^a", maxLength: 3 }, { type: "string", pattern: "^a" }, [], ["/maxLength"]],
  // Bounds.
  ["minimum rises", { type: "number", minimum: 0 }, { type: "number", minimum: 1 }, ["/minimum"], []],
  ["a bound becomes exclusive", { type: "number", maximum: 9 }, { type: "number", exclusiveMaximum: 9 }, ["/exclusiveMaximum"], []],
  ["a bound of another type says nothing", { type: "string" }, { type: "string", minimum: 5 }, [], []],
  ["lengths widen", { type: "string", minLength: 2, maxLength: 4 }, { type: "string", minLength: 1, maxLength: 5 }, [], ["/minLength", "/maxLength"]],
  ["multiples get finer", { type: "integer", multipleOf: 6 }, { type: "integer", multipleOf: 3 }, [], ["/multipleOf"]],
  ["fewer items are asked for", { type: "array", minItems: 2 }, { type: "array", minItems: 1 }, [], ["/minItems"]],
  ["items have to differ", { type: "array" }, { type: "array", uniqueItems: true }, ["/uniqueItems"], []],
  ["one item always differs", { type: "array", maxItems: 1 }, { type: "array", uniqueItems: true }, [], ["/maxItems"]],
  ["required properties are properties", object({}, { required: ["a", "b"] }), { type: "object", minProperties: 2 }, [], ["/required/0", "/required/1"]],
  ["a closed object has no more than it lists", object({ a: {}, b: {} }, closed), { type: "object", maxProperties: 2 }, [], ["/additionalProperties"]],
  // Items.
  ["items get a type", { type: "array" }, { type: "array", items: { type: "string" } }, ["/items/type"], []],
  ["a first item changes", { type: "array", prefixItems: [{ type: "string" }] }, { type: "array", prefixItems: [{ type: "number" }] }, ["/prefixItems/0/type"], ["/prefixItems/0/type"]],
  ["further items are refused", { type: "array", prefixItems: [{}] }, { type: "array", prefixItems: [{}], items: false }, ["/items"], []],
  ["a tuple of draft-07", { ...draft07, type: "array", items: [{}], additionalItems: false }, { ...draft07, type: "array", maxItems: 1 }, [], []],
  ["an item has to be among them", { type: "array" }, { type: "array", contains: { const: 1 } }, ["/contains"], []],
  // Properties.
  ["an open object gets a typed property", object({}), object({ a: { type: "string" } }), ["/properties/a"], []],
  ["an open object gets a property of any kind", object({}), object({ a: {} }), [], []],
  ["a closed object gets a property", object({}, closed), object({ a: { type: "string" } }, closed), [], ["/additionalProperties"]],
  ["an open object is closed", object({ a: {} }), object({ a: {} }, closed), ["/additionalProperties"], []],
  ["a property goes from a closed object", object({ a: {}, b: {} }, closed), object({ a: {} }, closed), ["/additionalProperties"], []],
  ["other properties get a type", object({}), object({}, { additionalProperties: { type: "string" } }), ["/additionalProperties/type"], []],
  ["a listed name falls under the others", object({ a: { type: "string" } }, closed), object({}, { additionalProperties: { type: "string" } }), [], ["/additionalProperties"]],
  ["a pattern of names stays", object({}, { patternProperties: { "^x": { type: "integer" } } }), object({}, { patternProperties: { "^x": { type: "number" } } }), [], ["/patternProperties/^x/type"]],
  ["a listed name matches a pattern", object({ xa: { type: "string" } }, closed), object({}, { patternProperties: { "^x": { type: "number" } }, ...closed }), ["/patternProperties/^x/type"], ["/additionalProperties", "/properties/xa/type"]],
  ["unevaluatedProperties alone is additionalProperties", object({ a: {} }), object({ a: {} }, { unevaluatedProperties: false }), ["/unevaluatedProperties"], []],
  ["unevaluatedProperties means nothing in draft-07", { ...draft07, ...object({ a: {} }, { unevaluatedProperties: false }) }, { ...draft07, ...object({ a: {} }, closed) }, ["/additionalProperties"], []],
  ["names have to follow a rule", object({ a: {}, bb: {} }, closed), object({}, { propertyNames: { maxLength: 1 } }), ["/propertyNames"], ["/additionalProperties"]],
  ["a property asks for another", object({}), object({}, { dependentRequired: { a: ["b"] } }), ["/dependentRequired/a"], []],
  ["both of a pair were required", object({}, { required: ["a", "b"] }), object({}, { dependentRequired: { a: ["b"] } }), [], ["/required/0", "/required/1"]],
  ["dependencies of draft-07", { ...draft07, ...object({}) }, { ...draft07, ...object({}, { dependencies: { a: ["b"] } }) }, ["/dependencies/a"], []],
  // Alternatives.
  ["an alternative joins", { oneOf: [kind("a"), kind("b")] }, { oneOf: [kind("a"), kind("b"), kind("c")] }, [], ["/oneOf"]],
  ["an alternative goes", { oneOf: [kind("a"), kind("b")] }, { oneOf: [kind("a")] }, ["/oneOf"], []],
  ["an alternative asks for more", { oneOf: [kind("a"), kind("b")] }, { oneOf: [kind("a"), { ...kind("b"), required: ["kind", "x"] }] }, ["/oneOf"], []],
  ["oneOf with two that fit at once", { type: "integer" }, { oneOf: [{ type: "integer" }, { type: "number" }] }, ["/oneOf"], ["/type"]],
  ["a type becomes one of several", { type: "string" }, { anyOf: [{ type: "number" }, { type: "string" }] }, [], ["/type"]],
  ["types as alternatives", { type: ["string", "null"] }, { anyOf: [{ type: "string" }, { type: "null" }] }, [], []],
  ["parts of allOf are one schema", { allOf: [{ type: "string" }, { minLength: 2 }] }, { type: "string", minLength: 2 }, [], []],
  ["something is forbidden", { type: "string" }, { type: "string", not: { const: "x" } }, ["/not"], []],
  ["what is forbidden never came", { type: "string" }, { not: { type: "number" } }, [], ["/type"]],
  ["less is forbidden", { type: "string", not: { maxLength: 3 } }, { type: "string", not: { maxLength: 2 } }, [], ["/not"]],
  ["a condition joins", object({ a: { type: "string" } }), object({ a: { type: "string" } }, { if: { required: ["a"] }, then: { required: ["b"] } }), ["/then/required/0"], []],
  // References.
  ["a reference is what it names", { $ref: "#/$defs/a", $defs: { a: { type: "string" } } }, { type: "string" }, [], []],
  ["what is referred to changes", object({ a: { $ref: "#/$defs/a" } }, { $defs: { a: { type: "string" } } }), object({ a: { $ref: "#/$defs/a" } }, { $defs: { a: { type: "number" } } }), ["/$defs/a/type"], ["/$defs/a/type"]],
  ["the name of a definition changes", object({ a: { $ref: "#/$defs/a" } }, { $defs: { a: { type: "string" } } }), object({ a: { $ref: "#/$defs/b" } }, { $defs: { b: { type: "string" } } }), [], []],
  ["an anchor", { $ref: "#here", $defs: { a: { $anchor: "here", type: "string" } } }, { $ref: "#here", $defs: { a: { $anchor: "here", type: "integer" } } }, ["/$defs/a/type"], ["/$defs/a/type"]],
  ["a tree widens its values", tree({ type: "integer" }), tree({ type: "number" }), [], ["/properties/value/type"]],
  ["a tree narrows its values", tree({ type: "string" }), tree({ type: "string", maxLength: 9 }), ["/properties/value/maxLength"], []],
  ["a name that has to be escaped", object({ "a/b~c": { type: "string" } }), object({ "a/b~c": { type: "number" } }), ["/properties/a~1b~0c/type"], ["/properties/a~1b~0c/type"]],
];

for (const [name, older, newer, backward, forward] of PAIRS) {
  Deno.test(`compareSchemas knows the way when ${name}`, async () => {
    const comparison = await compareSchemas(older, newer);
    const pointers = (breaks: { pointer: string }[]) =>
      [...new Set(breaks.map(({ pointer }) => pointer))].sort();
    assert.deepEqual(
      { backward: pointers(comparison.backward), forward: pointers(comparison.forward) },
      { backward: backward.toSorted(), forward: forward.toSorted() },
      JSON.stringify(comparison),
    );
    for (const { message } of [...comparison.backward, ...comparison.forward]) {
      assert.match(message, /old|new|compare/);
    }
  });
}

Deno.test("breaksAgainst takes the directions that a level names", () => {
  const back = { pointer: "/a", message: "b" };
  const ahead = { pointer: "/c", message: "d" };
  const comparison = { backward: [back], forward: [ahead] };
  assert.deepEqual(breaksAgainst("none", comparison), []);
  assert.deepEqual(breaksAgainst("backward", comparison), [back]);
  assert.deepEqual(breaksAgainst("forward", comparison), [ahead]);
  assert.deepEqual(breaksAgainst("full", comparison), [back, ahead]);
});

Deno.test("compareSchemas ends in words when two schemas are made to be hard", async () => {
  const wide = (last: unknown) => ({
    allOf: Array.from({ length: 30 }, (_, i) => ({
      anyOf: [object({ [`a${i}`]: { type: "string" } }), object({ [`b${i}`]: { const: last } })],
    })),
  });
  const { backward } = await compareSchemas(wide(1), wide(2));
  assert.ok(backward.length > 0);
});
