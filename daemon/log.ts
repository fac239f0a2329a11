/**
 * The daemon's log: one JSON object per line in `<data dir>/log/daemon.log`, rotated by size. It is
 * our own, because a library for it took a fortieth of the memory that an idle daemon may take
 * (docs/adr/0019-idle-memory.md).
 */
import { type Clock, systemClock } from "../core/base/clock.ts";
import { ifThere } from "../core/base/if_there.ts";
import { isNoSpace } from "./space_reserve.ts";

/** How many old files to keep beside the current one. */
const KEPT = 3;

/** Levels, lowest first. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/** A file that is renamed once it is too large: `.1` is the newest of the old ones. */
export class RotatingFile {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #spare: () => boolean;
  #file: Deno.FsFile;
  #size: number;

  /** `spare`: tries to make room for a line on a full disk. */
  constructor(path: string, options: { maxBytes: number; spare?: (() => boolean) | undefined }) {
    this.#path = path;
    this.#maxBytes = options.maxBytes;
    this.#spare = options.spare ?? (() => false);
    this.#file = this.#open();
    this.#size = this.#file.statSync().size;
  }

  /**
   * Appends all the bytes. If no new file can be created, it appends to the old one and then throws
   * the reason.
   */
  write(bytes: Uint8Array): void {
    try {
      if (this.#size > 0 && this.#size + bytes.length > this.#maxBytes) this.#rotate();
    } finally {
      // A write may be short, and says so only by its count.
      for (let at = 0; at < bytes.length;) at += this.#writeSome(bytes.subarray(at));
      this.#size += bytes.length;
    }
  }

  close(): void {
    this.#file.close();
  }

  #writeSome(bytes: Uint8Array): number {
    try {
      return this.#file.writeSync(bytes);
    } catch (error) {
      if (!isNoSpace(error) || !this.#spare()) throw error;
      return this.#file.writeSync(bytes);
    }
  }

  #open(path = this.#path): Deno.FsFile {
    const file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
    Deno.chmodSync(path, 0o600); // the umask may have removed some of it
    return file;
  }

  /**
   * The new file is created before the old one is released: a log that cannot be rotated is still
   * written.
   */
  #rotate(): void {
    const fresh = this.#open(`${this.#path}.new`);
    for (let n = KEPT - 1; n >= 1; n--) {
      ifThere(() => Deno.renameSync(`${this.#path}.${n}`, `${this.#path}.${n + 1}`));
    }
    ifThere(() => Deno.renameSync(this.#path, `${this.#path}.1`));
    Deno.renameSync(`${this.#path}.new`, this.#path);
    this.#file.close();
    this.#file = fresh;
    this.#size = 0;
  }
}

/** Facts of a line. Its text names some of them: `{topic}`, `{error.message}`. */
export type LogFacts = Readonly<Record<string, unknown>>;

/** Writes lines of each level. */
export type Logger = Readonly<Record<LogLevel, (text: string, facts?: LogFacts) => void>>;

/** The log of one daemon. */
export interface Log {
  logger: Logger;
  close(): void;
}

/** The options for opening a log. */
export interface LogOptions {
  logLevel: LogLevel;
  logMaxBytes: number;
  /** Tries to make room for a line on a full disk. */
  spare?: () => boolean;
  clock?: Pick<Clock, "now">;
}

/** Opens the log in a folder. */
export function openLog(
  folder: string,
  { logLevel, logMaxBytes, spare, clock = systemClock }: LogOptions,
): Log {
  const file = new RotatingFile(`${folder}/daemon.log`, { maxBytes: logMaxBytes, spare });
  const logger = loggerTo((bytes) => file.write(bytes), { lowest: logLevel, clock });
  return { logger, close: () => file.close() };
}

/**
 * A logger of one level and all above it. A line that cannot be written keeps nobody from going on;
 * a line about that is tried once, until one is written again.
 */
export function loggerTo(
  write: (bytes: Uint8Array) => void,
  { lowest, clock }: { lowest: LogLevel; clock: Pick<Clock, "now"> },
): Logger {
  const encoder = new TextEncoder();
  const from = LOG_LEVELS.indexOf(lowest);
  let isFailing = false;
  const put = (level: LogLevel, text: string, facts: LogFacts) => {
    try {
      write(encoder.encode(logLine({ level, timestamp: clock.now(), text, facts })));
      isFailing = false;
    } catch (error) {
      if (isFailing) return;
      isFailing = true;
      put("error", "the log cannot be written as it should be", { error, line: text });
    }
  };
  const entry = (level: LogLevel, i: number) => [level, (text: string, facts: LogFacts = {}) => {
    if (i >= from) put(level, text, facts);
  }];
  return Object.fromEntries(LOG_LEVELS.map(entry));
}

/** What a line says. */
export interface LogEntry {
  level: LogLevel;
  /** Unix ms. */
  timestamp: number;
  text: string;
  facts: LogFacts;
}

/** What every line has: a fact of the same name must not hide it. */
const OF_ALL: readonly string[] = ["time", "level", "message"];

/** Formats one record as a line. Errors keep their code and stack. */
export function logLine({ level, timestamp, text, facts }: LogEntry): string {
  const properties = Object.entries(facts)
    .map(([name, value]) => [OF_ALL.includes(name) ? `${name}_` : name, value]);
  return `${
    JSON.stringify({
      time: new Date(timestamp).toISOString(),
      level,
      message: text.replace(/\{([\w.]+)\}/g, (_, path: string) => shown(factAt(facts, path))),
      ...Object.fromEntries(properties),
    }, plain)
  }\n`;
}

function factAt(facts: LogFacts, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => (value as LogFacts)?.[name], facts);
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : String(JSON.stringify(value, plain));
}

/** What JSON has no form of its own for. */
function plain(_name: string, value: unknown): unknown {
  if (!(value instanceof Error)) return typeof value === "bigint" ? String(value) : value;
  const { code, message, stack, cause } = value as Error & { code?: unknown };
  return { code, message, stack, cause };
}
