/** The rules that ARCHITECTURE.md states, held against what the modules import. */
import assert from "node:assert/strict";

interface Module {
  specifier: string;
  dependencies?: {
    specifier: string;
    code?: { specifier: string };
    type?: { specifier: string };
    isDynamic?: boolean;
  }[];
}

const root = new URL("../", import.meta.url).href;

async function graphOf(entry: string): Promise<Module[]> {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL(`../${entry}`, import.meta.url).pathname],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)).modules;
}

async function sourceFiles(...folders: string[]): Promise<string[]> {
  const files: string[] = [];
  for (const folder of folders) {
    for await (const entry of Deno.readDir(new URL(`../${folder}`, import.meta.url))) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) files.push(...await sourceFiles(path));
      else if (path.endsWith(".ts")) files.push(path);
    }
  }
  return files.sort();
}

/** `core/store/sqlite/sqlite_event_store.ts` to what it imports: paths of ours, or specifiers. */
async function importsOf(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(`../${path}`, import.meta.url));
  // Examples in docstrings import, too.
  const source = text.replace(/^\s*(\/\*\*|\*).*$/gm, "");
  const found = source.matchAll(/\b(?:from|import)(?:\s+|\s*\(\s*)"([^"]+)"/g);
  const base = new URL(`../${path}`, import.meta.url);
  return [...found].map(([, specifier]) => {
    if (!specifier!.startsWith(".")) return specifier!;
    return new URL(specifier!, base).href.slice(root.length);
  });
}

const FLOORS: Record<string, readonly string[]> = {
  core: ["core", "schemas"],
  daemon: ["daemon", "core", "schemas"],
  commands: ["commands", "core", "schemas", "cli.ts"],
  testing: ["testing", "core"],
};

for (const [folder, below] of Object.entries(FLOORS)) {
  Deno.test(`${folder} imports only from ${below.join(", ")} among our own folders`, async () => {
    for (const file of await sourceFiles(folder)) {
      for (const imported of await importsOf(file)) {
        if (!imported.endsWith(".ts") || imported.includes(":")) continue;
        assert.ok(
          below.some((allowed) => imported === allowed || imported.startsWith(`${allowed}/`)),
          `${file} imports ${imported}`,
        );
      }
    }
  });
}

Deno.test("only core/store and core/state open SQLite", async () => {
  for (const file of await sourceFiles("core", "daemon", "commands")) {
    if ((await importsOf(file)).includes("node:sqlite")) {
      assert.match(file, /^core\/(store|state)\//);
    }
  }
});

Deno.test("core/client loads nothing from npm and no node: module", async () => {
  for (const file of await sourceFiles("core/client")) {
    for (const imported of await importsOf(file)) {
      assert.ok(imported.endsWith(".ts"), `${file} imports ${imported}`);
    }
  }
});

Deno.test("the static graph of cli.ts holds only stricli from npm and no node: module", async () => {
  const modules = await graphOf("cli.ts");
  const bySpecifier = new Map(modules.map((module) => [module.specifier, module]));
  const seen = new Set<string>();
  const visit = (specifier: string) => {
    if (seen.has(specifier)) return;
    seen.add(specifier);
    for (const dependency of bySpecifier.get(specifier)?.dependencies ?? []) {
      if (!dependency.isDynamic && dependency.code) visit(dependency.code.specifier);
    }
  };
  visit(`${root}cli.ts`);
  assert.ok(seen.size > 3, "the graph was read");
  for (const specifier of seen) {
    if (specifier.startsWith(root)) continue;
    assert.match(specifier, /^npm:\/?@stricli\/core@/, `cli.ts loads ${specifier} at every start`);
  }
});

Deno.test("every source file stays under 400 lines", async () => {
  for (
    const file of await sourceFiles("core", "daemon", "commands", "testing", "examples", "tests")
  ) {
    const lines =
      (await Deno.readTextFile(new URL(`../${file}`, import.meta.url))).split("\n").length;
    assert.ok(lines <= 400, `${file} has ${lines} lines: one idea, or several?`);
  }
});

Deno.test("every module begins with what it is", async () => {
  for (const file of await sourceFiles("core", "daemon", "commands", "testing", "examples")) {
    const source = await Deno.readTextFile(new URL(`../${file}`, import.meta.url));
    assert.match(source, /^\/\*\*/, `${file} has no header comment`);
  }
});
