/**
 * Modules that only a process with a database needs: each KiB of their code takes 12 KiB of memory in
 * each daemon that could load them. Who opens a database imports core/broker/shared_modules.ts, which
 * brings them; who uses one asks for it here, and names its types alone.
 */
import { InternalError } from "./errors.ts";

const modules: Map<string, unknown> = new Map();

/** Brings modules, by their paths from the root of a checkout. */
export function bringModules(brought: Readonly<Record<string, unknown>>): void {
  for (const [path, module] of Object.entries(brought)) modules.set(path, module);
}

/** A module that was brought. */
export function broughtModule<Module>(path: string): Module {
  const module = modules.get(path);
  if (module === undefined) {
    throw new InternalError(`${path} is missing: core/broker/shared_modules.ts is to bring it`);
  }
  return module as Module;
}
