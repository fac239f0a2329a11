/**
 * The modules that no static import names: verbs that load when they are typed, workers, the
 * daemon. Each is called by its name in the source, in one of three ways, and each needs a file of
 * its own in a package.
 */
import { project } from "./project.ts";

/** `verb("topic", "./topic/mod.ts", …)` and `load<…>("./cli/help.ts")`, from `commands`. */
const FROM_COMMANDS = /(?:\bload(?:<[^;]*?>)?|\bverb)\((?:\s*"\w+",)?\s*"(\.{1,2}\/[^"]+\.ts)"/g;

/** `programFile("daemon/state_worker.ts")`, from the root. */
const FROM_ROOT = /\bprogramFile\(\s*"([^"]+\.ts)"/g;

/** The paths of these modules from the root, sorted, and `cli.ts` first. */
export async function entryPoints(): Promise<string[]> {
  const found = new Set<string>();
  for (const file of ["cli.ts", ...await sources("commands", "core", "daemon")]) {
    const source = await Deno.readTextFile(`${project}/${file}`);
    for (const [, path] of source.matchAll(FROM_COMMANDS)) {
      found.add(new URL(path!, "file:///commands/").pathname.slice(1));
    }
    for (const [, path] of source.matchAll(FROM_ROOT)) found.add(path!);
  }
  found.delete("cli.ts");
  return ["cli.ts", ...[...found].sort()];
}

async function sources(...folders: string[]): Promise<string[]> {
  const files: string[] = [];
  for (const folder of folders) {
    for await (const { name, isDirectory } of Deno.readDir(`${project}/${folder}`)) {
      if (isDirectory) files.push(...await sources(`${folder}/${name}`));
      else if (name.endsWith(".ts")) files.push(`${folder}/${name}`);
    }
  }
  return files.sort();
}
