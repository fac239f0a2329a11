/**
 * JSON for people, as it was written: only the white space between its tokens changes, so that
 * numbers of any size, duplicate names and escapes stay what they are. Pure.
 */
import { escapeJson } from "../../commands/terminal/escape.ts";

/** What a piece of JSON is. */
export interface JsonToken {
  kind: "name" | "string" | "number" | "word" | "punctuation";
  text: string;
}

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:,]|[^\s"[\]{}:,]+/g;

/** The tokens of a valid JSON text. */
export function jsonTokens(json: string): JsonToken[] {
  const texts = json.match(TOKEN) ?? [];
  return texts.map((text, i) => ({ kind: kindOf(text, texts[i + 1]), text }));
}

function kindOf(text: string, next: string | undefined): JsonToken["kind"] {
  if (text.startsWith('"')) return next === ":" ? "name" : "string";
  if (/^[[\]{}:,]$/.test(text)) return "punctuation";
  return /^[tfn]/.test(text) ? "word" : "number";
}

/**
 * The tokens with line breaks and indentation before them. Characters that cannot be seen, or that
 * change the direction of text, are shown as escapes: still the same JSON. What is to be edited is
 * not escaped: it would become different bytes.
 */
export function indentedTokens(json: string, { isEscaped = true } = {}): JsonToken[] {
  const tokens = jsonTokens(isEscaped ? escapeJson(json) : json);
  const indented: JsonToken[] = [];
  let depth = 0;
  tokens.forEach(({ kind, text }, i) => {
    const before = tokens[i - 1]?.text;
    const closes = text === "}" || text === "]";
    if (closes) depth--;
    const isEmpty = closes && (before === "{" || before === "[");
    const breaks = closes ? !isEmpty : before === "{" || before === "[" || before === ",";
    const space = breaks ? `\n${"  ".repeat(depth)}` : before === ":" ? " " : "";
    if (text === "{" || text === "[") depth++;
    indented.push({ kind, text: space + text });
  });
  return indented;
}

/** The same as one text. */
export function indentedJson(json: string, options: { isEscaped?: boolean } = {}): string {
  return indentedTokens(json, options).map(({ text }) => text).join("");
}

/** Without white space between the tokens, for the wire. */
export function compactJson(json: string): string {
  return json.replace(
    /("[^"\\]*(?:\\.[^"\\]*)*")|\s+/g,
    (_space, string: string | undefined) => string ?? "",
  );
}
