/**
 * Schemas follow their draft, even where ajv does not, and every accepted schema can validate every
 * payload.
 */
import assert from "node:assert/strict";
import { InvalidSchemaError } from "../../../../core/base/errors.ts";
import { parseExact } from "../../../../core/json/exact.ts";
import { loadCompiler } from "../../../../core/schema/validator/validator.ts";

const DRAFT_07 = "http://json-schema.org/draft-07/schema#";

/** A schema, the payloads that fit it, and those that do not, as JSON. */
interface Rule {
  what: string;
  schema: unknown;
  fits: string[];
  refuses: string[];
}

async function check({ what, schema, fits, refuses }: Rule): Promise<void> {
  const compile = await loadCompiler();
  const validate = compile(parseExact(JSON.stringify(schema)));
  for (const text of fits) {
    const payload = parseExact(text);
    assert.deepEqual(validate(payload), [], `${what}: ${text}`);
  }
  for (const text of refuses) {
    const faults = validate(parseExact(text));
    assert.ok(faults.length > 0, `${what}: ${text}`);
    assert.ok(faults.every(({ message }) => message.length > 0), what);
  }
}

function rules(title: string, list: Rule[]): void {
  for (const rule of list) Deno.test(`${title} ${rule.what}`, () => check(rule));
}

rules("a schema judges every payload when", [
  {
    what: "properties are closed only under a condition",
    schema: {
      patternProperties: { "^x-": { type: "string" } },
      if: { required: ["z"] },
      then: { additionalProperties: false },
    },
    fits: ['{"x-note":"n"}', "{}", '{"y":1}', "1"],
    refuses: ['{"x-note":1}', '{"z":1}', '{"x-note":"n","z":1}'],
  },
  {
    what: "properties are closed in one of several branches",
    schema: {
      patternProperties: { "^a": {} },
      oneOf: [{ additionalProperties: false }, { type: "array" }],
    },
    fits: ["{}"],
    refuses: ['{"a":1}', '{"b":1}', "[]"],
  },
  {
    what: "branches close different parts",
    schema: {
      patternProperties: { "^p": { type: "number" } },
      anyOf: [
        { properties: { p1: true }, additionalProperties: false },
        { required: ["q"], dependentSchemas: { q: { additionalProperties: { type: "number" } } } },
      ],
    },
    fits: ['{"p1":1}', '{"q":1,"p2":2}'],
    refuses: ['{"p2":1}', '{"q":"x"}'],
  },
]);

rules("only a member of its own is one when", [
  {
    what: "it is required",
    schema: { required: ["constructor", "toString"] },
    fits: ['{"constructor":1,"toString":2}'],
    refuses: ['{"driver":"d"}', "{}", '{"constructor":1}'],
  },
  {
    what: "it has a schema",
    schema: { properties: { constructor: { type: "string" }, hasOwnProperty: { type: "null" } } },
    fits: ['{"driver":"d"}', '{"constructor":"c","hasOwnProperty":null}'],
    refuses: ['{"constructor":1}', '{"hasOwnProperty":1}'],
  },
  {
    what: "it is called __proto__",
    schema: {
      required: ["__proto__"],
      ...JSON.parse('{"properties":{"__proto__":{"type":"number"}}}'),
    },
    fits: ['{"__proto__":1}'],
    refuses: ["{}", '{"__proto__":"p"}'],
  },
  {
    what: "something depends on it",
    schema: {
      dependentRequired: { valueOf: ["a"] },
      dependentSchemas: { toString: { required: ["b"] } },
    },
    fits: ["{}", '{"valueOf":1,"a":1}', '{"toString":1,"b":1}'],
    refuses: ['{"valueOf":1}', '{"toString":1}'],
  },
]);

