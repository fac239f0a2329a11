/** The commands of `evs`, in a process of a world. */
import { load } from "../../../commands/cli/lazy.ts";
import { main } from "../../../commands/main.ts";
import { real } from "./real.ts";

/** Runs one; resolves with its exit code. */
export function runCommand(args: readonly string[]): Promise<number> {
  return main(args);
}

/** What commands load of core, beside what is loaded for a daemon. */
const FOLDERS = ["commands", "core/backup", "core/doctor", "core/spool", "core/schema"];

let loaded: Promise<unknown> | undefined;

/** Loads all of them, because a world waits for no file of a program. */
export function loadCommands(): Promise<unknown> {
  return loaded ??= Promise.all(
    FOLDERS.flatMap((folder) => [...modulesIn(folder)]).map((path) => load(path)),
  );
}

/** As `load` names them: relative to the folder `commands`. */
function* modulesIn(folder: string): Generator<string> {
  const root = new URL(`../../../${folder}/`, import.meta.url);
  for (const { name, isDirectory } of real.Deno.readDirSync(root)) {
    if (isDirectory) yield* modulesIn(`${folder}/${name}`);
    else if (name.endsWith(".ts")) {
      yield folder.startsWith("commands")
        ? `.${folder.slice("commands".length)}/${name}`
        : `../${folder}/${name}`;
    }
  }
}
