/** What the words after `deno task release` ask for. */
import assert from "node:assert/strict";
import { BASE_URL } from "../../packaging/distribution.ts";
import { askedRelease } from "../../packaging/release.ts";
import { PLATFORMS } from "../../packaging/runtime.ts";

const ADDRESS = "https://files.example/evs";

Deno.test("askedRelease takes the flags together or alone, and every platform by default", () => {
  assert.deepEqual(askedRelease([]), { platforms: PLATFORMS, baseUrl: BASE_URL });
  assert.deepEqual(askedRelease(["--base-url", ADDRESS]), {
    platforms: PLATFORMS,
    baseUrl: ADDRESS,
  });
  const both = { platforms: ["linux-x64"], baseUrl: ADDRESS };
  assert.deepEqual(askedRelease(["--platforms", "linux-x64", "--base-url", `${ADDRESS}/`]), both);
  assert.deepEqual(askedRelease([`--base-url=${ADDRESS}`, "--platforms=linux-x64"]), both);
});

Deno.test("askedRelease refuses a word that it does not know", () => {
  for (const words of [["--platfrom", "linux-x64"], ["linux-x64"], ["--platforms"]]) {
    assert.throws(() => askedRelease(words), TypeError, words.join(" "));
  }
  assert.throws(() => askedRelease(["--base-url", "files.example"]), /is no http, https or file/);
});
