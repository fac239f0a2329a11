/**
 * Parses JSON with its numbers as written. `JSON.parse` rounds numbers that a double cannot hold.
 * Few texts contain one, and a quick scan finds those that might. Only they are parsed again, here.
 */
import { isNumeric, type Numeric, numericOf } from "./decimal.ts";

const SPACE = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/**
 * True for a text with 16 digits (or points) in a row, or with an exponent of at least
 * `exponentDigits` digits. Every number that a double may not hold has one or the other. So may a
 * string; that only costs a second parse. A loop takes half the time of a regular expression.
 */
function hasSuspect(text: string, exponentDigits: number): boolean {
  let run = 0;
  let before = SPACE;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if ((char >= ZERO && char <= NINE) || char === POINT) {
      if (run === 0 && at > 0) before = text.charCodeAt(at - 1);
      if (++run === 16) return true;
    } else if (run > 0) {
      run = 0;
      const isExponent = (char === 0x65 || char === 0x45) && beginsNumber(before);
      if (isExponent && hasDigits(text, at + 1, exponentDigits)) return true;
    }
  }
  return false;
}

/** True for a character that may precede a JSON number or its minus sign. */
function beginsNumber(char: number): boolean {
  return char <= SPACE || char === COLON || char === COMMA || char === OPEN_ARRAY || char === MINUS;
}

function hasDigits(text: string, from: number, count: number): boolean {
  const sign = text.charCodeAt(from);
  let at = sign === MINUS || sign === PLUS ? from + 1 : from;
  const end = at + count;
  while (at < end && text.charCodeAt(at) >= ZERO && text.charCodeAt(at) <= NINE) at++;
  return at === end;
}

/**
 * True if a valid JSON text may contain a number that `JSON.parse` rounds. Never false for a text
 * that does contain one.
 */
export function mayRound(text: string): boolean {
  return hasSuspect(text, 3);
}

/** Parses a valid JSON text; numbers that a double cannot hold become `Decimal`s. */
export function parseExact(text: string): unknown {
  return mayRound(text) ? new ExactParser(text, numericOf).parse() : JSON.parse(text);
}

/** Parses a valid JSON text; whole numbers beyond 2^53 become bigints, all others doubles. */
export function parseWithBigInts(text: string): unknown {
  // The double nearest to `1e23` prints as 1e23, and yet it is a different number.
  return hasSuspect(text, 1) ? new ExactParser(text, wholeOf).parse() : JSON.parse(text);
}

/** The most digits of a bigint. A longer number stays a double, possibly infinity. */
const MAX_WHOLE_DIGITS = 400;

/** A bigint for a whole number beyond 2^53, otherwise a double. */
function wholeOf(text: string): number | bigint {
  const value = Number(text);
  if (Number.isSafeInteger(value) || Math.abs(value) < Number.MAX_SAFE_INTEGER) return value;
  if (/^-?\d+$/.test(text) && text.length <= MAX_WHOLE_DIGITS) return BigInt(text);
  const [, minus, whole, fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const zeros = Number(exponent) - fraction.length;
  const digits = whole! + fraction;
  if (Math.abs(zeros) + digits.length > MAX_WHOLE_DIGITS) return value;
  if (zeros >= 0) return BigInt(minus + digits + "0".repeat(zeros));
  return /^0*$/.test(digits.slice(zeros)) ? BigInt(minus + digits.slice(0, zeros)) : value;
}

/** The value as `JSON.parse` would give it, with every decimal rounded. */
export function rounded(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isNumeric(value)) return value.valueOf();
  if (Array.isArray(value)) return value.map(rounded);
  const copy: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value)) setOwn(copy, name, rounded(item));
  return copy;
}

/** True if the value contains a `Decimal` anywhere. */
export function hasDecimals(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return isNumeric(value) || Object.values(value).some(hasDecimals);
}

/** Treats `__proto__` as a member like any other. */
function setOwn(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== "__proto__") object[name] = value;
  else {
    Object.defineProperty(object, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}

/** Reads a text that `JSON.parse` has already accepted. */
class ExactParser {
  readonly #text: string;
  readonly #number: (text: string) => Numeric | bigint;
  #at = 0;

  constructor(text: string, number: (text: string) => Numeric | bigint) {
    this.#text = text;
    this.#number = number;
  }

  parse(): unknown {
    const char = this.#next();
    if (char === QUOTE) return this.#string();
    if (char === OPEN_OBJECT) return this.#object();
    if (char === OPEN_ARRAY) return this.#array();
    const start = this.#at;
    while (isPartOfScalar(this.#text.charCodeAt(this.#at))) this.#at++;
    const scalar = this.#text.slice(start, this.#at);
    if (scalar === "true" || scalar === "false") return scalar === "true";
    return scalar === "null" ? null : this.#number(scalar);
  }

  #object(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#at++;
    while (this.#next() !== CLOSE_OBJECT) {
      const name = this.#string();
      this.#next();
      this.#at++; // the colon
      setOwn(object, name, this.parse());
      if (this.#next() === COMMA) this.#at++;
    }
    this.#at++;
    return object;
  }

  #array(): unknown[] {
    const array: unknown[] = [];
    this.#at++;
    while (this.#next() !== CLOSE_ARRAY) {
      array.push(this.parse());
      if (this.#next() === COMMA) this.#at++;
    }
    this.#at++;
    return array;
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at;
    let escaped = false;
    let at = start + 1;
    for (let char = text.charCodeAt(at); char !== QUOTE; char = text.charCodeAt(++at)) {
      if (char !== BACKSLASH) continue;
      escaped = true;
      at++;
    }
    this.#at = at + 1;
    return escaped ? JSON.parse(text.slice(start, this.#at)) as string : text.slice(start + 1, at);
  }

  /** Skips white space and returns the next character. */
  #next(): number {
    let char = this.#text.charCodeAt(this.#at);
    while (char <= 0x20) char = this.#text.charCodeAt(++this.#at);
    return char;
  }
}

/** Letters, digits, sign and point. */
function isPartOfScalar(char: number): boolean {
  return (char >= 0x30 && char <= 0x39) || (char >= 0x61 && char <= 0x7a) || char === 0x2b ||
    char === 0x2d || char === 0x2e || char === 0x45;
}
