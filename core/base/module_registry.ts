/**
 * Modules that only a process with a database needs: each KiB of their code takes 12 KiB of memory in
 * each daemon that could load them. Whoever opens a database imports core/broker/shared_modules.ts,
 * which registers them; whoever uses one looks it up here, and imports nothing but its types.
 */
import { InternalError } from "./errors.ts";

const modules: Map<string, unknown> = new Map();

/** Registers modules, by their paths from the root of a checkout. */
export function registerModules(given: Readonly<Record<string, unknown>>): void {
  for (const [path, module] of Object.entries(given)) modules.set(path, module);
}

/** A module that was registered. */
export function registeredModule<Module>(path: string): Module {
  const module = modules.get(path);
  if (module === undefined) {
    throw new InternalError(`${path} is missing: core/broker/shared_modules.ts registers it`);
  }
  return module as Module;
}
