/**
 * For any two schemas: if a direction is judged compatible, no payload of one is refused by the
 * other.
 */
import fc from "../../packages/fast_check.ts";
import assert from "node:assert/strict";
import { InvalidSchemaError } from "../../../core/base/errors.ts";
import { compareSchemas } from "../../../core/schema/compatibility/compare.ts";
import { loadCompiler } from "../../../core/schema/validator/validator.ts";
import { dose } from "../../helpers/dose.ts";

const NAMES = ["a", "b", "xa"];

// Small worlds on both sides, so that schemas and payloads meet.
const { schema } = fc.letrec<{ schema: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom<unknown>(
      true,
      false,
      {},
      { type: "null" },
      { type: "boolean" },
      { type: "integer" },
      { const: 1 },
      { enum: ["a", 1, null] },
    ),
    fc.record({
      type: fc.constantFrom<unknown>("number", "integer", ["number", "null"]),
      minimum: fc.integer({ min: -1, max: 2 }),
      exclusiveMaximum: fc.integer({ min: 1, max: 4 }),
      multipleOf: fc.constantFrom(1, 2, 0.5),
    }, { requiredKeys: [] }),
    fc.record({
      type: fc.constant("string"),
      minLength: fc.integer({ min: 0, max: 2 }),
      maxLength: fc.integer({ min: 0, max: 3 }),
      pattern: fc.constantFrom("^a", "b"),
      format: fc.constantFrom("date", "email"),
    }, { requiredKeys: [] }),
  ),
  schema: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.record({
      type: fc.constant("object"),
      properties: fc.dictionary(fc.constantFrom(...NAMES), tie("schema"), { maxKeys: 3 }),
      required: fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 2 }),
      additionalProperties: tie("schema"),
      patternProperties: fc.dictionary(fc.constantFrom("^x", "a$"), tie("schema"), { maxKeys: 2 }),
      propertyNames: fc.constantFrom<unknown>({ maxLength: 1 }, { pattern: "^a" }, true),
      minProperties: fc.integer({ min: 0, max: 2 }),
      maxProperties: fc.integer({ min: 0, max: 3 }),
      dependentRequired: fc.constantFrom<unknown>({ a: ["b"] }, { b: ["a", "xa"] }),
      dependentSchemas: fc.dictionary(fc.constantFrom("a", "b"), tie("schema"), { maxKeys: 1 }),
      unevaluatedProperties: tie("leaf"),
    }, { requiredKeys: [] }),
    fc.record({
      type: fc.constant("array"),
      prefixItems: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }),
      items: tie("schema"),
      minItems: fc.integer({ min: 0, max: 2 }),
      maxItems: fc.integer({ min: 0, max: 3 }),
      uniqueItems: fc.boolean(),
      contains: tie("leaf"),
      minContains: fc.integer({ min: 0, max: 2 }),
    }, { requiredKeys: [] }),
    fc.record({
      anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }),
      oneOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }),
      allOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }),
      not: tie("schema"),
      if: tie("schema"),
      then: tie("schema"),
      else: tie("schema"),
    }, { requiredKeys: [] }),
    fc.record({ $ref: fc.constantFrom("#/$defs/one", "#/$defs/two") }),
  ),
}));

const whole = fc.tuple(schema, fc.record({ one: schema, two: schema })).map(([root, $defs]) =>
  typeof root === "object" ? { ...root, $defs } : root
);

const { payload } = fc.letrec((tie) => ({
  payload: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, 0, 1, 2, -1, 3, 0.5, 1.5, "", "a", "ab", "b", "xyz"),
    fc.constantFrom<unknown>("2026-11-24", "a@example.com", [1, 1], ["a", 1]),
    fc.dictionary(fc.constantFrom(...NAMES, "c"), tie("payload"), { maxKeys: 3 }),
    fc.array(tie("payload"), { maxLength: 3 }),
  ),
}));

/** A change of the kind that people make: a keyword goes, comes or gets another value, anywhere. */
function edited(older: unknown, edit: { at: number; other: unknown; keep: boolean }): unknown {
  const copy = structuredClone(older);
  const places: Record<string, unknown>[] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if (!Array.isArray(value)) places.push(value as Record<string, unknown>);
    Object.values(value).forEach(walk);
  };
  walk(copy);
  const place = places[edit.at % Math.max(1, places.length)];
  if (place === undefined) return edit.other;
  const keys = Object.keys(place).filter((key) => key !== "$defs");
  const key = keys[edit.at % Math.max(1, keys.length)];
  if (key !== undefined) delete place[key];
  if (!edit.keep && typeof edit.other === "object") Object.assign(place, edit.other);
  return copy;
}

const pairs = fc.oneof(
  fc.tuple(whole, whole),
  fc.tuple(
    whole,
    fc.record({ at: fc.nat({ max: 40 }), other: schema, keep: fc.boolean() }),
  ).map(([older, edit]) => [older, edited(older, edit)] as [unknown, unknown]),
);

Deno.test("compareSchemas calls nothing compatible when a payload would be refused", async () => {
  const compile = await loadCompiler();
  const seen = { judged: 0, payloads: 0 };
  await fc.assert(
    fc.asyncProperty(
      pairs,
      fc.array(payload, { minLength: 30, maxLength: 60 }),
      async ([older, newer], payloads) => {
        let old, next;
        try {
          old = compile(older);
          next = compile(newer);
        } catch (error) {
          if (!(error instanceof InvalidSchemaError)) throw error;
          // Not a schema that could be registered: a reference to itself, or a keyword out of
          // place.
          fc.pre(false);
          return;
        }
        const { backward, forward } = await compareSchemas(older, newer);
        for (
          const [breaks, writer, reader] of [[backward, old, next], [forward, next, old]] as const
        ) {
          if (breaks.length > 0) continue;
          seen.judged++;
          for (const value of payloads) {
            if (writer(value).length > 0) continue;
            seen.payloads++;
            assert.deepEqual(reader(value), [], `refused: ${JSON.stringify(value)}`);
          }
        }
      },
    ),
    { numRuns: dose(100) },
  );
  // The test means something only where many pairs were judged compatible and many payloads were
  // tried.
  assert.ok(seen.judged > 20 && seen.payloads > 20, JSON.stringify(seen));
});
