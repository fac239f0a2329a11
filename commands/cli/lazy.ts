/**
 * Loads a module only when it is needed. Deno reads every file named by a literal `import()` before
 * the program starts, needed or not; a specifier that it cannot see costs nothing until it is used.
 * `deno compile` does not see it either, so the task includes the folder.
 */

const COMMANDS = new URL("../", import.meta.url);

/**
 * The module at `path`, which is relative to the folder `commands`: `load<typeof
 * import("./cli/help.ts")>("./cli/help.ts")`.
 */
export async function load<MODULE>(path: string): Promise<MODULE> {
  return await import(new URL(path, COMMANDS).href) as MODULE;
}
