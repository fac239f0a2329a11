/**
 * Reads a few members of a JSON object straight from its bytes. Everything around them is skipped
 * without being decoded or built. The result is what `JSON.parse` gives for these members,
 * including the last of several with the same name (tests/core/json/fields_test.ts compares the
 * two). The bytes must be known to be valid JSON and end with a line feed, and the names in the
 * outer object must be unique, as in a wire line (core/event/event.ts).
 */

const LF = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * A whole number of up to this many digits is read without `JSON.parse`; a double always holds it.
 */
const MOST_DIGITS = 15;

/** Strings of up to this many bytes are built here; that is cheaper than calling a decoder. */
const SHORT = 48;

/** Bytes that continue a string, other than escapes. */
const IN_STRING = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A wanted member: all of it, or only some of its own members. */
interface Wanted {
  key: string;
  name: Uint8Array;
  /** Absent: the whole value. */
  members?: Wanted[];
}

/** Reads the same members from one object after another. */
export class FieldReader {
  readonly #wanted: Wanted[];
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /**
   * Set on meeting something that only `JSON.parse` can decide, such as a name with an escape in
   * it.
   */
  #unsure = false;
  readonly #parse: (text: string) => unknown;

  /**
   * `paths`: `[["payload", "total"]]` is `payload.total`; if one path is a prefix of another, all
   * of the shorter one is read.
   */
  constructor(
    paths: readonly (readonly string[])[],
    options: { parse?: (text: string) => unknown } = {},
  ) {
    this.#wanted = wantedOf(paths);
    this.#parse = options.parse ?? JSON.parse;
  }

  /**
   * The object that begins at `from`, with only the wanted members that exist. Undefined if the
   * bytes must be parsed instead.
   */
  read(bytes: Uint8Array, from: number): Record<string, unknown> | undefined {
    this.#bytes = bytes;
    this.#at = from;
    this.#unsure = bytes[from] !== OPEN_OBJECT;
    // The outer object is our own: its names are unique, so nothing after the last wanted member
    // matters.
    const found = this.#unsure ? undefined : this.#object(this.#wanted, this.#wanted.length);
    return this.#unsure ? undefined : found;
  }

  /** `most`: stop after this many wanted members. */
  #object(wanted: readonly Wanted[], most = Infinity): Record<string, unknown> {
    const bytes = this.#bytes;
    const found: Record<string, unknown> = {};
    this.#at++;
    for (let left = most; left > 0 && !this.#unsure;) {
      const byte = this.#next();
      if (byte === CLOSE_OBJECT) {
        this.#at++;
        break;
      }
      if (byte === COMMA) {
        this.#at++;
        continue;
      }
      const start = this.#at + 1;
      if (byte !== QUOTE || this.#passString()) {
        this.#unsure = true;
        break;
      }
      const member = memberOf(wanted, { bytes, start, end: this.#at - 1 });
      if (this.#next() !== COLON) this.#unsure = true;
      this.#at++;
      const first = this.#next();
      if (!member) {
        this.#pass(first);
        continue;
      }
      left--;
      if (member.members && first === OPEN_OBJECT) {
        found[member.key] = this.#object(member.members);
      } else found[member.key] = this.#value(first);
    }
    return found;
  }

  /** The next byte that is not white space. */
  #next(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at]!;
    while (byte <= SPACE && byte !== LF) byte = bytes[++this.#at]!;
    return byte;
  }

  #value(first: number): unknown {
    const start = this.#at;
    this.#pass(first);
    if (this.#unsure) return undefined;
    const simple = first === QUOTE
      ? shortString(this.#bytes, start + 1, this.#at - 1)
      : wholeNumber(this.#bytes, start, this.#at);
    if (simple !== undefined) return simple;
    return this.#parse(decoder.decode(this.#bytes.subarray(start, this.#at)));
  }

  /** Skips the value that begins here. */
  #pass(first: number): void {
    const bytes = this.#bytes;
    if (first === QUOTE) {
      this.#passString();
    } else if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
      for (let depth = 0; !this.#unsure;) {
        const byte = bytes[this.#at];
        if (byte === QUOTE) {
          this.#passString();
          continue;
        }
        this.#at++;
        if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
        else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
          if (--depth === 0) return;
        } else if (byte === LF || byte === undefined) this.#unsure = true;
      }
    } else {
      let at = this.#at;
      for (let byte = bytes[at]!;; byte = bytes[++at]!) {
        // A missing byte is undefined and compares false with everything, so the last condition
        // holds.
        if (byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || !(byte > SPACE)) {
          break;
        }
      }
      if (at === this.#at) this.#unsure = true;
      this.#at = at;
    }
  }

  /** Skips the string that begins here; true if it contains an escape. */
  #passString(): boolean {
    const bytes = this.#bytes;
    let at = this.#at + 1;
    let escaped = false;
    for (;;) {
      let byte = bytes[at]!;
      while (IN_STRING[byte] === 1) byte = bytes[++at]!;
      if (byte === BACKSLASH) {
        escaped = true;
        at += 2;
        continue;
      }
      if (byte !== QUOTE) this.#unsure = true;
      this.#at = at + 1;
      return escaped;
    }
  }
}

function memberOf(
  wanted: readonly Wanted[],
  { bytes, start, end }: { bytes: Uint8Array; start: number; end: number },
): Wanted | undefined {
  for (const member of wanted) {
    const { name } = member;
    if (name.length !== end - start) continue;
    let i = 0;
    while (i < name.length && bytes[start + i] === name[i]) i++;
    if (i === name.length) return member;
  }
  return undefined;
}

/**
 * A number without a point or exponent, short enough to be exact. Undefined for anything else,
 * including `-0`.
 */
function wholeNumber(bytes: Uint8Array, start: number, end: number): number | undefined {
  const negative = bytes[start] === MINUS;
  const first = negative ? start + 1 : start;
  if (end - first > MOST_DIGITS || end === first) return undefined;
  let value = 0;
  for (let at = first; at < end; at++) {
    const byte = bytes[at]!;
    if (byte < ZERO || byte > NINE) return undefined;
    value = value * 10 + byte - ZERO;
  }
  if (!negative) return value;
  return value === 0 ? undefined : -value;
}

/** A string of a few plain ASCII characters; undefined for anything else. */
function shortString(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > SHORT) return undefined;
  let text = "";
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === BACKSLASH || byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The paths, as a tree. */
function wantedOf(paths: readonly (readonly string[])[]): Wanted[] {
  const members: Wanted[] = [];
  for (const key of new Set(paths.map(([key]) => key!))) {
    const rests = paths.filter(([first]) => first === key).map(([, ...rest]) => rest);
    const whole = rests.some((rest) => rest.length === 0);
    members.push({
      key,
      name: encoder.encode(key),
      ...(whole ? {} : { members: wantedOf(rests) }),
    });
  }
  return members;
}
