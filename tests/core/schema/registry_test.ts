/** Registering schemas and checking payloads against them. */
import { defined } from "../../../core/base/defined.ts";
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { JsonSchemaRegistry } from "../../../core/schema/registry.ts";
import { canonical, hasUniqueItems } from "../../../core/schema/validator/unique_items.ts";
import { compareVersions, nextVersion } from "../../../core/schema/version.ts";
import { isPlain } from "../../../core/schema/validator/pattern.ts";

const user = {
  type: "object",
  required: ["userId", "email"],
  properties: {
    userId: { type: "string" },
    email: { type: "string", format: "email" },
    age: { type: "integer", minimum: 0 },
    tags: { type: "array", uniqueItems: true },
  },
  additionalProperties: false,
};

async function registered(schema: unknown): Promise<JsonSchemaRegistry> {
  const registry = new JsonSchemaRegistry({ now: () => 1 });
  await registry.register("t", { schema: JSON.stringify(schema) });
  return registry;
}

async function faults(schema: unknown, payload: unknown): Promise<[string, string][]> {
  return (await registered(schema)).validate("t", undefined, payload).faults.map((
    { pointer, message },
  ) => [pointer, message]);
}

Deno.test("JsonSchemaRegistry names each fault by its JSON pointer", async () => {
  assert.deepEqual(
    (await faults(user, { userId: 1, age: -1.5, "a/b": 1, tags: [{ a: 1, b: 2 }, { b: 2, a: 1 }] }))
      .sort(),
    [
      ["/age", "must be >= 0"],
      ["/age", "must be a whole number, is a number"],
      ["/a~1b", "must not be there"],
      ["/email", "is missing"],
      ["/tags", "must not have the same item twice"],
      ["/userId", "must be a string, is a number"],
    ],
  );
  assert.deepEqual(await faults(user, { userId: "u", email: "a@example.com" }), []);
  assert.deepEqual(await faults(user, []), [["", "must be an object, is an array"]]);
});

Deno.test("JsonSchemaRegistry means the highest version when none is given", async () => {
  const registry = new JsonSchemaRegistry();
  registry.registerSchema("user.created", { type: "object" }, "1.9");
  registry.registerSchema("user.created", { type: "string" }, "1.10");
  await registry.ready();
  assert.deepEqual(registry.validate("user.created", undefined, "x"), {
    version: "1.10",
    faults: [],
  });
  assert.equal(registry.validate("user.created", "1.9", "x").faults.length, 1);
  assert.deepEqual(registry.validate("other", undefined, 1), { version: "1.0", faults: [] });
  assert.deepEqual(registry.validate("other", "3.0", 1), { version: "3.0", faults: [] });
  assert.throws(() => registry.validate("user.created", "7.0", 1), {
    code: "event/schema-unknown-version",
    hint: /1\.9, 1\.10/,
  });
});

Deno.test("JsonSchemaRegistry gives the next version when none is named, and takes the same schema once", async () => {
  const registry = new JsonSchemaRegistry();
  const register = (schema: unknown, version?: string) =>
    registry.register("t", { schema: JSON.stringify(schema), version });
  assert.deepEqual(await register(user), { created: true, version: "1.0" });
  assert.deepEqual(await register(user), { created: false, version: "1.0" });
  assert.deepEqual(await register({ type: "string" }), { created: true, version: "2.0" });
  await assert.rejects(register({ type: "number" }, "1.0"), {
    code: "schema/version-taken",
    hint: /3\.0/,
  });
  assert.equal(registry.remove("t", "2.0"), true);
  assert.equal(registry.latest("t"), "1.0");
  assert.equal(registry.remove("t", "2.0"), false);
});

Deno.test("JsonSchemaRegistry knows what it knew when its records are loaded", async () => {
  const before = await registered(user);
  const after = new JsonSchemaRegistry();
  after.load(before.list());
  await after.ready();
  assert.deepEqual(after.list(), before.list());
  assert.equal(after.validate("t", undefined, {}).faults.length, 2);
});

Deno.test("JsonSchemaRegistry reads draft-07 and 2020-12 by their $schema", async () => {
  const tuple = {
    $schema: "http://json-schema.org/draft-07/schema#",
    items: [{ type: "string" }],
    additionalItems: false,
  };
  assert.equal((await faults(tuple, ["a", 1])).length, 1);
  const prefix = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    prefixItems: [{ type: "string" }],
    items: false,
  };
  assert.equal((await faults(prefix, ["a", 1])).length, 1);
});

