/**
 * Modules that are loaded late, but as they were when the program started.
 *
 * What a literal `import()` names is read at the start and held. But when the import is reached, the
 * runtime reads a file that has changed meanwhile once more: after an upgrade in place it would be a
 * module of another version. It does not look for changes behind a module that is no file itself, so
 * the import takes the way over one.
 */
import { BUNDLED, programFile } from "./program.ts";

/**
 * Loads a module of the program, without its default export.
 *
 * @param path from the root of a checkout
 * @param load its literal `import()`: for it the module is read at the start, and a bundle or a
 * compiled binary, which have no files that could change, load it so
 */
export function lateModule<Module>(path: string, load: () => Promise<Module>): Promise<Module> {
  const { protocol, href } = programFile(path);
  if (BUNDLED || Deno.build.standalone || protocol !== "file:") return load();
  const way = `export * from ${JSON.stringify(href)};`;
  return import(`data:text/javascript,${encodeURIComponent(way)}`);
}