rules("a reference is followed when", [
  {
    what: "it names the document by its $id",
    schema: {
      $id: "https://example.com/order",
      properties: { a: { $ref: "https://example.com/order#/$defs/x" }, b: { $ref: "#/$defs/x" } },
      $defs: { x: { type: "string" } },
    },
    fits: ['{"a":"x","b":"x"}'],
    refuses: ['{"a":1}', '{"b":1}'],
  },
  {
    what: "it names a bundled document, relative to its own place",
    schema: {
      $id: "https://example.com/shop/order",
      properties: { lines: { items: { $ref: "line" } }, to: { $ref: "../people/person#name" } },
      $defs: {
        line: {
          $id: "line",
          properties: { count: { $ref: "#/$defs/count" } },
          $defs: { count: { type: "integer" } },
        },
        person: {
          $id: "https://example.com/people/person",
          $defs: { n: { $anchor: "name", minLength: 2 } },
        },
      },
    },
    fits: ['{"lines":[{"count":1}],"to":"Al"}'],
    refuses: ['{"lines":[{"count":1.5}]}', '{"to":"A"}'],
  },
  {
    what: "the $id is a URN",
    schema: {
      $id: "urn:uuid:deadbeef-1234-0000-0000-4321feebdaed",
      properties: {
        a: { $ref: "urn:uuid:deadbeef-1234-0000-0000-4321feebdaed#/$defs/x" },
        b: { $ref: "#here" },
      },
      $defs: { x: { type: "null" }, y: { $anchor: "here", type: "boolean" } },
    },
    fits: ['{"a":null,"b":true}'],
    refuses: ['{"a":1}', '{"b":1}'],
  },
  {
    what: "it names the meta-schema of 2020-12",
    schema: { properties: { schema: { $ref: "https://json-schema.org/draft/2020-12/schema" } } },
    fits: ['{"schema":{"type":"string","allOf":[{"minLength":1}]}}', '{"schema":true}'],
    refuses: ['{"schema":{"type":"text"}}', '{"schema":{"allOf":[{"minLength":"x"}]}}'],
  },
  {
    what: "it names the meta-schema of draft-07",
    schema: { $ref: DRAFT_07 },
    fits: ['{"items":[{"type":"string"}]}'],
    refuses: ['{"definitions":{"a":{"type":1}}}'],
  },
  {
    what: "draft-07 names a part by a fragment",
    schema: {
      $schema: DRAFT_07,
      $id: "https://example.com/root",
      properties: { a: { $ref: "#part" }, b: { $ref: "root#/definitions/p" } },
      definitions: { p: { $id: "#part", type: "string" } },
    },
    fits: ['{"a":"s","b":"s"}'],
    refuses: ['{"a":1}', '{"b":1}'],
  },
  {
    what: "draft-07 has something beside it, which says nothing",
    schema: {
      $schema: DRAFT_07,
      properties: { a: { $ref: "#/definitions/list", maxItems: 1 } },
      definitions: { list: { type: "array" } },
    },
    fits: ['{"a":[1,2,3]}'],
    refuses: ['{"a":1}'],
  },
  {
    what: "it is dynamic: the outermost anchor counts",
    schema: {
      $id: "https://example.com/strict",
      $dynamicAnchor: "node",
      $ref: "tree",
      unevaluatedProperties: false,
      $defs: {
        tree: {
          $id: "tree",
          $dynamicAnchor: "node",
          properties: { data: true, children: { items: { $dynamicRef: "#node" } } },
        },
      },
    },
    fits: ['{"data":1,"children":[{"data":2}]}'],
    refuses: ['{"children":[{"daat":1}]}', '{"daat":1}'],
  },
  {
    what: "only words in a value look like one",
    schema: {
      const: { $ref: "https://example.com/other" },
      properties: { $ref: { $ref: "#/$defs/text" } },
      $defs: { text: { type: "string" } },
    },
    fits: ['{"$ref":"https://example.com/other"}'],
    refuses: ['{"$ref":1}', "{}"],
  },
]);

rules("what was not looked at is told when", [
  {
    what: "it stands beside a reference and oneOf",
    schema: {
      $ref: "#/$defs/p",
      oneOf: [
        { required: ["p1"], properties: { p1: true } },
        { required: ["p2"], properties: { p2: true } },
      ],
      unevaluatedProperties: false,
      $defs: { p: { properties: { base: true } } },
    },
    fits: ['{"base":1,"p2":1}', '{"p1":1}'],
    refuses: ['{"base":1}', '{"p1":1,"p3":1}', '{"p1":1,"p2":1}'],
  },
  {
    what: "a condition looks at it",
    schema: {
      if: { properties: { kind: { const: "a" } }, required: ["kind"] },
      else: { properties: { other: true } },
      unevaluatedProperties: false,
    },
    fits: ['{"kind":"a"}', '{"other":1}'],
    refuses: ['{"kind":"a","other":1}', '{"kind":"b"}'],
  },
  {
    what: "items are contained",
    schema: {
      prefixItems: [true],
      contains: { type: "string" },
      unevaluatedItems: { type: "number" },
    },
    fits: ['[null,"a",1]', '["a"]'],
    refuses: ['[null,"a",null]', "[null,1]"],
  },
  {
    what: "only one branch looks at an item",
    schema: {
      anyOf: [{ prefixItems: [{ const: 1 }, true] }, { prefixItems: [true] }],
      unevaluatedItems: false,
    },
    fits: ["[1,2]", "[2]"],
    refuses: ["[2,2]", "[1,2,3]"],
  },
]);

