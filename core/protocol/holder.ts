/**
 * Who holds a data dir. A kernel lock has no words, so its holder writes some beside it: where it
 * answers, and as which process. They are true while the lock is held; what a killed daemon left is
 * told apart by asking whether that process has the data dir open.
 */

/** What a daemon says of itself. */
export interface Holder {
  pid: number;
  /** Where it answers. */
  socket: string;
  dataDir: string;
  config: string;
  /** As its command line had it; what only the config file said is not here. */
  store?: string;
  durability?: string;
  /**
   * It belongs to a process that waits for its end (`evs daemon run`, a service manager, `evs
   * with`).
   */
  foreground?: boolean;
}

/** More than any of ours has, bytes: what is longer is something else. */
const LONGEST = 64 * 1024;

/** Where the holder of a data dir is named. */
export function holderFile(dataDir: string): string {
  return `${dataDir}/daemon.json`;
}

/** Where the holder of a socket is named: the file that is locked for it. */
export function socketLockFile(socket: string): string {
  return `${socket}.lock`;
}

/**
 * Reads what a holder wrote; undefined where there is nothing of the kind, or nothing that this
 * user may read.
 */
export function readHolder(path: string): Holder | undefined {
  let text: string;
  try {
    const info = Deno.lstatSync(path);
    if (!info.isFile || info.size > LONGEST) return undefined;
    text = Deno.readTextFileSync(path);
  } catch {
    // Not there, or not ours to look at: then it says nothing.
    return undefined;
  }
  return parseHolder(text);
}

/** The same, of what was read. Pure. */
export function parseHolder(text: string): Holder | undefined {
  let value: Partial<Record<keyof Holder, unknown>>;
  try {
    value = JSON.parse(text);
  } catch {
    // It is being written just now, or is none of ours.
    return undefined;
  }
  const isHolder = typeof value === "object" && value !== null && Number.isInteger(value.pid) &&
    [value.socket, value.dataDir, value.config].every((path) =>
      typeof path === "string" && path.startsWith("/")
    );
  return isHolder ? value as Holder : undefined;
}
