/**
 * How the daemon is started: the one place that knows its exact permissions (contract row 23). No
 * TCP, no subprocess, no FFI, no environment: it can reach only its own source, the data dir, the
 * socket's folder and the config. With its events in a database, it can reach that, too.
 */
import { InvalidArgumentError } from "../base/errors.ts";
import { BUNDLED, programFile, programFolder } from "../base/program.ts";
import { PASSWORD_VARIABLE } from "../protocol/database_url.ts";
import { folderOf, withRealPaths } from "../protocol/paths.ts";

/** How to start a daemon. */
export interface LaunchOptions {
  dataDir: string;
  socket: string;
  config: string;
  store?: string;
  durability?: string;
  /** The number of the group that the config file lets use the socket. */
  socketGid?: number;
  /** The folder of the spool that the config file names, if it names one. */
  spoolFolder?: string | undefined;
  /** Absent: the store is no database. */
  database?: DatabaseAccess | undefined;
  /** Waits for the daemon that has the data dir, and takes its place. */
  takeOver?: boolean;
  /** Also on a network file system. */
  force?: boolean;
  /** Ends the daemon when its standard input closes: for one that must not outlive its parent. */
  untilStdinCloses?: boolean;
}

/** What a daemon may use to reach its database. */
export interface DatabaseAccess {
  /** What it connects to: `HOST:PORT`, or `unix:PATH`. */
  net: string;
  /** The Unix socket of the database's server. */
  socket?: string;
  /** The file with passwords that the environment names. */
  passfile?: string;
  /** The file with certificates that the config file names. */
  ca?: string;
  /** The machine's name, which the daemon may not ask for. */
  host?: string;
}

/** A program, its arguments, and additions to its environment, for `Deno.Command`. */
export interface Launch {
  program: string;
  args: string[];
  env: Record<string, string>;
}

/**
 * Turns off Deno's own TCP connections, which permissions do not cover (contract row 22): once a
 * day it checks for a newer version, and it sends telemetry if the environment of the daemon's
 * parent says so (docs/adr/0021-telemetry.md).
 */
const ENVIRONMENT = { DENO_NO_UPDATE_CHECK: "1", OTEL_DENO: "false" };

/**
 * Keeps the daemon small (docs/adr/0008-memory.md): a young generation of 4 MiB in each of its
 * three threads, and the function that daemon/memory/scavenge.ts and
 * daemon/memory/collect_when_idle.ts call. A thread that ends releases its heap at once
 * (docs/adr/0019-idle-memory.md). V8's middle compiler begins later, so that a start does not need
 * it (docs/adr/0046-source-maps.md). The `compile` task in deno.json gives the same flags to a binary.
 */
const V8_FLAGS =
  "--v8-flags=--expose-gc,--max-semi-space-size=4,--invocation-count-for-maglev=1200," +
  "--invocation-count-for-maglev-osr=300,--no-memory-pool-share-memory-on-teardown";

/**
 * The code cache saves no measurable time, and its database takes 2 MiB
 * (docs/adr/0019-idle-memory.md).
 */
const NO_CODE_CACHE = "--no-code-cache";

/**
 * In a checkout only dependencies in the lock file, by checksum; it contains none that only tests
 * use (docs/adr/0001-dependencies.md). A bundle has its dependencies inside, and a configuration
 * that happens to lie above it is not for it (docs/adr/0031-packages.md).
 */
const LOCKED = BUNDLED
  ? ["--no-config", "--no-lock"]
  : [`--lock=${programFolder()}/deno.lock`, "--frozen"];

/**
 * With a database: the variable with its password, which is given up once it has been read. The
 * driver asks for many others, and is told that there are none.
 */
const ENVIRONMENT_OF_DATABASE = [`--allow-env=${PASSWORD_VARIABLE}`, "--ignore-env"];

/** The daemon's program. */
const MAIN = decodeURIComponent(programFile("daemon/main.ts").pathname);

/** The Deno permission flags of a daemon with these paths. */
export function permissionFlags(options: LaunchOptions): string[] {
  const { dataDir, socket, config, spoolFolder } = options;
  const folder = folderOf(socket);
  const spool = spoolFolder === undefined ? [] : [spoolFolder];
  const { net, socket: server, passfile, ca } = options.database ?? {};
  const given = (...names: (string | undefined)[]) => names.filter((name) => name !== undefined);
  const list = (names: string[]) => names.map(assertNoComma).join(",");
  const read = [dataDir, folder, config, programFolder(), ...spool, ...given(server, passfile, ca)];
  return [
    "--no-prompt",
    `--allow-net=${list([`unix:${socket}`, ...given(net)])}`,
    `--allow-read=${list(withRealPaths(read))}`,
    `--allow-write=${list(withRealPaths([dataDir, folder, ...spool, ...given(server)]))}`,
    "--allow-sys=uid,statfs",
    ...(options.database === undefined ? [] : ENVIRONMENT_OF_DATABASE),
  ];
}

/**
 * The command that runs a daemon in the foreground. It prints one line of JSON when it is ready.
 */
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
    ...(options.socketGid === undefined ? [] : ["--socket-gid", String(options.socketGid)]),
    ...(options.database?.passfile === undefined ? [] : ["--passfile", options.database.passfile]),
    ...(options.database?.host === undefined ? [] : ["--host", options.database.host]),
    ...(options.takeOver ? ["--take-over"] : []),
    ...(options.untilStdinCloses ? ["--until-stdin-closes"] : []),
  ];
  const program = Deno.execPath();
  // A compiled binary has its permissions baked in: the daemon drops what it does not need once it
  // listens.
  if (Deno.build.standalone) return { program, args: ["__daemon", ...args], env: ENVIRONMENT };
  const runtime = ["run", "--quiet", ...LOCKED, NO_CODE_CACHE, V8_FLAGS];
  return {
    program,
    args: [...runtime, ...permissionFlags(options), MAIN, ...args],
    env: ENVIRONMENT,
  };
}

/** Commas separate paths in a permission flag and cannot be escaped. */
function assertNoComma(path: string): string {
  if (!path.includes(",")) return path;
  const ours = path === programFolder() || path === withRealPaths([programFolder()])[1];
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
