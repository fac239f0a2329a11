/**
 * How the daemon is started: the one place that knows its exact permissions (contract row 23). No
 * TCP, no subprocess, no FFI, no environment; its own source, the data dir, the socket's folder and
 * the config are all that it can reach.
 */
import { InvalidArgumentError } from "../base/errors.ts";
import { folderOf, withRealPaths } from "../protocol/paths.ts";

/** What a daemon is started with. */
export interface LaunchOptions {
  dataDir: string;
  socket: string;
  config: string;
  store?: string;
  durability?: string;
  /** It waits for the daemon that has the data dir, and takes its place. */
  takeOver?: boolean;
  /** Also on a network file system. */
  force?: boolean;
  /** The daemon ends when its standard input does: for one that must not outlive who started it. */
  untilStdinCloses?: boolean;
}

/** A program, its arguments, and what is added to its environment, for `Deno.Command`. */
export interface Launch {
  program: string;
  args: string[];
  env: Record<string, string>;
}

/**
 * TCP sockets of Deno's own, which no permission keeps it from (contract row 22): once a day it
 * asks whether there is a newer one, and it sends telemetry where the environment of whoever starts
 * the daemon says so (docs/adr/0021-telemetry.md).
 */
const ENVIRONMENT = { DENO_NO_UPDATE_CHECK: "1", OTEL_DENO: "false" };

/**
 * Keeps the daemon small (docs/adr/0008-memory.md): a young generation of 4 MiB in each of its
 * three threads, and the function that daemon/memory/scavenge.ts and
 * daemon/memory/collect_when_idle.ts call. A thread that ends gives its heap back at once
 * (docs/adr/0019-idle-memory.md). The task `compile` in deno.json gives a binary the same.
 */
const V8_FLAGS =
  "--v8-flags=--expose-gc,--max-semi-space-size=4,--no-memory-pool-share-memory-on-teardown";

/**
 * A cache of compiled code saves no time that could be measured, and its database takes 2 MiB
 * (docs/adr/0019-idle-memory.md).
 */
const NO_CODE_CACHE = "--no-code-cache";

/** Where this project lies. */
const SOURCE = decodeURIComponent(new URL("../../", import.meta.url).pathname).replace(/\/$/, "");

/**
 * Only what the lock file names, by its checksum; it names nothing that only tests use
 * (docs/adr/0001-dependencies.md).
 */
const LOCKED = [`--lock=${SOURCE}/deno.lock`, "--frozen"];

/** The Deno permission flags of a daemon with these paths. */
export function permissionFlags({ dataDir, socket, config }: LaunchOptions): string[] {
  const folder = folderOf(socket);
  return [
    "--no-prompt",
    `--allow-net=unix:${assertNoComma(socket)}`,
    `--allow-read=${withRealPaths([dataDir, folder, config, SOURCE]).map(assertNoComma).join(",")}`,
    `--allow-write=${withRealPaths([dataDir, folder]).map(assertNoComma).join(",")}`,
    "--allow-sys=uid",
  ];
}

/** The command that runs a daemon in the foreground. It prints one line of JSON when it serves. */
export function daemonCommand(options: LaunchOptions): Launch {
  const args = [
    "--data-dir",
    options.dataDir,
    "--socket",
    options.socket,
    "--config",
    options.config,
    ...(options.store === undefined ? [] : ["--store", options.store]),
    ...(options.durability === undefined ? [] : ["--durability", options.durability]),
    ...(options.takeOver ? ["--take-over"] : []),
    ...(options.untilStdinCloses ? ["--until-stdin-closes"] : []),
  ];
  const program = Deno.execPath();
  // In a compiled binary the permissions are baked in: the daemon gives up what it does not need
  // once it listens.
  if (Deno.build.standalone) return { program, args: ["__daemon", ...args], env: ENVIRONMENT };
  const runtime = ["run", "--quiet", ...LOCKED, NO_CODE_CACHE, V8_FLAGS];
  return {
    program,
    args: [...runtime, ...permissionFlags(options), `${SOURCE}/daemon/main.ts`, ...args],
    env: ENVIRONMENT,
  };
}

/** A comma separates paths in a permission flag, and nothing escapes it. */
function assertNoComma(path: string): string {
  if (!path.includes(",")) return path;
  const ours = path === SOURCE || path === withRealPaths([SOURCE])[1];
  throw new InvalidArgumentError(
    `${path} has a comma in it, and a daemon's permissions cannot name such a path`,
    {
      code: "argument/unusable-path",
      hint: ours
        ? "move evs to a folder without a comma"
        : "choose another place with EVS_DATA_DIR, EVS_SOCKET or EVS_CONFIG",
    },
  );
}
