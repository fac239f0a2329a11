/**
 * What a unit needs to know of this installation and of the one who asks: where `evs` is, where the
 * daemon's files are, and which variables lead there.
 */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { lstat } from "../../core/base/if_there.ts";
import { launcherFolder } from "../../core/base/program.ts";
import { type Paths, resolvePaths, SYSTEM_SOCKET } from "../../core/protocol/paths.ts";
import type { EvsContext } from "../cli/context.ts";
import { PLACE_VARIABLES } from "../context/contexts.ts";
import type { ScopeFlags } from "./flags.ts";

/** Whose service manager runs a unit. */
export type Scope = "user" | "system";

/** The user and the group of a system daemon. */
export const SYSTEM_USER = "evs";

/** Where everything of a system daemon is, unless the environment says otherwise. */
const SYSTEM_PLACES: Readonly<Record<string, string>> = {
  EVS_DATA_DIR: "/var/lib/evs",
  EVS_SOCKET: SYSTEM_SOCKET,
  EVS_CONFIG: "/etc/evs/config.toml",
};

/** The facts that units are made of. */
export interface Installation {
  scope: Scope;
  /** The absolute path of `evs`. */
  program: string;
  paths: Paths;
  /** Home of the user, if it has one. */
  home: string | undefined;
  /** Where sockets of this user are, as long as it is logged in. */
  runtimeFolder: string | undefined;
  /** Variables that lead to the runtime and its cache. */
  runtime: Readonly<Record<string, string>>;
  /** Variables of the caller that a handler may depend on. */
  caller: Readonly<Record<string, string>>;
  /** The folder in which the command was typed. */
  folder: string;
}

/** Looks at this process and its environment. */
export function installation(context: EvsContext, flags: ScopeFlags): Installation {
  const scope = scopeOf(flags);
  const env = context.env;
  const home = env("HOME") || undefined;
  const program = launcher();
  return {
    scope,
    program,
    paths: pathsOf(context, scope),
    home,
    runtimeFolder: env("XDG_RUNTIME_DIR") || undefined,
    runtime: runtimeVariables({ program, scope, home, env }),
    // What changes what a command finds, or how it speaks.
    caller: given({
      PATH: env("PATH"),
      LANG: env("LANG"),
      LC_ALL: env("LC_ALL"),
    }),
    folder: Deno.cwd(),
  };
}

/** Which service manager was asked for; the user's own by default. */
export function scopeOf({ user = false, system = false }: ScopeFlags): Scope {
  if (user && system) {
    throw new InvalidArgumentError("--user and --system exclude each other", {
      hint: "evs service --help",
    });
  }
  return system ? "system" : "user";
}

/** The places of the daemon that the units of a scope are for. */
export function pathsOf(context: EvsContext, scope: Scope): Paths {
  if (scope === "user") return context.paths;
  // The current context is that of whoever types this; one that was named is meant.
  const isOwn = context.contextUsed?.by === "evs context use";
  const places: readonly string[] = isOwn ? Object.values(PLACE_VARIABLES) : [];
  return systemPaths((name) => places.includes(name) ? undefined : context.env(name));
}

/** The places of a system daemon. */
export function systemPaths(env: (name: string) => string | undefined = () => undefined): Paths {
  return resolvePaths((name) => env(name) || SYSTEM_PLACES[name]);
}

/** This `evs`, as a service manager can start it. */
function launcher(): string {
  if (Deno.build.standalone) return Deno.execPath();
  return `${launcherFolder()}/evs`;
}

interface RuntimeOptions {
  program: string;
  scope: Scope;
  home: string | undefined;
  env: (name: string) => string | undefined;
}

/** The launcher looks for Deno where a login shell has it; a service manager has less. */
function runtimeVariables({ program, scope, home, env }: RuntimeOptions): Record<string, string> {
  if (Deno.build.standalone) return {};
  const root = program.replace(/\/bin\/evs$/, "");
  const isInside = Deno.execPath().startsWith(`${root}/`);
  const cache = env("DENO_DIR") || undefined;
  // A checkout has its packages in the cache of whoever installed it.
  const isCheckout = lstat(`${root}/deno.lock`) !== undefined;
  const lookedUp = isCheckout && scope === "system" && home !== undefined
    ? `${env("XDG_CACHE_HOME") || `${home}/.cache`}/deno`
    : undefined;
  return given({
    EVS_DENO: isInside ? undefined : Deno.execPath(),
    DENO_DIR: cache ?? lookedUp,
    XDG_CACHE_HOME: scope === "user" ? env("XDG_CACHE_HOME") : undefined,
  });
}

/** The variables that have a value. */
function given(variables: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(variables).flatMap(([name, value]) => value ? [[name, value]] : []),
  );
}

/** The variables that lead a client or a daemon to these places. */
export function placeVariables({ dataDir, socket, config }: Paths): Record<string, string> {
  return { EVS_DATA_DIR: dataDir, EVS_SOCKET: socket, EVS_CONFIG: config };
}
