/**
 * daemon/modules.ts names every module that the daemon loads, so that the runtime keeps no source
 * maps. With EVS_WRITE_MODULES=1 (`deno task modules`) the list is written anew instead.
 */
import assert from "node:assert/strict";
import { importsOf, staticGraph } from "../helpers/source.ts";

const LIST = "daemon/modules.ts";
const MAIN = "daemon/main.ts";
const root = new URL("../../", import.meta.url);

/** The modules that the daemon loads before its first statement, as paths from the root. */
async function loaded(): Promise<string[]> {
  const { ours } = await staticGraph(MAIN);
  return ours.map((href) => href.slice(root.href.length))
    .filter((path) => path !== MAIN && path !== LIST);
}

Deno.test("daemon/modules.ts lists every module that daemon/main.ts loads, and no other", async () => {
  const url = new URL(LIST, root);
  const text = await Deno.readTextFile(url);
  if (Deno.env.get("EVS_WRITE_MODULES") === "1") {
    const rest = text.replaceAll(/^import .*\n/gm, "");
    await Deno.writeTextFile(url, rest);
    const lines = (await loaded()).map((path) => `import "${fromDaemon(path)}";\n`);
    await Deno.writeTextFile(url, rest + lines.sort().join(""));
    return;
  }
  const listed = await importsOf(LIST);
  assert.deepEqual(listed.toSorted(), (await loaded()).toSorted(), `${LIST}: deno task modules`);
});

Deno.test("daemon/main.ts imports the list of its modules before any other module", async () => {
  const [first] = await importsOf(MAIN);
  assert.equal(first, LIST);
});

Deno.test("what the daemon loads late, it loads by lateModule, with the path of what it names", async () => {
  const atStart = new Set(await importsOf(LIST));
  const found: string[] = [];
  const seen = new Set(atStart);
  for (const path of seen) {
    const source = await Deno.readTextFile(new URL(path, root));
    for (const [whole, given, named] of source.matchAll(LATE)) {
      const target = new URL(named!, new URL(path, root)).href.slice(root.href.length);
      if (atStart.has(target)) continue;
      assert.equal(given, target, `${path}: ${whole}`);
      found.push(target);
      seen.add(target);
    }
    if (!atStart.has(path)) {
      for (const more of await importsOf(path)) if (/^(core|daemon)\//.test(more)) seen.add(more);
    }
  }
  assert.ok(found.length >= 4, found.join());
});

/** The path that `lateModule` is given, if it is called, and what a literal `import()` names. */
const LATE = /(?:lateModule\(\s*"([^"]+)",\s*\(\) =>\s*)?(?<!typeof )\bimport\("(\.[^"]+)"\)/g;

/** How a module in the folder of the daemon names another. */
function fromDaemon(path: string): string {
  return path.startsWith("daemon/") ? `./${path.slice("daemon/".length)}` : `../${path}`;
}
