/** The order in which the keywords of an array are checked. */
import assert from "node:assert/strict";
import { loadCompiler } from "../../../../core/schema/validator/validator.ts";

Deno.test("JsonSchemaRegistry checks the rest of an array when it is too short for a list of items", async () => {
  const compile = await loadCompiler();
  const fits = (schema: unknown, payload: unknown) => compile(schema)(payload).length === 0;
  const draft07 = { $schema: "http://json-schema.org/draft-07/schema#" };
  const second = [true, true, { type: "number" }];
  const cases: [Record<string, unknown>, unknown[]][] = [
    [{ prefixItems: [{ type: "number" }], contains: {} }, []],
    [{ prefixItems: second, contains: { const: 1 } }, [2, 3]],
    [{ prefixItems: second, uniqueItems: true }, [1, 1]],
    [{ ...draft07, items: [{ type: "number" }], contains: {} }, []],
    [{ ...draft07, items: second, uniqueItems: true }, [1, 1]],
  ];
  for (const [schema, items] of cases) {
    assert.ok(!fits(schema, items), JSON.stringify([schema, items]));
  }
  const closed = { prefixItems: second, contains: {}, unevaluatedItems: false };
  assert.ok(fits(closed, [1, 2]));
  const counted = { prefixItems: [{ type: "number" }], items: { type: "string" }, contains: {} };
  assert.ok(!fits(counted, [1, 2]));
});
