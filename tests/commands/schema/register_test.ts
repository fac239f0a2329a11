/** Reading and checking a schema file before it is registered. */
import assert from "node:assert/strict";
import { checkJson } from "../../../commands/schema/register.ts";

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

Deno.test("checkJson names line and column when a schema file is no JSON", () => {
  assert.throws(
    () => checkJson(encode('{\n  "type": object\n}'), "user.json"),
    /user\.json: .*line 2, column 11/,
  );
  assert.throws(
    () => checkJson(new Uint8Array([0x22, 0xff, 0x22]), "-"),
    /stdin is not valid UTF-8/,
  );
  checkJson(encode("{}"), "user.json");
});