const refused: [string, unknown, RegExp][] = [
  ["is no schema", { type: "strin" }, /type/],
  ["is an array", [], /object/],
  ["names an unknown draft", { $schema: "http://example.com/x" }, /draft/],
  ["refers to the network", { $ref: "https://example.com/user.json" }, /inside the schema/],
  [
    "refers to a file",
    { properties: { a: { $ref: "file:///etc/passwd" } } },
    /\/properties\/a\/\$ref/,
  ],
  ["refers to nothing", { $ref: "#/$defs/none" }, /does not exist/],
  ["refers with a bad escape", { $ref: "#/$defs/%" }, /does not exist/],
  ["has look-around", { pattern: "^(?=a)b" }, /look-around/],
  ["has a back-reference", { pattern: "(a)\\1" }, /back-reference/],
  ["refers to itself for the same value", {
    $defs: { a: { allOf: [{ $ref: "#/$defs/a" }] } },
    $ref: "#/$defs/a",
  }, /never end/],
  [
    "is nested too deep",
    Array.from({ length: 70 }).reduce((inner) => ({ not: inner }), {}),
    /deep/,
  ],
  ["has too many branches", { anyOf: Array.from({ length: 1001 }, () => ({})) }, /branches/],
  ["fans out by references", {
    $defs: Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [
        `d${i}`,
        i === 19 ? { type: "string" } : {
          allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }],
        },
      ]),
    ),
    $ref: "#/$defs/d0",
  }, /fans out/],
  ["has too many parts", {
    properties: Object.fromEntries(Array.from({ length: 2001 }, (_, i) => [`p${i}`, {}])),
  }, /more than 2000 objects/],
  ["has a pattern of many counts", { pattern: "(a{1000}|b{1000})".repeat(50) }, /instructions/],
  ["has many patterns with counts", {
    patternProperties: Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`(\\d|x){1000}${i}`, {}]),
    ),
  }, /more than 10000 instructions/],
  ["has references too deep to follow", {
    $defs: Object.fromEntries(
      Array.from({ length: 900 }, (_, i) => [
        `d${i}`,
        i === 0 ? { type: "string" } : { allOf: [{ $ref: `#/$defs/d${i - 1}` }] },
      ]),
    ),
    $ref: "#/$defs/d899",
  }, /too deep/],
  ["is too large", { description: "x".repeat(300_000) }, /bytes/],
];

