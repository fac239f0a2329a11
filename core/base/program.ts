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

/** The name in the bundle of a module that is loaded by its name. */
export function bundledName(path: string): string {
  return path.replace(/\.ts$/, ".js").replaceAll("/", ".");
}

/** A module of the program, by its path from the root of a checkout. */
export function programFile(path: string): URL {
  return new URL(BUNDLED ? bundledName(path) : path, root());
}

/** The folder that has all of its modules, without a slash at the end. */
export function programFolder(): string {
  return toPath(root());
}

/** The folder that has the launcher, `evs`. A compiled binary has none: it is its own launcher. */
export function launcherFolder(): string {
  return toPath(new URL(BUNDLED ? "../bin/" : "bin/", root()));
}

/**
 * Nothing is looked for from a place that has no folder, such as a worker made from a blob. Made
 * when it is asked for: a process's first URL takes long, and a publish needs none.
 */
function root(): URL {
  return URL.parse(BUNDLED ? "./" : "../../", import.meta.url) ?? new URL("file:///");
}

function toPath(folder: URL): string {
  return decodeURIComponent(folder.pathname).replace(/\/$/, "");
}
