/**
 * Formats an entry of the daemon's log for people: time, level, message, then its fields, with the
 * stack below.
 */
import type { Palette } from "../terminal/colour.ts";
import { escapeText } from "../terminal/escape.ts";
import { formatTime } from "../terminal/table.ts";

/**
 * Formats one line of the log, without its line feed. A line that is not an entry is shown as it
 * is, escaped.
 */
export function formatEntry(line: string, paint: Palette): string {
  const entry = parse(line);
  if (!entry) return escapeText(line);
  const { time, level, message, ...fields } = entry;
  const stacks: string[] = [];
  const facts = Object.entries(fields).map(([name, value]) =>
    `${paint.dim(`${escapeText(name)}=`)}${valueText(value, stacks)}`
  );
  const head = [
    paint.dim(formatTime(Date.parse(String(time)))),
    levelText(String(level), paint),
    escapeText(String(message)),
  ];
  return [
    [...head, ...facts].join(" "),
    ...stacks.map((text) => paint.dim(`    ${escapeText(text.trim())}`)),
  ].join("\n");
}

interface Entry extends Record<string, unknown> {
  time: unknown;
  level: unknown;
  message: unknown;
}

function parse(line: string): Entry | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isEntry = typeof value === "object" && value !== null && "time" in value &&
      "level" in value && "message" in value && !Number.isNaN(Date.parse(String(value.time)));
    return isEntry ? value as Entry : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const LEVEL_WIDTH = "warning".length;

function levelText(level: string, paint: Palette): string {
  const padded = escapeText(level).padEnd(LEVEL_WIDTH);
  if (level === "error") return paint.red(padded);
  if (level === "warning") return paint.yellow(padded);
  return level === "debug" ? paint.dim(padded) : padded;
}

/**
 * Formats a value: quoted if it contains spaces. An error becomes its message; its stack goes to
 * `stacks`.
 */
function valueText(value: unknown, stacks: string[]): string {
  if (typeof value === "string") {
    return /^[^\s"=]+$/.test(value) ? escapeText(value) : quoted(value);
  }
  if (typeof value !== "object" || value === null || !("stack" in value)) {
    return escapeText(JSON.stringify(value));
  }
  const { code, message, stack, cause } = value as Record<string, unknown>;
  // The first line of a stack repeats the message.
  stacks.push(...String(stack ?? "").split("\n").slice(1).filter((text) => text.trim() !== ""));
  const because = cause === undefined ? "" : ` cause=${valueText(cause, stacks)}`;
  return `${quoted(String(message))}${
    code === undefined ? "" : ` code=${valueText(code, stacks)}`
  }` +
    because;
}

/** As JSON with its own escapes; terminal control characters are escaped, too. */
function quoted(text: string): string {
  return escapeText(JSON.stringify(text));
}
