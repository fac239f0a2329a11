/**
 * What an `evs alert` remembers over restarts: the conditions that hold, and the begins and ends
 * that its command has not taken yet. One small file, replaced as a whole and synced. A lock beside
 * it, held for life, keeps a second process away.
 */
import { CannotStoreError, ConflictError, EvsError, ExitCode } from "../../core/base/errors.ts";
import { exists, ifThere } from "../../core/base/if_there.ts";
import { osReason } from "../../core/base/os_error.ts";
import { folderOf, type Paths } from "../../core/protocol/paths.ts";
import type { Notice } from "./notice.ts";
import { MEASURES } from "./limit.ts";
import type { ClockTimes, HeldCondition } from "./machine.ts";

const VERSION = 1;

/** What is remembered. */
export interface Remembered {
  conditions: HeldCondition[];
  /** In order. */
  untold: Notice[];
  /** The data dir of the daemon that answered last. */
  dataDir?: string;
}

/** Where it is remembered. Throws `EvsError` if nothing says where. */
export async function alertStateFile(
  name: string,
  { paths, env }: { paths: Paths; env: (name: string) => string | undefined },
): Promise<string> {
  const home = env("HOME");
  const state = env("XDG_STATE_HOME") || (home && `${home}/.local/state`);
  if (!state?.startsWith("/")) {
    throw new EvsError(
      { code: "alert/no-place", status: 500, exit: ExitCode.CannotStore },
      "HOME is not set, so nothing says where to remember what was told",
      { hint: "set XDG_STATE_HOME to a folder that stays" },
    );
  }
  // A daemon is known by the place that leads to it.
  const place = paths.chosen === "socket" ? paths.socket : paths.dataDir;
  return `${state}/evs/alert/${name}-${await shortHash(place)}.json`;
}

