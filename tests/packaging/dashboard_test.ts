/**
 * The page of the dashboard is committed as it is built: dashboard/dist is what the sources give,
 * it is small, and a package has it with the licences of what is in it.
 */
import assert from "node:assert/strict";
import { buildDashboard } from "../../packaging/dashboard.ts";
import { bytesOf } from "../../packaging/tree.ts";
import { program } from "../helpers/built_program.ts";
import { project } from "../helpers/shell.ts";

/** What a browser loads at most, compressed, bytes. */
const BUDGET = 150 * 1024;

async function compressed(content: Uint8Array): Promise<number> {
  const stream = new Blob([content as BlobPart]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return (await new Response(stream).bytes()).length;
}

Deno.test("dashboard/dist is what the sources of the page give (deno task dashboard:bundle)", async () => {
  const { files } = await buildDashboard();
  const committed = [...Deno.readDirSync(`${project}/dashboard/dist`)].map(({ name }) => name);
  assert.deepEqual(committed.sort(), [...files.keys()]);
  for (const [name, content] of files) {
    const there = await Deno.readFile(`${project}/dashboard/dist/${name}`);
    assert.ok(
      there.length === content.length && there.every((byte, n) => byte === content[n]),
      `dashboard/dist/${name} is not what dashboard/ gives: deno task dashboard:bundle`,
    );
  }
  const sizes = await Promise.all([...files.values()].map(compressed));
  const size = sizes.reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(size < BUDGET, `${size} bytes compressed`);
  assert.deepEqual([...files.keys()], ["app.css", "app.js", "icon.svg", "index.html"]);
});

Deno.test("the page of the dashboard has nothing inline, and loads nothing from elsewhere", async () => {
  const page = await Deno.readTextFile(`${project}/dashboard/dist/index.html`);
  assert.doesNotMatch(page, /<style|style=|<script(?![^>]*\bsrc=)|\bon\w+=/i);
  for (const [, url] of page.matchAll(/(?:src|href)="([^"]*)"/g)) assert.match(url!, /^\/[\w.]+$/);
  const styles = await Deno.readTextFile(`${project}/dashboard/dist/app.css`);
  assert.doesNotMatch(styles, /url\((?!data:)|@import/);
});

Deno.test("a package has the page of the dashboard, and the licences of what is in it", async () => {
  const { tree, packages } = await program();
  for (const { name } of Deno.readDirSync(`${project}/dashboard/dist`)) {
    const packed = await bytesOf(tree.get(`lib/dashboard.dist.${name}`)!);
    assert.deepEqual(packed, await Deno.readFile(`${project}/dashboard/dist/${name}`));
  }
  for (const name of ["preact", "uplot"]) {
    const { license, licenseText, integrity } = packages.find((found) => found.name === name)!;
    assert.equal(license, "MIT");
    assert.match(licenseText, /permission is hereby granted/i);
    assert.match(integrity, /^sha512-/);
  }
});
