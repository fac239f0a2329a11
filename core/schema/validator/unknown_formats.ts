/**
 * Finds formats in a schema that nobody checks. The drafts treat them as annotations, but often
 * they are typos.
 */
import { didYouMean } from "../../base/suggest.ts";
import type { Fault } from "./faults.ts";
import { escapePointer } from "../../json/pointer.ts";

/** The values of these keywords are data, not schemas. */
const DATA: ReadonlySet<string> = new Set(["const", "default", "enum", "example", "examples"]);
/** The most that are reported. */
const MOST = 20;

/** A warning for each unknown format in a schema, at its JSON pointer. */
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
