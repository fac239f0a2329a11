/**
 * docs/security.md claims only what docs/contract.md promises and tests show: every row, file and
 * test that it names exists.
 */
import assert from "node:assert/strict";
import { contractRows } from "./helpers/contract.ts";

const root = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, root));
const page = await read("docs/security.md");

/** The cells of each claim: what is tried, what stops it, the row, the tests. */
const claims = page.split("\n").filter((line) => /^\| (?!-)/.test(line))
  .map((line) => line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()))
  .filter(([, , row]) => row !== "row");

Deno.test("docs/security.md names for each claim a row of the contract, and only rows that are there", async () => {
  const contract = await contractRows();
  const rows = contract.flatMap(({ number }) => number ?? []);
  assert.ok(claims.length > 20 && rows.length > 20);
  for (const [what, stops, row] of claims) {
    assert.ok(stops, `${what}: what stops it`);
    assert.ok(row === "-" || rows.includes(row!), `${what}: row ${row}`);
  }
  // A row without a number is known by the test that it names.
  const unnumbered = contract.filter(({ number }) => number === undefined)
    .map(({ shownBy }) => shownBy).join("\n");
  for (const [what, , row, shown] of claims) {
    if (row !== "-") continue;
    for (const [path] of shown!.matchAll(/`tests\/[\w./]+\.ts`/g)) {
      assert.ok(unnumbered.includes(path), `${what}: a row of the contract names ${path}`);
    }
  }
  for (const [, row] of page.matchAll(/\(row (\d+)\)/g)) {
    assert.ok(rows.includes(row!), `row ${row}`);
  }
});

Deno.test("docs/security.md names for each claim a test, and only tests that are there", async () => {
  for (const [what, , , shown] of claims) {
    const named = [...shown!.matchAll(/`(tests\/[\w./]+\.ts)`(?:: "([^"]+)")?/g)];
    assert.ok(named.length > 0, `${what}: a test`);
    for (const [, path, title] of named) {
      const source = await read(path!);
      const titles = source.split("\n").filter((line) => /Deno\.test\(/.test(line));
      assert.ok(titles.length > 0, `${path} has tests`);
      if (title) assert.ok(titles.some((line) => line.includes(title)), `${path}: "${title}"`);
    }
  }
});

Deno.test("README.md and ARCHITECTURE.md lead to docs/security.md, and that to SECURITY.md and back", async () => {
  for (const path of ["README.md", "ARCHITECTURE.md", "SECURITY.md"]) {
    assert.match(await read(path), /\(docs\/security\.md\)/, path);
  }
  assert.match(page, /\(\.\.\/SECURITY\.md\)/);
  assert.match(await read("README.md"), /\(SECURITY\.md\)/);
});
