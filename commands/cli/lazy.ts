/**
 * Loads a module only when it is needed. Deno reads every file named by a literal `import()` before
 * the program starts, needed or not; a specifier that it cannot see costs nothing until it is used.
 * `deno compile` does not see it either, so the task includes the folder.
 */
import { programFile } from "../../core/base/program.ts";

/** Names are relative to this folder; `..` leaves it. */
const COMMANDS = "file:///commands/";

/**
 * By file. Another `import` of a module takes a turn of the event loop although it is loaded, and a
 * simulated world (tests/world), which loads all of them before it begins, has none to give.
 */
const loaded = new Map<string, Promise<unknown>>();

/**
 * The module at `path`, which is relative to the folder `commands`: `load<typeof
 * import("./cli/help.ts")>("./cli/help.ts")`.
 */
export function load<MODULE>(path: string): Promise<MODULE> {
  const file = new URL(path, COMMANDS).pathname.slice(1);
  let module = loaded.get(file);
  if (module === undefined) loaded.set(file, module = import(programFile(file).href));
  return module as Promise<MODULE>;
}
