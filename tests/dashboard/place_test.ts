/** Addresses of the dashboard lead back to the same page, whatever names are in them. */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { hashOf, parsePlace } from "../../dashboard/view/place.ts";

Deno.test("parsePlace reads what hashOf wrote, of any names and queries", () => {
  const text = fc.string({ unit: "grapheme", minLength: 1 });
  fc.assert(fc.property(text, text, text, (page, name, value) => {
    const { page: read, names, query } = parsePlace(hashOf([page, name], { where: value }));
    assert.deepEqual([read, names, query.get("where")], [page, [name], value]);
  }));
});

Deno.test("parsePlace takes an empty or a broken address", () => {
  assert.deepEqual(parsePlace("").page, "");
  assert.deepEqual(parsePlace("#/").names, []);
  assert.deepEqual(parsePlace("#/topics/%E0%A4%A").names, ["%E0%A4%A"]);
  assert.equal(hashOf(["topics", "a"], { where: "", type: undefined }), "#/topics/a");
});
