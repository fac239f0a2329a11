/** docs/contract.md tells the truth about where things are: every file is there, and every test that it quotes. */
import assert from "node:assert/strict";

const root = new URL("../", import.meta.url);
const page = await Deno.readTextFile(new URL("docs/contract.md", root));
const rows = page.split("\n").filter((line) => /^\| (\d+|-)\s+\| [^-]/.test(line));

/** What each row has in its columns. */
function columns(row: string): { number: string; source: string; shown: string } {
  const [number, , source, shown] = row.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim());
  return { number: number!, source: source!, shown: shown! };
}

function paths(cell: string): string[] {
  return [...cell.matchAll(/`([\w./]+\.ts)`/g)].map(([, path]) => path!);
}

Deno.test("docs/contract.md names only files that are there", async () => {
  assert.ok(rows.length >= 10);
  for (const { number, source, shown } of rows.map(columns)) {
    assert.ok(paths(source).length > 0, `row ${number} names its source`);
    assert.ok(paths(shown).length > 0, `row ${number} names its test`);
    for (const path of [...paths(source), ...paths(shown)]) await Deno.stat(new URL(path, root));
  }
});

Deno.test("docs/contract.md quotes only tests that are there", async () => {
  for (const { number, shown } of rows.map(columns)) {
    const sources = await Promise.all(
      paths(shown).map((path) => Deno.readTextFile(new URL(path, root))),
    );
    const titles = sources.join("\n").split("\n").filter((line) => /Deno\.test\(/.test(line));
    for (const [, quoted] of shown.matchAll(/"([^"]+)"/g)) {
      assert.ok(titles.some((title) => title.includes(quoted!)), `row ${number}: "${quoted}"`);
    }
  }
});