rules("a number is what was written when", [
  {
    what: "it is beyond 2^53",
    schema: { enum: [0] },
    fits: ["0", "-0", "0.0", "0e5"],
    refuses: ["1", "1e-400", "0.0000000000000000000001"],
  },
  {
    what: "cents are multiples of a hundredth",
    schema: { multipleOf: 0.01 },
    fits: ["19.99", "4.35", "0.07", "1e30", "1234567890123456789.01", "0"],
    refuses: ["19.995", "0.001", "1234567890123456789.001", "1e-3"],
  },
  {
    what: "a whole one is divided by a whole one",
    schema: { multipleOf: 3 },
    fits: ["9007199254740993", "300000000000000000000", "3e300", "9007199254740990"],
    refuses: ["9007199254740994", "100000000000000000000", "1e300", "4.5"],
  },
  {
    what: "its type is integer",
    schema: { type: "integer" },
    fits: ["1.0", "1e400", "12345678901234567890", "1.5e1"],
    refuses: ["1.5", "1.00000000000000000001", "12345678901234567890.5", "1e-1"],
  },
  {
    what: "items are told apart",
    schema: { uniqueItems: true },
    fits: [
      "[1234567890123456788,1234567890123456789]",
      '[{"a":9007199254740993},{"a":9007199254740992}]',
    ],
    refuses: ["[1234567890123456789,1.234567890123456789e18]", "[1,1.0]"],
  },
  {
    what: "its format is int64",
    schema: { format: "int64" },
    fits: ["9223372036854775807", "-9223372036854775808"],
    refuses: ["9223372036854775808", "-9223372036854775809", "0.5"],
  },
]);

Deno.test("a schema's own numbers are what was written when const, enum or a bound has them", async () => {
  const compile = await loadCompiler();
  const fits = (schema: string, payload: string) =>
    compile(parseExact(schema))(parseExact(payload)).length === 0;
  const big = "1234567890123456789";
  const next = "1234567890123456790";
  const before = "1234567890123456788";
  for (
    const [schema, good, bad] of [
      [`{"const":${big}}`, [big, `${big}.0`], [before, next]],
      [`{"enum":[1,{"a":[${big}]}]}`, [`{"a":[${big}]}`], [`{"a":[${next}]}`]],
      [`{"maximum":${big}}`, [big, before], [next]],
      [`{"exclusiveMaximum":${big}}`, [before], [big, next]],
      [`{"minimum":${big}}`, [big, next], [before]],
      [`{"exclusiveMinimum":${big}}`, [next], [big, before]],
      [`{"properties":{"n":{"maximum":9007199254740993}}}`, ['{"n":9007199254740993}'], [
        '{"n":9007199254740994}',
      ]],
      [`{"maximum":1e400}`, ["1e399", big], ["1e401"]],
    ] as [string, string[], string[]][]
  ) {
    for (const payload of good) assert.ok(fits(schema, payload), `${schema} ${payload}`);
    for (const payload of bad) assert.ok(!fits(schema, payload), `${schema} ${payload}`);
  }
});

Deno.test("a fault tells numbers with all their digits", async () => {
  const compile = await loadCompiler();
  const told = (schema: string, payload: string) =>
    compile(parseExact(schema))(parseExact(payload)).map(({ message }) => message);
  assert.deepEqual(told('{"const":1234567890123456789}', "1"), ["must be 1234567890123456789"]);
  assert.deepEqual(told('{"maximum":1234567890123456789}', "1e19"), [
    "must be <= 1234567890123456789",
  ]);
  assert.deepEqual(told('{"type":"string"}', "1234567890123456789"), [
    "must be a string, is a number",
  ]);
});

Deno.test("a schema is refused when a reference leads out of it, or two parts have one $id", async () => {
  const compile = await loadCompiler();
  for (
    const [schema, message] of [
      [{ $ref: "https://example.com/other" }, /nothing is fetched/],
      [{ $id: "https://example.com/a", items: { $ref: "b" } }, /at \/items\/\$ref refers to "b"/],
      [{ allOf: [true, { $ref: "#nowhere" }] }, /at \/allOf\/1\/\$ref refers to #nowhere/],
      [{ $defs: { a: { $id: "urn:x:1" }, b: { $id: "urn:x:1" } } }, /which another part has/],
      [{ $id: "urn:x:a", $ref: "urn:x:a" }, /refers to itself/],
    ] as [unknown, RegExp][]
  ) {
    assert.throws(() => compile(schema), (error) => {
      assert.ok(error instanceof InvalidSchemaError, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
});
