/**
 * Formats that a schema names and nobody checks: by the drafts they are notes, and often they are a
 * slip of the pen.
 */
import { didYouMean } from "../../base/suggest.ts";
import type { Fault } from "./faults.ts";
import { escapePointer } from "./limits.ts";

/** Their values are data and no schemas. */
const DATA: ReadonlySet<string> = new Set(["const", "default", "enum", "example", "examples"]);
/** More than this many are not told. */
const MOST = 20;

/**
 * What is to be said of the formats of a schema that are not among the known ones, each at its JSON
 * pointer.
 */
export function unknownFormats(schema: unknown, known: Iterable<string>): Fault[] {
  const names = new Set(known);
  const found: Fault[] = [];
  const walk = (value: unknown, pointer: string): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [name, part] of Object.entries(value)) {
      const place = `${pointer}/${escapePointer(name)}`;
      if (name === "format" && typeof part === "string" && !names.has(part)) {
        if (found.length < MOST) found.push({ pointer: place, message: inWords(part, names) });
      } else if (!DATA.has(name)) walk(part, place);
    }
  };
  walk(schema, "");
  return found;
}

function inWords(format: string, known: Iterable<string>): string {
  const hint = didYouMean(format, known);
  return `the format ${JSON.stringify(format)} is not known and not checked${
    hint === undefined ? "" : `; ${hint}`
  }`;
}
