/**
 * Values on their way to PostgreSQL and back. Lists go as the text of an array, so that a statement
 * has one parameter a column however many rows it is for, and every driver sends it alike.
 */
import type { Row } from "../rows.ts";
import { type ColumnType, SQL_TYPES } from "./tables.ts";
import * as tables from "./tables.ts";

/** What a column may hold on its way there. */
export type ColumnValue = string | number | boolean | Uint8Array | null;

/** The parameter of a list of values: `unnest($1::text::bigint[])`. */
export function listType(type: ColumnType): string {
  return `::text::${SQL_TYPES[type]}[]`;
}

/** The text of an array. */
export function listText(values: readonly ColumnValue[]): string {
  return `{${values.map(elementText).join(",")}}`;
}

function elementText(value: ColumnValue): string {
  if (value === null) return "NULL";
  if (typeof value === "string") return quoted(withoutNul(value));
  if (value instanceof Uint8Array) return `"\\\\x${hexOf(value)}"`;
  return String(value);
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/**
 * PostgreSQL's text has no NUL. Names have none either, and JSON escapes it; what a handler printed
 * may have one.
 */
export function withoutNul(text: string): string {
  return text.includes("\0") ? text.replaceAll("\0", "\ufffd") : text;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Bytes as a `bytea` is written. */
export function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

const COLUMNS = Object.values(tables)
  .flatMap((table) => "columns" in table ? Object.entries(table.columns) : []);
const OTHERS = new Set(COLUMNS.filter(([, type]) => type !== "bigint").map(([name]) => name));
/**
 * Columns that drivers may return as text, because a bigint may be more than a number can be. A name
 * that another table uses for something else is not among them.
 */
const BIGINTS = new Set(
  COLUMNS.map(([name]) => name).filter((name) => !OTHERS.has(name))
    .concat("n", "epoch", "rev", "hour"),
);

/** A row as the functions of core/state/rows.ts take it, whatever the driver makes of its types. */
export function plainRow(row: Record<string, unknown>): Row {
  const plain: Row = {};
  for (const [name, value] of Object.entries(row)) plain[name] = plainValue(name, value);
  return plain;
}

function plainValue(name: string, value: unknown): Row[string] {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "string") return BIGINTS.has(name) ? Number(value) : value;
  if (value instanceof Uint8Array) {
    return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength).slice();
  }
  return value as null | number;
}
