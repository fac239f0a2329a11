/** The project's own source for tests: which files there are, and what they import. */
import assert from "node:assert/strict";

const root = new URL("../../", import.meta.url).href;

interface Module {
  specifier: string;
  dependencies?: {
    specifier: string;
    code?: { specifier: string };
    isDynamic?: boolean;
  }[];
}

/** The TypeScript files in some folders of the project, as paths from its root. */
export async function sourceFiles(...folders: string[]): Promise<string[]> {
  const files: string[] = [];
  for (const folder of folders) {
    for await (const entry of Deno.readDir(new URL(folder, root))) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) files.push(...await sourceFiles(path));
      else if (/\.tsx?$/.test(path)) files.push(path);
    }
  }
  return files.sort();
}

/**
 * What a file imports, including types and `import()`: paths from the root for our own files,
 * specifiers for others.
 */
export async function importsOf(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(new URL(path, root));
  // Examples in docstrings contain imports, too.
  const source = text.replace(/^\s*(\/\*\*|\*).*$/gm, "");
  const found = source.matchAll(/\b(?:from|import)(?:\s+|\s*\(\s*)"([^"]+)"/g);
  const base = new URL(path, root);
  return [...found].map(([, specifier]) => {
    if (!specifier!.startsWith(".")) return specifier!;
    return new URL(specifier!, base).href.slice(root.length);
  });
}

/** What a program loads before its first statement runs: our own files, and others. */
export async function staticGraph(entry: string): Promise<{ ours: string[]; others: string[] }> {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL(entry, root).pathname],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const modules: Module[] = JSON.parse(new TextDecoder().decode(stdout)).modules;
  const bySpecifier = new Map(modules.map((module) => [module.specifier, module]));
  const seen = new Set<string>();
  const visit = (specifier: string) => {
    if (seen.has(specifier)) return;
    seen.add(specifier);
    for (const dependency of bySpecifier.get(specifier)?.dependencies ?? []) {
      if (!dependency.isDynamic && dependency.code) visit(dependency.code.specifier);
    }
  };
  visit(`${root}${entry}`);
  const all = [...seen];
  return {
    ours: all.filter((one) => one.startsWith(root)),
    others: all.filter((one) => !one.startsWith(root)),
  };
}
