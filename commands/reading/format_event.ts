/** Events as `--format` prints them, and what `--raw` takes from them. */
import { pointerText, splitMembers } from "../../core/json/json.ts";
import type { FormatPart } from "./format.ts";

/** One event as its wire line; `escape` makes its values safe for the output. */
export function formatEvent(
  parts: readonly FormatPart[],
  { line, escape }: { line: Uint8Array; escape: (text: string) => string },
): string {
  const members = membersOf(line);
  return parts.map((part) => {
    if (part.kind === "text") return part.text;
    if (part.kind === "member") {
      const json = members.get(part.name);
      return escape(part.name === "timestamp" ? utc(Number(json)) : plainValue(json));
    }
    return escape(plainValue(pointerText(members.get("payload") ?? "", part.pointer)));
  }).join("");
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The members of a wire line as JSON texts. */
export function membersOf(line: Uint8Array): Map<string, string> {
  const end = line.lastIndexOf(0x7d) + 1;
  const bytes = line.subarray(0, end);
  return new Map(splitMembers(decoder.decode(bytes), bytes).map(({ name, text }) => [name, text]));
}

/** A string as its text, any other value as it is written, and nothing for what is not there. */
export function plainValue(json: string | undefined): string {
  if (json === undefined) return "";
  return json.startsWith('"') ? JSON.parse(json) as string : json;
}

/** A time in UTC, as in JSON; a time that no calendar has as its number. */
function utc(timestamp: number): string {
  const date = new Date(timestamp);
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString();
}
