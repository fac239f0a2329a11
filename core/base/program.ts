/**
 * Where the program's own files are, in each of its three forms: a checkout, a binary made by
 * `deno compile`, which holds the same tree, and the bundle of a package (packaging/bundle.ts),
 * where all modules lie in one folder. Whatever is not imported by a literal name (verbs that load
 * late, workers, the daemon) is found here.
 */

/** The path of this file from the root of a checkout. */
const SELF = "core/base/program.ts";

/** True in the bundle of a package. */
export const BUNDLED = !import.meta.url.endsWith(`/${SELF}`);

/** Nothing is looked for from a place that has no folder, such as a worker made from a blob. */
const ROOT = URL.parse(BUNDLED ? "./" : "../../", import.meta.url) ?? new URL("file:///");

/** The name in the bundle of a module that is loaded by its name. */
export function bundledName(path: string): string {
  return path.replace(/\.ts$/, ".js").replaceAll("/", ".");
}

/** A module of the program, by its path from the root of a checkout. */
export function programFile(path: string): URL {
  return new URL(BUNDLED ? bundledName(path) : path, ROOT);
}

/** The folder that has all of its modules, without a slash at the end. */
export const PROGRAM_FOLDER: string = toPath(ROOT);

/** The folder that has the launcher, `evs`. A compiled binary has none: it is its own launcher. */
export const LAUNCHER_FOLDER: string = toPath(new URL(BUNDLED ? "../bin/" : "bin/", ROOT));

function toPath(folder: URL): string {
  return decodeURIComponent(folder.pathname).replace(/\/$/, "");
}
