/** ajv and our evaluator give the same verdict wherever ajv is used, and all bounds are exact. */
import assert from "node:assert/strict";
import fc from "../../../packages/fast_check.ts";
import { parseExact } from "../../../../core/json/exact.ts";
import { loadCompiler } from "../../../../core/schema/validator/validator.ts";
import {
  compareFractions,
  decimalText,
  divides,
  fractionOf,
} from "../../../helpers/decimal_text.ts";
import { dose } from "../../../helpers/dose.ts";

const name = fc.constantFrom("a", "b", "c", "x-1", "x-2");
const small = fc.nat({ max: 3 });

/** Values that schemas like the ones below often take and often do not. */
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(null, true, false, 0, 1, 2, 3, 1.5, -1, "", "a", "ab", "x-1", "é", "\u{1f600}"),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(name, tie("value"), { maxKeys: 3 }),
  ),
})).value.map((drawn) => JSON.parse(JSON.stringify(drawn)));

/** Schemas of every keyword that ajv is trusted with. */
const schema = fc.letrec((tie) => {
  const part = tie("schema");
  const some = (key: string, of: fc.Arbitrary<unknown>) => fc.record({ [key]: of });
  return {
    schema: fc.oneof(
      { maxDepth: 4 },
      fc.boolean(),
      fc.oneof(
        some("type", fc.constantFrom("string", "number", "integer", "object", "array", "null")),
        some("type", fc.constant(["boolean", "object", "array"])),
        some(
          "enum",
          fc.uniqueArray(value, { minLength: 1, maxLength: 3, comparator: "IsStrictlyEqual" }),
        ),
        some("const", value),
        some("minimum", fc.integer({ min: -1, max: 3 })),
        some("exclusiveMaximum", small),
        some("multipleOf", fc.constantFrom(1, 2, 0.5, 0.3)),
        some("minLength", small),
        some("maxLength", small),
        some("pattern", fc.constantFrom("^a", "b$", "^x-")),
        some("uniqueItems", fc.boolean()),
        some("minItems", small),
        some("maxItems", small),
        some("maxProperties", small),
        some("required", fc.uniqueArray(name, { maxLength: 2 })),
        some("dependentRequired", fc.dictionary(name, fc.uniqueArray(name, { maxLength: 2 }))),
        fc.constant({ $ref: "#/$defs/d" }),
      ),
      fc.tuple(
        fc.dictionary(name, part, { maxKeys: 3 }),
        part,
        fc.dictionary(fc.constantFrom("^x-", "b"), part),
      )
        .chain(([properties, additionalProperties, patternProperties]) =>
          fc.subarray(["properties", "additionalProperties", "patternProperties"]).map((kept) =>
            Object.fromEntries(
              Object.entries({ properties, additionalProperties, patternProperties })
                .filter(([key]) => kept.includes(key)),
            )
          )
        ),
      some("propertyNames", part),
      fc.record({ prefixItems: fc.array(part, { minLength: 1, maxLength: 2 }), items: part }),
      some("allOf", fc.array(part, { minLength: 1, maxLength: 2 })),
      some("anyOf", fc.array(part, { minLength: 1, maxLength: 3 })),
      some("oneOf", fc.array(part, { minLength: 1, maxLength: 3 })),
      some("not", part),
      fc.record({ if: part, then: part, else: part }),
      some("dependentSchemas", fc.dictionary(name, part, { maxKeys: 2 })),
      fc.tuple(part, part).map(([a, b]) =>
        typeof a === "object" && typeof b === "object" ? { ...a as object, ...b as object } : a
      ),
    ),
  };
}).schema;

Deno.test("a validator has one verdict whether ajv or the evaluator is asked", async () => {
  const compile = await loadCompiler();
  fc.assert(
    fc.property(schema, fc.array(value, { minLength: 5, maxLength: 12 }), (drawn, payloads) => {
      const $defs = { d: { type: ["number", "object"], maximum: 2 } };
      const root = typeof drawn === "object" ? { ...drawn as object, $defs } : drawn;
      // An anchor changes no verdict, and is nothing that ajv is trusted with.
      const marked = typeof root === "object" ? { ...root, $anchor: "root" } : root;
      const [first, second] = [compile(root), compile(marked)];
      for (const payload of payloads) {
        assert.equal(
          first(payload).length === 0,
          second(payload).length === 0,
          `${JSON.stringify(root)} on ${JSON.stringify(payload)}`,
        );
      }
    }),
    { numRuns: dose(300) },
  );
});

Deno.test("contains is judged for each item by itself, whatever the item before has", async () => {
  const compile = await loadCompiler();
  const draft7 = { $schema: "http://json-schema.org/draft-07/schema#" };
  const contains = { contains: { type: "null" } };
  for (const dialect of [{}, draft7]) {
    for (
      const [schema, payload, isValid] of [
        [{ items: contains }, [[null], []], false],
        [{ items: contains }, [[null], [null]], true],
        [{ additionalProperties: contains }, { a: [null], b: [] }, false],
        [{ properties: { a: contains, b: contains } }, { a: [null], b: [] }, false],
        [{ items: { anyOf: [contains, { type: "object" }] } }, [[null], []], false],
      ] as const
    ) {
      const faults = compile({ ...dialect, ...schema })(payload);
      assert.equal(faults.length === 0, isValid, JSON.stringify([dialect, schema, payload]));
    }
  }
  const twice = { contains, minContains: 2 };
  assert.notDeepEqual(compile(twice)([[null], []]), []);
  assert.deepEqual(compile(twice)([[null], [null, 1]]), []);
});

Deno.test("bounds and multiples of a schema follow exact arithmetic for any number", async () => {
  const compile = await loadCompiler();
  const bounds: [keyword: string, fits: (order: number) => boolean][] = [
    ["minimum", (order) => order >= 0],
    ["exclusiveMinimum", (order) => order > 0],
    ["maximum", (order) => order <= 0],
    ["exclusiveMaximum", (order) => order < 0],
    ["const", (order) => order === 0],
  ];
  const near = decimalText.chain((text) =>
    fc.tuple(
      fc.constant(text),
      fc.oneof(decimalText, fc.constant(text), fc.constant(`${text}0`.replace(/e.*0$/i, "e1"))),
    )
  ).filter(([, other]) => /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(other));
  fc.assert(
    fc.property(fc.constantFrom(...bounds), near, ([keyword, fits], [limit, text]) => {
      const judge = compile(parseExact(`{"properties":{"n":{"${keyword}":${limit}}}}`));
      const order = compareFractions(fractionOf(text), fractionOf(limit));
      assert.equal(
        judge(parseExact(`{"n":${text}}`)).length === 0,
        fits(order),
        `${text} ${limit}`,
      );
      assert.equal(judge(parseExact(`{"n":"${text}"}`)).length === 0, keyword !== "const");
    }),
    { numRuns: dose(300) },
  );
  fc.assert(
    fc.property(
      decimalText.filter((text) => fractionOf(text).over > 0n),
      decimalText,
      (step, text) => {
        const judge = compile(parseExact(`{"multipleOf":${step}}`));
        const expected = divides(fractionOf(text), fractionOf(step));
        assert.equal(judge(parseExact(text)).length === 0, expected, `${text} by ${step}`);
      },
    ),
    { numRuns: dose(200) },
  );
});
