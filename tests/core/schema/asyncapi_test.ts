/** The AsyncAPI document of topics and schemas: every reference in it leads somewhere. */
import assert from "node:assert/strict";
import { asyncApiDocument } from "../../../core/schema/asyncapi.ts";
import { pointerGet } from "../../../core/json/json.ts";

const orders = {
  $id: "https://shop.example/order",
  $defs: {
    "a/b": { $anchor: "money", type: "number", maximum: 1 },
    inner: { $id: "inner", $defs: { x: { const: { $ref: "#kept" } } }, $ref: "#/$defs/x" },
  },
  properties: {
    total: { $ref: "#/$defs/a~1b" },
    tip: { $ref: "#money" },
    part: { $ref: "inner" },
    deep: { $ref: "https://shop.example/inner#/$defs/x" },
    const: { $ref: "#" },
    $ref: { type: "string" },
  },
  anyOf: [{ $ref: "#/properties/total" }],
  default: { $ref: "no reference" },
};

// deno-lint-ignore no-explicit-any -- a document is what it is
function documentOf(schema: object, type = "order.placed"): any {
  return JSON.parse(JSON.stringify(asyncApiDocument({
    version: "1.2.3",
    topics: [
      { name: "orders", types: [type, "unchecked"] },
      { name: "empty", types: [] },
    ],
    schemas: [
      { type, version: "1.0", schema: '{"type":"object"}', latest: false },
      { type, version: "2.0", schema: JSON.stringify(schema), latest: true },
    ],
  })));
}

/** Each text of a `$ref` that is a reference. */
function refsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) =>
    name === "$ref" && typeof part === "string" ? [part] : refsIn(part)
  );
}

Deno.test("asyncApiDocument has a channel per topic, and a message per version and type", () => {
  const { channels, operations, components } = documentOf(orders);
  assert.deepEqual(channels.orders, {
    address: "orders",
    messages: {
      "order.placed-2.0": { $ref: "#/components/messages/order.placed-2.0" },
      unchecked: { $ref: "#/components/messages/unchecked" },
    },
  });
  assert.deepEqual(channels.empty, { address: "empty", messages: {} });
  assert.deepEqual(operations["publish.orders"], {
    action: "receive",
    channel: { $ref: "#/channels/orders" },
  });
  assert.deepEqual(Object.keys(components.messages), [
    "order.placed-1.0",
    "order.placed-2.0",
    "unchecked",
  ]);
  assert.equal(components.messages.unchecked.payload, undefined);
});

Deno.test("asyncApiDocument leads every reference to where it is meant", () => {
  const document = documentOf(orders);
  const base = "#/components/messages/order.placed-2.0/payload/schema";
  const { schema } = document.components.messages["order.placed-2.0"].payload;
  const { total, tip, part, deep, const: itself } = schema.properties;
  assert.deepEqual([total, tip, part, deep, itself].map(({ $ref }) => $ref), [
    `${base}/$defs/a~1b`,
    `${base}/$defs/a~1b`,
    `${base}/$defs/inner`,
    `${base}/$defs/inner/$defs/x`,
    base,
  ]);
  assert.equal(schema.anyOf[0].$ref, `${base}/properties/total`);
  assert.equal(schema.$defs.inner.$ref, `${base}/$defs/inner/$defs/x`);
  // Values are no references.
  assert.deepEqual(schema.default, orders.default);
  assert.deepEqual(schema.$defs.inner.$defs.x, orders.$defs.inner.$defs.x);
  for (const ref of refsIn(document).filter((ref) => ref.startsWith("#/"))) {
    assert.notEqual(pointerGet(document, ref.slice(1)), undefined, ref);
  }
});

Deno.test("asyncApiDocument keeps numbers as written, and names drafts and messages", () => {
  const draft = "http://json-schema.org/draft-07/schema#";
  const text = JSON.stringify(asyncApiDocument({
    version: "1",
    topics: [],
    schemas: [
      { type: "n", version: "1.0", schema: '{"maximum":9007199254740993}', latest: true },
      { type: "ü b", version: "1.0", schema: `{"$schema":"${draft}"}`, latest: true },
      { type: "ä b", version: "1.0", schema: "true", latest: true },
    ],
  }));
  assert.ok(text.includes('"maximum":9007199254740993'), text);
  const { messages } = JSON.parse(text).components;
  assert.deepEqual(Object.keys(messages), ["n-1.0", "__b-1.0", "__b-1.0_2"]);
  assert.equal(messages["n-1.0"].payload.schemaFormat, "application/schema+json;version=2020-12");
  assert.equal(
    messages["__b-1.0"].payload.schemaFormat,
    "application/schema+json;version=draft-07",
  );
  assert.equal(messages["__b-1.0"].name, "ü b");
});
