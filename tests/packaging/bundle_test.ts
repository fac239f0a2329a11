/** The bundle and the npm package: what is in them, and that building twice gives equal bytes. */
import assert from "node:assert/strict";
import { bundledName } from "../../core/base/program.ts";
import { entryPoints } from "../../packaging/entry_points.ts";
import { npmTree } from "../../packaging/npm.ts";
import { buildProgram, type Program } from "../../packaging/program.ts";
import { sbom } from "../../packaging/sbom.ts";
import { tarball } from "../../packaging/tar.ts";
import { bytesOf, type Tree } from "../../packaging/tree.ts";
import { program } from "../helpers/built_program.ts";
import { version } from "../helpers/package_names.ts";
import { project } from "../helpers/shell.ts";
import { sourceFiles } from "../helpers/source.ts";

async function textOf(tree: Tree, path: string): Promise<string> {
  return new TextDecoder().decode(await bytesOf(tree.get(path)!));
}

Deno.test("only core/base/program.ts knows where the program's files are", async () => {
  for (const file of ["cli.ts", ...await sourceFiles("core", "daemon", "commands")]) {
    if (file === "core/base/program.ts") continue;
    const source = await Deno.readTextFile(`${project}/${file}`);
    assert.doesNotMatch(source, /import\.meta\.(url|dirname|filename|resolve)/, file);
  }
});

Deno.test("entryPoints finds the daemon, its workers and every verb", async () => {
  const entries = await entryPoints();
  assert.equal(entries[0], "cli.ts");
  for (
    const path of [
      "daemon/main.ts",
      "daemon/state_worker.ts",
      "daemon/journal_worker.ts",
      "daemon/file_worker.ts",
      "commands/publish.ts",
      "commands/dlq/mod.ts",
      "commands/cli/report.ts",
    ]
  ) assert.ok(entries.includes(path), path);
  for (const path of entries) await Deno.stat(`${project}/${path}`);
});

Deno.test("the bundle has a file for every module that is loaded by its name, and for no test", async () => {
  const { tree } = await program();
  for (const path of await entryPoints()) {
    // The daemon's file holds this one, or there were two copies of what both use.
    const isHeld = path === "daemon/open_shared.ts";
    assert.equal(tree.has(`lib/${bundledName(path)}`), !isHeld, path);
    if (isHeld) assert.ok((await textOf(tree, "lib/daemon.main.js")).includes(`// ${path}`));
  }
  for (const path of tree.keys()) {
    assert.match(
      path,
      /^(bin\/evs|lib\/(cli|chunk\.\w+|(commands|core|daemon)\.[\w.]+)\.js|lib\/package\.json|lib\/dashboard\.dist\.\w+\.\w+|(THIRD_PARTY_)?LICENSES?)$/,
    );
    const text = await textOf(tree, path);
    assert.doesNotMatch(text, /\/\/ (tests|testing|packaging)\//, path);
    for (const place of [project, "/tmp/evs-bundle", Deno.env.get("HOME") ?? project]) {
      assert.ok(place === "/" || !text.includes(`${place}/`), `${path} names ${place}`);
    }
  }
});

Deno.test("a publish from a shell loads two files of the bundle before it connects", async () => {
  const { tree } = await program();
  const start = await textOf(tree, "lib/cli.js");
  const chunks = [...start.matchAll(/^(?:import|\} from) "\.\/(.*)";$/gm)].map(([, name]) => name);
  assert.equal(chunks.length, 1, start);
  assert.doesNotMatch(await textOf(tree, `lib/${chunks[0]}`), /^(?:import\b|\} from )/m);
});

Deno.test("the bundle imports nothing but its own files and what is built into Deno", async () => {
  const { tree } = await program();
  let imports = 0;
  for (const path of [...tree.keys()].filter((path) => path.endsWith(".js"))) {
    const found = (await textOf(tree, path)).matchAll(
      /^(?:import|export)\b[^;"'`]*?"([^"]+)";$|\bimport\("([^"]+)"\)/gm,
    );
    for (const [, named, called] of found) {
      const specifier = (named ?? called)!;
      imports++;
      if (specifier.startsWith("node:")) continue;
      assert.ok(tree.has(`lib/${specifier.slice(2)}`), `${path} imports ${specifier}`);
    }
  }
  assert.ok(imports > 100, `${imports} imports were found`);
});

Deno.test("the daemon and its workers load nothing late when the package is replaced below them", async () => {
  const { tree } = await program();
  const files = [...tree.keys()].filter((path) => path.startsWith("lib/daemon."));
  assert.equal(files.length, 4, files.join());
  for (const path of files) {
    const text = await textOf(tree, path);
    assert.doesNotMatch(text, /^(?:import|export)\b[^;"'`]*?"\.{1,2}\/|^[^*]*\bimport\("/m, path);
  }
});

Deno.test("the npm package has no install script, no dependency but the runtime, and the version of deno.json", async () => {
  const tree = await npmTree((await program()).tree);
  const manifest = JSON.parse(await textOf(tree, "package.json"));
  assert.equal(manifest.version, version);
  assert.equal(manifest.name, "env-event-stream");
  assert.deepEqual(manifest.bin, { evs: "bin/evs" });
  for (const absent of ["scripts", "dependencies", "peerDependencies"]) {
    assert.ok(!(absent in manifest), absent);
  }
  for (const [name, pinned] of Object.entries(manifest.optionalDependencies)) {
    assert.match(name, /^@deno\/(linux|darwin)-/);
    assert.equal(pinned, "2.9.6");
  }
  assert.ok(tree.get("bin/evs")?.executable);
});

Deno.test("the SBOM and the licences name every package in the bundle, and no other", async () => {
  const { tree, packages } = await program();
  // Each module says in a comment where it is from.
  const inside = new Set<string>();
  for (const path of [...tree.keys()].filter((path) => path.endsWith(".js"))) {
    const text = await textOf(tree, path);
    for (
      const [, name] of text.matchAll(
        /^\s*(?:\/\/ |")\S*\/node_modules\/((?:@[^/]+\/)?[^/\s]+)\//gm,
      )
    ) {
      inside.add(name!);
    }
  }
  assert.ok(inside.has("@stricli/core") && inside.has("ajv"), [...inside].join());
  // The page is minified, and says nothing.
  for (const name of ["preact", "uplot"]) inside.add(name);
  const { components } = JSON.parse(await sbom(packages)) as {
    components: { type: string; name: string; version: string; hashes?: { content: string }[] }[];
  };
  const libraries = components.filter(({ type }) => type === "library");
  assert.deepEqual(libraries.map(({ name }) => name), [...inside].sort());
  assert.deepEqual(
    components.filter(({ type }) => type !== "library").map(({ name }) => name),
    ["deno"],
  );
  const licenses = await textOf(tree, "THIRD_PARTY_LICENSES");
  for (const { name, version, hashes } of libraries) {
    assert.match(hashes![0]!.content, /^[0-9a-f]{128}$/);
    assert.ok(licenses.includes(`\n${name} ${version}, `), name);
  }
});

Deno.test("the npm package has equal bytes when it is built twice", async () => {
  const pack = async ({ tree }: Program) => await tarball(await npmTree(tree), "package");
  const [first, second] = [await pack(await program()), await pack(await buildProgram())];
  assert.deepEqual(second, first);
});
