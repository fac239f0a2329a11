/** What is asked of `deno task release` and `deno task build:archive`. */
import assert from "node:assert/strict";
import { askedPlatforms } from "../../packaging/runtime.ts";

Deno.test("askedPlatforms takes one platform or several, and asks for none when there is no word", () => {
  assert.equal(askedPlatforms([]), undefined);
  assert.deepEqual(askedPlatforms(["--platforms", "linux-x64"]), ["linux-x64"]);
  assert.deepEqual(askedPlatforms(["--platform=linux-arm64"]), ["linux-arm64"]);
  assert.deepEqual(askedPlatforms(["--platforms=linux-arm64,linux-x64"]), [
    "linux-arm64",
    "linux-x64",
  ]);
});

Deno.test("askedPlatforms refuses a word that it does not know", () => {
  for (const words of [["--platfrom", "linux-x64"], ["linux-x64"], ["--platforms=a=b"]]) {
    assert.throws(
      () => askedPlatforms(words),
      /only --platforms linux-x64,linux-arm64 is understood/,
    );
  }
  assert.throws(() => askedPlatforms(["--platforms", "linux-x86"]), /"linux-x86" is not one of/);
  assert.throws(() => askedPlatforms(["--platforms"]), /"" is not one of/);
});
