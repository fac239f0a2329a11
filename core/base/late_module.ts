/**
 * Modules that are loaded late: their code takes memory in each process, and few need it. A program
 * whose files may be replaced while it runs says how ({@link loadLateBy}).
 */

/**
 * Loads a module.
 *
 * @param path from the root of a checkout
 * @param load its literal `import()`
 */
export type LateLoader = <Module>(path: string, load: () => Promise<Module>) => Promise<Module>;

let loader: LateLoader = (_path, load) => load();

/** Has modules loaded in another way from now on. */
export function loadLateBy(other: LateLoader): void {
  loader = other;
}

/** Loads a module of the program, without its default export. */
export const lateModule: LateLoader = (path, load) => loader(path, load);
