/** Where bytes stop being UTF-8. */
import assert from "node:assert/strict";
import { badByteOf } from "../../../core/json/utf8.ts";

Deno.test("badByteOf names the first byte that cannot be UTF-8", () => {
  assert.equal(badByteOf(new Uint8Array([0x61, 0xff, 0x61])), 1);
  assert.equal(badByteOf(new Uint8Array([0xc3, 0xbc, 0xc3, 0x28])), 3);
  assert.equal(badByteOf(new Uint8Array([0x61, 0xe2, 0x82])), 3);
  assert.equal(badByteOf(new Uint8Array([0xed, 0xa0, 0x80])), 1);
});
