/**
 * What the daemon loads late is what was there when it started.
 *
 * What a literal `import()` names is read at the start and held. But when the import is reached, the
 * runtime reads a file that has changed meanwhile once more: after an upgrade in place it would be a
 * module of another version. It does not look for changes behind a module that is no file itself, so
 * the import takes the way over one (docs/adr/0034-held-programs.md).
 */
import type { LateLoader } from "../core/base/late_module.ts";
import { BUNDLED, programFile } from "../core/base/program.ts";

/** Loads a module as it was; a bundle and a compiled binary have no files that could change. */
export const asStarted: LateLoader = (path, load) => {
  if (BUNDLED || Deno.build.standalone) return load();
  const way = `export * from ${JSON.stringify(programFile(path).href)};`;
  return import(`data:text/javascript,${encodeURIComponent(way)}`);
};