/** A name for a text. */
export async function shortHash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest, 0, 8), (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/** The file, locked for this process. */
export class AlertState implements Disposable {
  readonly path: string;
  readonly #lock: Deno.FsFile;

  private constructor(path: string, lock: Deno.FsFile) {
    this.path = path;
    this.#lock = lock;
  }

  /** Takes the lock. Throws `ConflictError` if another process has it. */
  static open(path: string, name: string): AlertState {
    let lock: Deno.FsFile;
    try {
      makeFolder(folderOf(path));
      lock = Deno.openSync(`${path}.lock`, {
        read: true,
        write: true,
        create: true,
        mode: 0o600,
      });
    } catch (cause) {
      throw cannotSave(path, cause);
    }
    if (lock.tryLockSync(true)) {
      nameHolder(lock);
      return new AlertState(path, lock);
    }
    lock.close();
    const pid = ifThere(() => Deno.readTextFileSync(`${path}.lock`))?.trim();
    throw new ConflictError(
      `an evs alert named ${name} watches this daemon already${pid ? `, pid ${pid}` : ""}`,
      {
        code: "alert/runs",
        hint: "give this one a name of its own: evs alert --name NAME …",
        details: { path, ...(pid ? { pid: Number(pid) } : {}) },
      },
    );
  }

  /** What was saved last. Throws `EvsError` if it cannot be read. */
  load(now: ClockTimes): Remembered {
    let text: string | undefined;
    try {
      text = ifThere(() => Deno.readTextFileSync(this.path));
    } catch (cause) {
      throw invalid(this.path, osReason(cause), cause);
    }
    return text === undefined
      ? { conditions: [], untold: [] }
      : parseRemembered(text, { path: this.path, now });
  }

  /** Durable when it returns. Throws `CannotStoreError`; then the file is as it was. */
  save(remembered: Remembered): void {
    const unfinished = `${this.path}.new`;
    try {
      {
        const options = { write: true, create: true, truncate: true, mode: 0o600 };
        using file = Deno.openSync(unfinished, options);
        const bytes = new TextEncoder().encode(formatRemembered(remembered));
        for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
        file.syncSync();
      }
      Deno.renameSync(unfinished, this.path);
      syncFolder(folderOf(this.path));
    } catch (cause) {
      throw cannotSave(this.path, cause);
    }
  }

  /** Lets others take the lock. */
  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** Writes down for others who has the lock. */
function nameHolder(lock: Deno.FsFile): void {
  try {
    lock.truncateSync(0);
    lock.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  } catch {
    // A full disk is what this may have to tell: whoever is refused is not told the pid.
  }
}

/** Makes a folder and those above it, so that they survive a power cut. */
function makeFolder(path: string): void {
  if (exists(path)) return;
  makeFolder(folderOf(path));
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  syncFolder(folderOf(path));
}

function syncFolder(path: string): void {
  using folder = Deno.openSync(path, { read: true });
  folder.syncSync();
}

/** The text of the file. Pure. */
export function formatRemembered({ conditions, untold, dataDir }: Remembered): string {
  const kept = conditions.map(({ heldFrom: _ofThisProcess, ...condition }) => condition);
  return `${JSON.stringify({ version: VERSION, dataDir, conditions: kept, untold })}\n`;
}

/**
 * Reads the text of the file. How long a condition has held is measured by the wall clock here,
 * which may have been set back meanwhile. Pure.
 */
export function parseRemembered(
  text: string,
  { path, now }: { path: string; now: ClockTimes },
): Remembered {
  let value: Partial<Record<string, unknown>> | null;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(path, "it is not JSON", cause);
  }
  const { version, conditions, untold, dataDir } = value ?? {};
  if (typeof version === "number" && version > VERSION) {
    throw invalid(path, `a newer evs wrote it (version ${version})`);
  }
  if (
    version !== VERSION || !isList(conditions, isCondition) || !isList(untold, isFacts) ||
    !["string", "undefined"].includes(typeof dataDir)
  ) {
    throw invalid(path, "it is not a state of evs alert");
  }
  return {
    conditions: conditions.map((condition) => ({
      ...condition,
      heldFrom: now.monotonic - Math.max(0, now.wall - condition.since),
    })),
    untold,
    ...(dataDir === undefined ? {} : { dataDir: dataDir as string }),
  };
}

function isList<T>(value: unknown, isOne: (one: unknown) => one is T): value is T[] {
  return Array.isArray(value) && value.every(isOne);
}

function isSubject(
  { id, measure, subscription, since }: Partial<Record<string, unknown>>,
): boolean {
  return typeof id === "string" && MEASURES.some((known) => known === measure) &&
    ["string", "undefined"].includes(typeof subscription) && Number.isFinite(since);
}

function isCondition(one: unknown): one is HeldCondition {
  return typeof one === "object" && one !== null && isSubject(one as Record<string, unknown>) &&
    typeof (one as { begun?: unknown }).begun === "boolean";
}

function isFacts(one: unknown): one is Notice {
  if (typeof one !== "object" || one === null) return false;
  const { alert, state, message } = one as Partial<Record<string, unknown>>;
  return isSubject({ ...one, measure: alert }) && typeof message === "string" &&
    (state === "begin" || state === "end");
}

function invalid(path: string, reason: string, cause?: unknown): EvsError {
  return new EvsError(
    { code: "alert/invalid-state", status: 500, exit: ExitCode.CannotStore },
    `what was told cannot be read from ${path}: ${reason}`,
    {
      hint: `mv ${path} ${path}.old; then what holds now is told once more`,
      details: { path },
      cause,
    },
  );
}

function cannotSave(path: string, cause: unknown): CannotStoreError {
  return new CannotStoreError(
    `what was told cannot be remembered in ${path}: ${osReason(cause)}`,
    {
      code: "alert/not-saved",
      hint: "set XDG_STATE_HOME to a folder that can be written",
      details: { path },
      cause,
    },
  );
}
