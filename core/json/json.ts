/**
 * JSON as it arrived: accepted or rejected, and split without being serialized again.
 *
 * `JSON.parse` decides what is valid. This adds what it cannot tell: where a fault is (line,
 * column), how deep a value nests, and which bytes a member of an object occupies.
 */
import { EventRefusedError } from "../base/errors.ts";
import { unescapePointer } from "./pointer.ts";

/** The deepest nesting allowed. */
export const MAX_DEPTH = 64;

/**
 * Parses a JSON text that nests at most {@link MAX_DEPTH} deep. Throws `EventRefusedError` with the
 * position of the fault. `around`: levels that do not count, for example 1 for an envelope around a
 * payload.
 */
export function parseJson(text: string, options: { around?: number } = {}): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw syntaxError(text, cause);
  }
  assertDepth(text, options);
  return value;
}

function syntaxError(text: string, cause: unknown): EventRefusedError {
  const at = faultPosition(text);
  const { line, column } = place(text, at);
  const found = at >= text.length
    ? "it ends too early"
    : text[at] === MARK
    ? "a byte order mark (U+FEFF), which JSON does not allow,"
    : `unexpected ${JSON.stringify(charAt(text, at))}`;
  const where = line === 1 ? `column ${column}` : `line ${line}, column ${column}`;
  return new EventRefusedError("event/invalid-json", `not valid JSON: ${found} at ${where}`, {
    cause,
    details: { line, column },
    ...(text[at] === MARK ? { hint: "save it as UTF-8 without a byte order mark" } : {}),
  });
}

/** The byte order mark that some editors put in front of UTF-8. */
const MARK = "\ufeff";

function charAt(text: string, at: number): string {
  return String.fromCodePoint(text.codePointAt(at)!);
}

/** The line and column of a position, both counted from 1. */
export function place(text: string, at: number): { line: number; column: number } {
  let line = 1;
  let start = 0;
  for (let next = text.indexOf("\n"); next >= 0 && next < at; next = text.indexOf("\n", next + 1)) {
    line++;
    start = next + 1;
  }
  return { line, column: at - start + 1 };
}

/**
 * Rejects a valid JSON text that nests deeper than {@link MAX_DEPTH}. Counting brackets is a fast
 * native search, and few texts have that many; only those are scanned character by character.
 */
export function assertDepth(text: string, options: { around?: number } = {}): void {
  const most = MAX_DEPTH + (options.around ?? 0);
  if (countUpTo(text, "{", most + 1) + countUpTo(text, "[", most + 1) <= most) return;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = stringEnd(text, at);
    else if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
      if (++depth > most) {
        const { line, column } = place(text, at);
        throw new EventRefusedError(
          "event/too-deep",
          `nested deeper than ${MAX_DEPTH} at column ${column}`,
          {
            details: { line, column, limit: MAX_DEPTH },
            hint: "flatten the payload, or put the inner part into a string",
          },
        );
      }
    } else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) depth--;
  }
}

function countUpTo(text: string, char: string, most: number): number {
  let count = 0;
  for (let at = text.indexOf(char); at >= 0 && count < most; at = text.indexOf(char, at + 1)) {
    count++;
  }
  return count;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** The index of the closing quote of the string that opens at `at`. */
function stringEnd(text: string, at: number): number {
  for (let end = at + 1;; end++) {
    const char = text.charCodeAt(end);
    if (char === BACKSLASH) end++;
    else if (char === QUOTE || Number.isNaN(char)) return end;
  }
}

/** A part of a JSON text, as characters and as bytes. */
export interface Part {
  text: string;
  bytes: Uint8Array;
}

/** A member of an object: its name, and its value as written. */
export interface Member extends Part {
  name: string;
}

/**
 * The members of a valid JSON object, in order, including duplicates. `bytes` is `text` in UTF-8.
 */
export function splitMembers(text: string, bytes: Uint8Array): Member[] {
  const toByte = byteOffsets(text, bytes);
  const members: Member[] = [];
  for (let at = skipSpace(text, skipSpace(text, 0) + 1); text.charCodeAt(at) !== CLOSE_OBJECT;) {
    const nameEnd = stringEnd(text, at) + 1;
    const name = JSON.parse(text.slice(at, nameEnd)) as string;
    const start = skipSpace(text, skipSpace(text, nameEnd) + 1); // past the colon
    const end = valueEnd(text, start);
    members.push({ name, ...part(text, bytes, { start, end, toByte }) });
    at = nextItem(text, end);
  }
  return members;
}

/** The elements of a valid JSON array, in order. */
export function splitElements(text: string, bytes: Uint8Array): Part[] {
  assertValid(text);
  const toByte = byteOffsets(text, bytes);
  const elements: Part[] = [];
  for (let at = skipSpace(text, skipSpace(text, 0) + 1); text.charCodeAt(at) !== CLOSE_ARRAY;) {
    const end = valueEnd(text, at);
    elements.push(part(text, bytes, { start: at, end, toByte }));
    at = nextItem(text, end);
  }
  return elements;
}

function assertValid(text: string): void {
  try {
    JSON.parse(text);
  } catch (cause) {
    throw syntaxError(text, cause);
  }
}

function part(
  text: string,
  bytes: Uint8Array,
  range: { start: number; end: number; toByte: (at: number) => number },
): Part {
  const { start, end, toByte } = range;
  return { text: text.slice(start, end), bytes: bytes.subarray(toByte(start), toByte(end)) };
}

/** Maps positions in the text, given in ascending order, to positions in its bytes. */
function byteOffsets(text: string, bytes: Uint8Array): (at: number) => number {
  if (text.length === bytes.length) return (at) => at;
  const encoder = new TextEncoder();
  let known = 0;
  let byte = 0;
  return (at) => {
    byte += encoder.encode(text.slice(known, at)).length;
    known = at;
    return byte;
  };
}

function skipSpace(text: string, at: number): number {
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(char: number): boolean {
  return char === 0x20 || char === 0x0a || char === 0x0d || char === 0x09;
}

/** Skips the comma and white space after a value, or stops at the closing bracket. */
function nextItem(text: string, end: number): number {
  const at = skipSpace(text, end);
  return text.charCodeAt(at) === COMMA ? skipSpace(text, at + 1) : at;
}

/** The end of the value that begins at `at`, in a valid text. */
export function valueEnd(text: string, at: number): number {
  let depth = 0;
  for (;; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      at = stringEnd(text, at);
      if (depth === 0) return at + 1;
    } else if (char === OPEN_OBJECT || char === OPEN_ARRAY) depth++;
    else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) {
      if (depth === 0) return at; // a scalar before the bracket of what holds it
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (char === COMMA || isSpace(char))) return at;
    else if (Number.isNaN(char)) return at;
  }
}

