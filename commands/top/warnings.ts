/**
 * The last warnings and errors of the daemon's log, read from its file: that costs the daemon
 * nothing. Only its end is read, and only after it has changed.
 */
import { palette } from "../terminal/colour.ts";
import { formatEntry } from "../daemon/log_entry.ts";
import { lastLines } from "../daemon/log_file.ts";
import type { LogWarning } from "./state.ts";

/** Lines at the end of the log that are looked at. */
const LINES = 500;
/** Warnings that are kept. */
const MOST = 20;
/** Before the message: the time and the level. */
const HEAD = /^\S+ \S+ +\S+ +/;

/** The warnings among lines of a log, the newest first. Pure. */
export function warningsIn(lines: readonly string[]): LogWarning[] {
  const found: LogWarning[] = [];
  for (const text of lines.toReversed()) {
    if (found.length === MOST) break;
    if (!text.includes('"warning"') && !text.includes('"error"') && !text.includes('"fatal"')) {
      continue;
    }
    const warning = warningOf(text);
    if (warning !== undefined) found.push(warning);
  }
  return found;
}

function warningOf(text: string): LogWarning | undefined {
  let entry: { time?: unknown; level?: unknown };
  try {
    entry = JSON.parse(text);
  } catch {
    return undefined; // a line that is being written
  }
  const { time, level } = entry;
  const at = Date.parse(String(time));
  if (Number.isNaN(at) || (level !== "warning" && level !== "error" && level !== "fatal")) {
    return undefined;
  }
  const words = formatEntry(text, palette(false)).split("\n")[0]!.replace(HEAD, "");
  return { at, level, text: words };
}

/** Reads them; an empty list where the log cannot be read, as another user's. */
export class WarningLog {
  #seen = "";
  #warnings: readonly LogWarning[] = [];

  read(dataDir: string): readonly LogWarning[] {
    const path = `${dataDir}/log/daemon.log`;
    try {
      const { size, ino, mtime } = Deno.statSync(path);
      const seen = `${path} ${ino} ${size} ${mtime?.getTime()}`;
      if (seen === this.#seen) return this.#warnings;
      const text = new TextDecoder().decode(lastLines(path, LINES).lines);
      this.#seen = seen;
      this.#warnings = warningsIn(text.split("\n"));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || isDenied(error))) throw error;
      this.#warnings = [];
    }
    return this.#warnings;
  }
}

function isDenied(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable;
}
