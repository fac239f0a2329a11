/** docs/contract.md is accurate: every file that it names exists, and every test that it quotes. */
import assert from "node:assert/strict";
import { contractRows, namedFiles } from "./helpers/contract.ts";

const root = new URL("../", import.meta.url);
const rows = await contractRows();

Deno.test("docs/contract.md says of each promise what keeps it and what shows it", async () => {
  assert.ok(rows.length >= 40, `${rows.length} promises were read`);
  for (const { title, promise, keptBy, shownBy } of rows) {
    assert.ok(promise.length > 0, `"${title}" promises something`);
    assert.ok(namedFiles(keptBy).length > 0, `"${title}" names its source`);
    assert.ok(namedFiles(shownBy).length > 0, `"${title}" names its test`);
    for (const path of namedFiles(keptBy + shownBy)) await Deno.stat(new URL(path, root));
  }
});

Deno.test("docs/contract.md numbers each promise once", () => {
  const numbers = rows.flatMap(({ number }) => number ?? []);
  assert.equal(new Set(numbers).size, numbers.length, numbers.join(" "));
});

Deno.test("docs/contract.md quotes only tests that are there", async () => {
  for (const { title, shownBy } of rows) {
    const sources = await Promise.all(
      namedFiles(shownBy).map((path) => Deno.readTextFile(new URL(path, root))),
    );
    const tests = sources.join("\n").split("\n").filter((line) => /Deno\.test\(/.test(line));
    for (const [, quoted] of shownBy.matchAll(/"([^"]+)"/g)) {
      assert.ok(tests.some((line) => line.includes(quoted!)), `"${title}": "${quoted}"`);
    }
  }
});
