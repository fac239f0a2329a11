/** What counts as a JSON object, and one canonical text for equal values. */
import assert from "node:assert/strict";
import { parseExact } from "../../../core/json/exact.ts";
import { canonicalJson, isJsonObject } from "../../../core/json/json_object.ts";
import { publishParameters } from "../../../daemon/routes/publish_options.ts";

Deno.test("isJsonObject takes objects only, and no number that was kept exactly", () => {
  for (const text of ["{}", '{"a":[1]}']) assert.ok(isJsonObject(parseExact(text)), text);
  for (
    const text of ["null", "[]", '"a"', "1", "true", "9007199254740993", "1.000000000000000001"]
  ) {
    assert.ok(!isJsonObject(parseExact(text)), text);
  }
  assert.ok(!isJsonObject(undefined));
});

Deno.test("canonicalJson is the same for objects whose members stand in another order", () => {
  const [one, other, less] = [
    '{"b":{"y":1,"x":[{"q":1,"p":2}]},"a":9007199254740993}',
    '{"a":9007199254740993,"b":{"x":[{"p":2,"q":1}],"y":1}}',
    '{"a":9007199254740992,"b":{"x":[{"p":2,"q":1}],"y":1}}',
  ].map((text) => canonicalJson(parseExact(text)));
  assert.equal(one, other);
  assert.notEqual(one, less);
});

Deno.test("publish refuses metadata that is a number, however many digits it has", () => {
  for (const text of ["1", "9007199254740993", "[]", "null"]) {
    assert.throws(
      () => publishParameters(new URLSearchParams({ metadata: text })),
      /metadata is not a JSON object/,
      text,
    );
  }
});