/**
 * Where an invalid JSON text goes wrong; the text's length if it ends too early. V8's own messages
 * do not always include a position, and they change between versions.
 */
export function faultPosition(text: string): number {
  return new Scanner(text).firstFault();
}

/** Parses RFC 8259 from left to right. Only run on texts that `JSON.parse` rejected. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  firstFault(): number {
    const open: number[] = [];
    let expects: "value" | "value or end" | "name or end" | "name" | "colon" | "next" = "value";
    for (;;) {
      this.#at = skipSpace(this.#text, this.#at);
      const char = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(char)) return this.#at;
      const top = open.at(-1);
      if (expects === "next") {
        if (top === undefined) return this.#at;
        if (char === COMMA) expects = top === OPEN_OBJECT ? "name" : "value";
        else if (char === (top === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY)) open.pop();
        else return this.#at;
        this.#at++;
      } else if (expects === "colon") {
        if (char !== COLON) return this.#at;
        this.#at++;
        expects = "value";
      } else if (expects === "name" || expects === "name or end") {
        if (char === CLOSE_OBJECT && expects === "name or end") {
          open.pop();
          this.#at++;
          expects = "next";
        } else if (char !== QUOTE || !this.#string()) return this.#at;
        else expects = "colon";
      } else if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
        open.push(char);
        this.#at++;
        expects = char === OPEN_OBJECT ? "name or end" : "value or end";
      } else if (char === CLOSE_ARRAY && expects === "value or end") {
        open.pop();
        this.#at++;
        expects = "next";
      } else {
        if (char === QUOTE ? !this.#string() : !this.#scalar()) return this.#at;
        expects = "next";
      }
    }
  }

  /**
   * Skips a string. Returns false, positioned on the fault, if it has one. A loop, because a
   * regular expression would overflow the stack.
   */
  #string(): boolean {
    const text = this.#text;
    for (let at = this.#at + 1;;) {
      const char = text.charCodeAt(at);
      const width = char === BACKSLASH ? escapeWidth(text, at) : char >= 0x20 ? 1 : 0;
      if (char === QUOTE || width === 0) { // a control character, half an escape, or the end
        this.#at = char === QUOTE ? at + 1 : at;
        return char === QUOTE;
      }
      at += width;
    }
  }

  #scalar(): boolean {
    const scalar = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
    scalar.lastIndex = this.#at;
    const found = scalar.exec(this.#text);
    if (!found) return false;
    this.#at += found[0].length;
    return true;
  }
}

/** The length of the escape that begins at `at`, or 0 if it is not one. */
function escapeWidth(text: string, at: number): number {
  if (/["\\/bfnrt]/.test(text.charAt(at + 1))) return 2;
  return /^\\u[0-9a-fA-F]{4}$/.test(text.slice(at, at + 6)) ? 6 : 0;
}

/**
 * The value that a JSON pointer (RFC 6901) refers to, or undefined if there is none. Never throws.
 */
export function pointerGet(value: unknown, pointer: string): unknown {
  if (pointer === "") return value;
  if (!pointer.startsWith("/")) return undefined;
  for (const raw of pointer.slice(1).split("/")) {
    const name = unescapePointer(raw);
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) {
      return undefined;
    }
    if (Array.isArray(value) && name === "length") return undefined; // JavaScript's, not JSON's
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/**
 * The text of the value that a JSON pointer refers to in a valid JSON text; a number stays as
 * written. Of several members with the same name the last wins, as in `JSON.parse`. Undefined if
 * there is none.
 */
export function pointerText(text: string, pointer: string): string | undefined {
  let at = skipSpace(text, 0);
  for (const raw of pointer === "" ? [] : pointer.slice(1).split("/")) {
    const found = partAt(text, at, unescapePointer(raw));
    if (found === undefined) return undefined;
    at = found;
  }
  return text.slice(at, valueEnd(text, at));
}

/** Where the member or item called `name` begins, in the object or array that begins at `at`. */
function partAt(text: string, at: number, name: string): number | undefined {
  const isObject = text.charCodeAt(at) === OPEN_OBJECT;
  if (!isObject && text.charCodeAt(at) !== OPEN_ARRAY) return undefined;
  const close = isObject ? CLOSE_OBJECT : CLOSE_ARRAY;
  let found: number | undefined;
  let next = skipSpace(text, at + 1);
  for (let index = 0; text.charCodeAt(next) !== close; index++) {
    let own: string | number = index;
    if (isObject) {
      const nameEnd = stringEnd(text, next) + 1;
      own = JSON.parse(text.slice(next, nameEnd)) as string;
      next = skipSpace(text, skipSpace(text, nameEnd) + 1); // past the colon
    }
    if (String(own) === name) found = next;
    next = nextItem(text, valueEnd(text, next));
  }
  return found;
}