for (const [what, schema, message] of refused) {
  Deno.test(`JsonSchemaRegistry refuses a schema that ${what}`, async () => {
    await assert.rejects(registered(schema), (error: Error & { code: string }) => {
      assert.match(error.code, /^schema\//);
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("JsonSchemaRegistry says the line and column of a schema that is not JSON", async () => {
  const registry = new JsonSchemaRegistry();
  await assert.rejects(registry.register("t", { schema: '{\n  "type": object\n}' }), {
    message: /line 2, column 11/,
  });
});

Deno.test("JsonSchemaRegistry answers at once when patterns and payloads are hostile", async () => {
  const nested = await faults({ pattern: "^(a+)+$" }, `${"a".repeat(5000)}!`);
  assert.equal(nested.length, 1);
  const many = await faults({ pattern: "^(.*a){20}$" }, "a".repeat(5000) + "b");
  assert.equal(many.length, 1);
  const items = Array.from({ length: 30_000 }, (_, i) => ({ id: i, text: "x" }));
  assert.deepEqual(await faults({ uniqueItems: true }, items), []);
  assert.equal((await faults({ format: "email" }, `${"a".repeat(100_000)}!`)).length, 1);
  assert.equal((await faults({ format: "uri" }, `http://${"a".repeat(100_000)} `)).length, 1);
});

const costly: [string, unknown, unknown][] = [
  ["its references double at each step into it", {
    $defs: {
      n: {
        allOf: [
          { properties: { x: { $ref: "#/$defs/n" } } },
          { properties: { x: { $ref: "#/$defs/n" } } },
        ],
      },
    },
    $ref: "#/$defs/n",
  }, Array.from({ length: 60 }).reduce((inner) => ({ x: inner }), {})],
  [
    "each of its many items has many branches",
    { items: { anyOf: Array.from({ length: 900 }, (_, i) => ({ const: i })) } },
    Array.from({ length: 100_000 }, () => 899),
  ],
  [
    "each of its many items may have many names",
    {
      items: {
        properties: Object.fromEntries(
          Array.from({ length: 900 }, (_, i) => [`p${i}`, { minimum: i }]),
        ),
      },
    },
    Array.from({ length: 100_000 }, () => ({})),
  ],
  [
    "a large pattern reads a long text",
    { pattern: "(a{900}|b{900})x" },
    "ab".repeat(250_000),
  ],
];

for (const [what, schema, payload] of costly) {
  Deno.test(`JsonSchemaRegistry refuses a payload when ${what}`, async () => {
    await assert.rejects(faults(schema, payload), { code: "event/schema-too-costly" });
  });
}

Deno.test("JsonSchemaRegistry checks each payload with a budget of its own", async () => {
  const registry = await registered({ items: { anyOf: [{ type: "string" }, { type: "null" }] } });
  const large = JSON.parse(`[${"null,".repeat(300_000)}null]`);
  for (let i = 0; i < 20; i++) {
    assert.throws(() => registry.validate("t", undefined, large), {
      code: "event/schema-too-costly",
    });
    assert.equal(registry.validate("t", undefined, ["a", null]).faults.length, 0);
    assert.equal(registry.validate("t", undefined, [1, 2]).faults.length, 6);
  }
});

Deno.test("JsonSchemaRegistry tells the first fault when finding all would cost too much", async () => {
  const schema = { items: { required: Array.from({ length: 900 }, (_, i) => `p${i}`) } };
  assert.deepEqual(await faults(schema, Array.from({ length: 5000 }, () => ({}))), [
    ["/0/p0", "is missing"],
  ]);
});

Deno.test("JsonSchemaRegistry takes a payload of a megabyte when its schema is a usual one", async () => {
  const schema = {
    type: "array",
    items: {
      type: "object",
      required: ["id", "email"],
      properties: { id: { type: "integer" }, email: { type: "string", format: "email" } },
    },
  };
  const payload = Array.from(
    { length: 20_000 },
    (_, id) => ({ id, email: `someone${id}@example.com` }),
  );
  assert.ok(JSON.stringify(payload).length > 900_000);
  assert.deepEqual(await faults(schema, payload), []);
});

Deno.test("isPlain trusts V8 only with patterns that cannot backtrack far", () => {
  for (const pattern of ["^[a-z]+$", "^\\d{4}-\\d{2}-\\d{2}$", "^[A-Z]{2,3}$", "^u-.*$", "^abc"]) {
    assert.equal(isPlain(pattern), true, pattern);
  }
  for (const pattern of ["a+$", "^(a+)+$", "^a*a*$", "^a?a?a$", "^(?=a)", "a|b", "^.*.*$"]) {
    assert.equal(isPlain(pattern), false, pattern);
  }
});

Deno.test("hasUniqueItems agrees with comparing every pair", () => {
  const value = fc.jsonValue({ maxDepth: 2 });
  fc.assert(fc.property(fc.array(value, { maxLength: 8 }), (items) => {
    const same = items.some((a, i) =>
      items.slice(i + 1).some((b) => canonical(a) === canonical(b))
    );
    assert.equal(hasUniqueItems(items), !same);
    assert.equal(hasUniqueItems([...items, ...items]), items.length === 0);
  }));
});

Deno.test("hasUniqueItems tells items apart that were chosen to look alike", () => {
  // Two pairs of letters with one hash, in every combination: 2^10 texts of one length and one
  // number.
  const alike = Array.from(
    { length: 1024 },
    (_, n) => Array.from({ length: 10 }, (_, bit) => n >> bit & 1 ? "Aa" : "BB").join(""),
  );
  assert.equal(hasUniqueItems(alike), true);
  const inside = (text: string): unknown => ({ a: { [text]: [text] }, b: 2 });
  for (const wrap of [(text: string): unknown => [text], inside]) {
    assert.equal(hasUniqueItems(alike.map(wrap)), true);
    assert.equal(hasUniqueItems([...alike, alike[700]!].map(wrap)), false);
  }
  assert.equal(hasUniqueItems([{ a: 1, b: [{}, null] }, { b: [{}, null], a: 1.0 }]), false);
  assert.equal(hasUniqueItems([0, false, null, "", [], {}, "0", [0], { 0: 0 }]), true);
});

Deno.test("JsonSchemaRegistry refuses a payload when its many items are looked at again and again", async () => {
  const schema = { allOf: Array.from({ length: 50 }, () => ({ uniqueItems: true })) };
  const items = Array.from({ length: 30_000 }, (_, i) => ({ i }));
  await assert.rejects(faults(schema, items), { code: "event/schema-too-costly" });
  assert.deepEqual(await faults({ uniqueItems: true }, items), []);
});

Deno.test("JsonSchemaRegistry holds a schema against its draft", async () => {
  for (const draft of ["http://json-schema.org/draft-07/schema#", undefined]) {
    const about = defined({ $schema: draft });
    await assert.rejects(faults({ ...about, type: "text" }, 1), /not a JSON Schema/);
    await assert.rejects(faults({ ...about, minLength: -1 }, 1), /not a JSON Schema/);
    assert.deepEqual(await faults({ ...about, $id: "https://example.com/s" }, 1), []);
  }
});

Deno.test("compareVersions is an order, and nextVersion comes after all", () => {
  const version = fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 }).map((parts) =>
    parts.join(".")
  );
  fc.assert(fc.property(version, version, version, (a, b, c) => {
    assert.equal(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a)), 0);
    if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) {
      assert.ok(compareVersions(a, c) <= 0);
    }
    for (const one of [a, b, c]) assert.ok(compareVersions(nextVersion([a, b, c]), one) > 0);
  }));
  assert.ok(compareVersions("1.10", "1.9") > 0);
});

Deno.test("JsonSchemaRegistry checks a payload when ajv's own clean-up would have broken its code", async () => {
  const schema = {
    if: { oneOf: [{ contains: { multipleOf: 1 } }, {}], not: true },
    else: { type: "null" },
  };
  assert.deepEqual(await faults(schema, null), []);
  assert.deepEqual((await faults(schema, [1]))[0], ["", "must be null, is an array"]);
});

Deno.test("JsonSchemaRegistry takes a schema that refers to itself as a whole", async () => {
  for (const id of [{}, { $id: "https://example.com/tree" }]) {
    const tree = {
      ...id,
      type: "object",
      properties: { value: { type: "integer" }, children: { type: "array", items: { $ref: "#" } } },
    };
    const payload = (value: unknown) => ({ children: [{ children: [{ value }] }] });
    assert.deepEqual(await faults(tree, payload(1)), []);
    assert.deepEqual(await faults(tree, payload("1")), [
      ["/children/0/children/0/value", "must be a whole number, is a string"],
    ]);
  }
});

Deno.test("JsonSchemaRegistry says which formats of a schema it does not know", async () => {
  const schema = {
    properties: {
      format: { type: "string", format: "datetime" },
      mail: { format: "email" },
      data: { default: { format: "nothing" }, enum: [{ format: "nothing" }] },
      phone: { prefixItems: [{ format: "phone-number" }] },
    },
  };
  const [plan] = await new JsonSchemaRegistry().plan([
    { type: "t", schema: JSON.stringify(schema) },
  ]);
  assert.equal(plan!.created, true);
  assert.deepEqual(plan!.warnings, [
    {
      pointer: "/properties/format/format",
      message: 'the format "datetime" is not known and not checked; did you mean date-time?',
    },
    {
      pointer: "/properties/phone/prefixItems/0/format",
      message: 'the format "phone-number" is not known and not checked',
    },
  ]);
  const [fine] = await new JsonSchemaRegistry().plan([
    { type: "t", schema: '{"format":"date-time"}' },
  ]);
  assert.equal(fine!.warnings, undefined);
});

Deno.test("JsonSchemaRegistry.validate judges numbers as they were written when it is given the text", async () => {
  const registry = await registered({ const: 9007199254740992, maximum: 9007199254740992 });
  const faultsOf = (text: string) =>
    registry.validate("t", undefined, JSON.parse(text), text).faults.length;
  assert.equal(faultsOf("9007199254740992"), 0);
  assert.equal(faultsOf("9007199254740993"), 2, "which a double rounds to the one that is right");
});
