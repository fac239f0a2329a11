/**
 * The published interface is documented: every public symbol has a docstring and an explicit type.
 */
import assert from "node:assert/strict";
import { staticGraph } from "./helpers/source.ts";

const root = new URL("../", import.meta.url);

async function deno(...args: string[]): Promise<{ success: boolean; told: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { success, told: decoder.decode(stdout) + decoder.decode(stderr) };
}

Deno.test("mod.ts and testing.ts have a docstring and a public type for everything", async () => {
  const { success, told } = await deno("doc", "--lint", "mod.ts", "testing.ts");
  assert.ok(success, told.slice(0, 4000));
});

Deno.test("deno publish --dry-run warns of nothing and takes the library, its pages and no tests", async () => {
  // What is not committed yet is no fault of the package.
  const { success, told } = await deno("publish", "--dry-run", "--allow-dirty", "--no-check");
  assert.ok(success, told.slice(-4000));
  assert.match(told, /Dry run complete/);
  assert.doesNotMatch(told, /^(warning|error)/m);
  const files = Array.from(
    told.matchAll(/^ +(file:\S+) \(/gm),
    ([, url]) => decodeURIComponent(url!.slice(root.href.length)),
  );
  const parts = new Set(files.map((file) => file.replace(/\/.*/, "/")));
  assert.deepEqual([...parts].sort(), [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "core/",
    "deno.json",
    "docs/",
    "mod.ts",
    "schemas/",
    "testing.ts",
    "testing/",
  ]);
  assert.deepEqual(files.filter((file) => /_test\.ts$|^docs\/.*(?<!\.md)$/.test(file)), []);
  const modules = await Promise.all([staticGraph("mod.ts"), staticGraph("testing.ts")]);
  const missing = modules.flatMap(({ ours }) => ours)
    .map((url) => decodeURIComponent(url.slice(root.href.length)))
    .filter((file) => !files.includes(file));
  assert.deepEqual(missing, []);
});

interface Documented {
  name: string;
  declarations: { kind: string; jsDoc?: { doc?: string; tags?: { kind: string }[] } }[];
}

Deno.test("every exported class and function has an example", async () => {
  const { success, told } = await deno("doc", "--json", "mod.ts", "testing.ts");
  assert.ok(success, told);
  const { nodes } = JSON.parse(told) as { nodes: Record<string, { symbols: Documented[] }> };
  const all = Object.values(nodes).flatMap(({ symbols }) => symbols).flatMap((symbol) =>
    symbol.declarations
      .filter(({ kind }) => kind === "class" || kind === "function")
      .map(({ jsDoc }) => ({ name: symbol.name, jsDoc }))
  );
  assert.ok(all.length >= 50, `${all.length} were found`);
  const bare = all.filter(({ jsDoc }) =>
    !jsDoc?.doc?.includes("```") && !jsDoc?.tags?.some(({ kind }) => kind === "example")
  );
  assert.deepEqual(bare.map(({ name }) => name), []);
});

Deno.test("the examples in docstrings compile strictly", async () => {
  const { imports, compilerOptions } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", root)),
  );
  // An example may create something that it does not use, and is given every export of its module.
  const lenient = { ...compilerOptions, noUnusedLocals: false, noUnusedParameters: false };
  const absolute = Object.fromEntries(
    Object.entries(imports as Record<string, string>).map(([name, target]) => [
      name,
      target.startsWith("./") ? new URL(target, root).href : target,
    ]),
  );
  const config = await Deno.makeTempFile({ prefix: "evs-doc-", suffix: ".json" });
  await Deno.writeTextFile(
    config,
    JSON.stringify({ imports: absolute, compilerOptions: lenient, nodeModulesDir: "none" }),
  );
  const args = ["check", "--doc", "--no-lock", "--config", config];
  const { success, told } = await deno(...args, "mod.ts", "testing.ts", "core", "testing");
  assert.ok(success, told.slice(-4000));
  // The same command finds an example that is wrong.
  const wrong = await Deno.makeTempFile({ prefix: "evs-doc-", suffix: ".ts" });
  const example = 'import { EventBroker } from "@env/env-event-stream";\nnew EventBroker(7);';
  const block = `\`\`\`ts\n${example}\n\`\`\``.replaceAll("\n", "\n * ");
  await Deno.writeTextFile(wrong, `/**\n * ${block}\n */\nexport const one = 1;\n`);
  const found = await deno(...args, wrong);
  assert.ok(
    !found.success && /not assignable|no properties in common/.test(found.told),
    found.told,
  );
  for (const file of [config, wrong]) await Deno.remove(file);
});
