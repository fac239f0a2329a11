/**
 * Where the data dir, the socket and the config file are, following the XDG base directory
 * specification.
 */
import { InvalidArgumentError, SocketError } from "../base/errors.ts";

/** The three places that client and daemon must agree on. */
export interface Paths {
  dataDir: string;
  /**
   * Where a daemon started here listens. One that is already running may listen elsewhere
   * (core/client/daemon_address.ts).
   */
  socket: string;
  config: string;
  /** What the caller chose explicitly. A socket that was chosen is used and no other. */
  chosen: "socket" | "data-dir" | "nothing";
}

/** The socket of a system-wide daemon that a package runs. */
export const SYSTEM_SOCKET = "/run/evs/evs.sock";

/** The configuration and the data dir of that daemon. */
export const [SYSTEM_CONFIG, SYSTEM_DATA_DIR] = ["/etc/evs/config.toml", "/var/lib/evs"];

/** Before the uid: where a socket is whose path would be too long elsewhere. */
export const SHORT_FOLDER = "/tmp/evs-";

/**
 * The longest path that the kernel can bind: `sun_path` has 108 bytes, including a NUL (unix(7)).
 */
export const MAX_SOCKET_PATH = 107;

/**
 * Resolves the paths from the environment. Throws `SocketError` if `EVS_SOCKET` itself is too long,
 * and `InvalidArgumentError` if nothing tells where the data dir is.
 */
export function resolvePaths(env: (name: string) => string | undefined): Paths {
  const set = (name: string) => env(name) || undefined;
  if (!["HOME", "EVS_DATA_DIR", "XDG_DATA_HOME", "EVS_SOCKET"].some(set)) {
    throw new InvalidArgumentError("HOME is not set, so nothing says where the data dir is", {
      code: "datadir/unknown",
      hint: "set EVS_DATA_DIR, as in: EVS_DATA_DIR=/var/lib/evs evs daemon start",
    });
  }
  const home = set("HOME") ?? "/";
  const dataDir = assertDataDirLength(absolute(
    set("EVS_DATA_DIR") ?? `${set("XDG_DATA_HOME") ?? `${home}/.local/share`}/evs`,
  ));
  const config = absolute(
    set("EVS_CONFIG") ?? `${set("XDG_CONFIG_HOME") ?? `${home}/.config`}/evs/config.toml`,
  );
  const given = set("EVS_SOCKET");
  if (given !== undefined) {
    return { dataDir, config, socket: assertSocketLength(absolute(given)), chosen: "socket" };
  }
  const runtime = set("XDG_RUNTIME_DIR");
  const chosen = set("EVS_DATA_DIR") === undefined ? "nothing" : "data-dir";
  // A data dir chosen explicitly gets its own socket, so two of them never share one.
  const derived = runtime === undefined || chosen === "data-dir"
    ? `${dataDir}/evs.sock`
    : `${absolute(runtime)}/evs/evs.sock`;
  return {
    dataDir,
    config,
    socket: byteLength(derived) <= MAX_SOCKET_PATH ? derived : shortSocket(derived, set),
    chosen,
  };
}

/** The file with the named contexts (commands/context); undefined if nothing says where it is. */
export function contextsFile(env: (name: string) => string | undefined): string | undefined {
  const home = env("HOME");
  const folder = env("XDG_CONFIG_HOME") || (home && `${home}/.config`);
  return folder ? `${absolute(folder)}/evs/contexts.json` : undefined;
}

/** SQLite cannot open longer paths, including those of the files beside a database, bytes. */
const MAX_DATA_DIR = 480;

function assertDataDirLength(path: string): string {
  const bytes = byteLength(path);
  if (bytes <= MAX_DATA_DIR) return path;
  throw new InvalidArgumentError(
    `the path of the data dir has ${bytes} bytes, and SQLite takes ${MAX_DATA_DIR}: ${
      path.slice(0, 60)
    }…`,
    { code: "argument/unusable-path", hint: "choose a shorter one with EVS_DATA_DIR" },
  );
}

/** A variable from this process's environment. Throws a clear error if it is not valid text. */
export function environment(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.InvalidData)) throw cause;
    throw new InvalidArgumentError(`${name} is not UTF-8, so it cannot be used`, {
      code: "argument/unusable-path",
      hint: `set ${name} to a path in UTF-8`,
      cause,
    });
  }
}

/** Returns the path, or throws a clear error if it is too long. */
export function assertSocketLength(path: string): string {
  const bytes = byteLength(path);
  if (bytes <= MAX_SOCKET_PATH) return path;
  throw new SocketError(
    "socket/too-long",
    `the socket path has ${bytes} bytes, and the kernel takes ${MAX_SOCKET_PATH}: ${path}`,
    {
      hint: "set EVS_SOCKET to a shorter path, or leave it unset: evs then picks a short one",
    },
  );
}

/** A short path that stands for one that is too long, in a folder that belongs to this user. */
function shortSocket(path: string, env: (name: string) => string | undefined): string {
  const runtime = env("XDG_RUNTIME_DIR");
  const folder = runtime !== undefined && byteLength(runtime) < 60
    ? `${runtime}/evs`
    : `${SHORT_FOLDER}${Deno.uid()}`;
  return `${folder}/${fnv1a(path)}.sock`;
}

/** FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/): a name, not a secret. */
function fnv1a(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return hash.toString(16).padStart(16, "0");
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function absolute(path: string): string {
  const whole = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  const parts: string[] = [];
  for (const part of whole.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** The folder that holds a path. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/**
 * The paths, followed by the real path of each that goes through a symbolic link, as a home folder
 * often does. Deno checks a name against a grant as written, but an open file by its real path, so
 * a daemon needs both.
 */
export function withRealPaths(paths: readonly string[]): string[] {
  return [...new Set([...paths, ...paths.map(realPath)])];
}

/**
 * Resolves links in the part of the path that exists and keeps the rest. A path that may not be
 * read is returned as is.
 */
function realPath(path: string): string {
  for (let there = path;; there = folderOf(there)) {
    try {
      const real = Deno.realPathSync(there);
      return (real === "/" ? "" : real) + path.slice(there === "/" ? 0 : there.length);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || there === "/") return path;
    }
  }
}
