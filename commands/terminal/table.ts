/** Tables and lists of facts for a terminal. Pure: text in, text out; every value is escaped here. */
import type { Palette } from "./colour.ts";
import { escapeText } from "./escape.ts";

/** A table with a head line; columns are the keys of the first row. Numbers stand to the right. */
export function formatTable(
  rows: readonly Record<string, unknown>[],
  options: { paint: Palette },
): string {
  const first = rows[0];
  if (first === undefined) return "";
  const names = Object.keys(first);
  const cells = rows.map((row) => names.map((name) => cellText(row[name])));
  const widths = names.map((name, column) =>
    Math.max(width(name), ...cells.map((row) => width(row[column] ?? "")))
  );
  const right = names.map((name) => rows.every((row) => isNumeric(row[name])));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => pad(cell, { width: widths[column] ?? 0, right: right[column] }))
      .join("  ").trimEnd();
  const head = options.paint.bold(line(names.map((name) => name.toUpperCase())));
  return [head, ...cells.map(line)].join("\n") + "\n";
}

/** Names and values, one a line. */
export function formatFacts(
  facts: Record<string, unknown>,
  options: { paint: Palette },
): string {
  const entries = Object.entries(facts).filter(([, value]) => value !== undefined);
  const longest = Math.max(0, ...entries.map(([name]) => width(name)));
  return entries.map(([name, value]) =>
    `${options.paint.dim(pad(name, { width: longest }))}  ${cellText(value)}\n`
  ).join("");
}

/** The columns that a text takes: wide East Asian characters and emoji take two, combining marks none. */
export function width(text: string): number {
  let columns = 0;
  for (const character of text) {
    if (/\p{Mn}|\p{Me}|\p{Cf}/u.test(character)) continue;
    columns += isWide(character.codePointAt(0) ?? 0) ? 2 : 1;
  }
  return columns;
}

/** Text filled up with spaces. */
export function pad(text: string, options: { width: number; right?: boolean }): string {
  const space = " ".repeat(Math.max(0, options.width - width(text)));
  return options.right ? space + text : text + space;
}

/** Bytes for people. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A whole number with thin grouping, `1,234,567`. */
export function formatCount(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A count and its noun: `1 event`, `2 events`. */
export function plural(value: number, noun: string): string {
  return `${formatCount(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Unix ms as local date and time, to the second. */
export function formatTime(timestamp: number): string {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return String(timestamp);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return formatCount(value);
  return escapeText(typeof value === "string" ? value : JSON.stringify(value));
}

function isNumeric(value: unknown): boolean {
  return typeof value === "number" ||
    (typeof value === "string" && /^[\d.,]+( [KMGT]?i?B)?$/.test(value));
}

function isWide(point: number): boolean {
  return (point >= 0x1100 && point <= 0x115f) || (point >= 0x2e80 && point <= 0xa4cf) ||
    (point >= 0xac00 && point <= 0xd7a3) || (point >= 0xf900 && point <= 0xfaff) ||
    (point >= 0xfe30 && point <= 0xfe6f) || (point >= 0xff00 && point <= 0xff60) ||
    (point >= 0xffe0 && point <= 0xffe6) || (point >= 0x1f300 && point <= 0x1faff) ||
    (point >= 0x20000 && point <= 0x3fffd);
}
