/**
 * The page of the dashboard is committed as it is built: dashboard/dist is what the sources give,
 * it is small, and a package has it with the licences of what is in it.
 */
import assert from "node:assert/strict";
import { buildDashboard } from "../../packaging/dashboard.ts";
import { bytesOf, writeTree } from "../../packaging/tree.ts";
import { program } from "../helpers/built_program.ts";
import { testFolder } from "../helpers/folder.ts";
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

Deno.test("evs dashboard of a package serves the page, and finds its own doctor", async () => {
  const folder = await testFolder("test");
  try {
    await writeTree((await program()).tree, `${folder}/package`);
    await Deno.mkdir(`${folder}/data`);
    const child = new Deno.Command(`${folder}/package/bin/evs`, {
      args: ["dashboard", "--listen", "127.0.0.1:0"],
      env: {
        EVS_DENO: Deno.execPath(),
        EVS_SOCKET: `${folder}/evs.sock`,
        EVS_DATA_DIR: `${folder}/data`,
        NO_COLOR: "1",
      },
      stdin: "null",
      stdout: "piped",
    }).spawn();
    try {
      await assertServes(child);
    } finally {
      child.kill("SIGTERM");
      assert.equal((await child.status).code, 0);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Waits for its link, and asks for the page and the doctor. */
async function assertServes(child: Deno.ChildProcess): Promise<void> {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const link = new URL(JSON.parse((await reader.read()).value!).url);
  await reader.cancel();
  // A connection for each request: the server closes idle ones, at any moment.
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const script = await (await fetch(`${link.origin}/app.js`, { client })).bytes();
  assert.deepEqual(script, await Deno.readFile(`${project}/dashboard/dist/app.js`));
  const entered = await fetch(link, { client, redirect: "manual" });
  await entered.body?.cancel();
  const found = await fetch(`${link.origin}/dashboard/doctor?quick=1`, {
    client,
    headers: {
      cookie: entered.headers.get("set-cookie")!.split(";")[0]!,
      "evs-dashboard-key": entered.headers.get("location")!.split("key=")[1]!,
    },
  });
  assert.equal(found.headers.get("content-type"), "application/x-ndjson", await found.text());
}
