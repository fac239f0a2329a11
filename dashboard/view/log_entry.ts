/** Entries of the daemon's log. Pure. */
import type { Tone } from "./tone.ts";

/** An entry; what is no entry is a message alone. */
export interface LogEntry {
  time?: number;
  level: string;
  message: string;
  /** JSON of everything else. */
  fields: string;
}

/** Reads a line. */
export function readLogEntry(line: string): LogEntry {
  try {
    const { time, level, message, ...fields } = JSON.parse(line);
    const at = Date.parse(time);
    return {
      time: Number.isNaN(at) ? undefined : at,
      level: String(level ?? ""),
      message: String(message ?? line),
      fields: Object.keys(fields).length === 0 ? "" : JSON.stringify(fields),
    };
  } catch {
    // Half a line of a log that was cut, or another program's: shown as it is.
    return { level: "", message: line, fields: "" };
  }
}

const LEVELS = ["trace", "debug", "info", "warning", "error", "fatal"];

/** At least as serious as `least`; what has no known level always is. */
export function isAtLeast({ level }: LogEntry, least: string): boolean {
  const at = LEVELS.indexOf(level);
  return at < 0 || at >= LEVELS.indexOf(least);
}

/** How serious it is. */
export function levelTone(level: string): Tone {
  if (level === "error" || level === "fatal") return "bad";
  return level === "warning" ? "warn" : "plain";
}
