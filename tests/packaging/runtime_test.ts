/** Which platforms a build is asked for. */
import assert from "node:assert/strict";
import { parsePlatforms } from "../../packaging/runtime.ts";

Deno.test("parsePlatforms takes one platform or several, and refuses an unknown one", () => {
  assert.deepEqual(parsePlatforms("linux-x64"), ["linux-x64"]);
  assert.deepEqual(parsePlatforms("linux-arm64,linux-x64"), ["linux-arm64", "linux-x64"]);
  assert.throws(() => parsePlatforms("linux-x86"), /"linux-x86" is not one of/);
  assert.throws(() => parsePlatforms(""), /"" is not one of/);
});
