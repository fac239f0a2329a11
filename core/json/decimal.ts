/**
 * Exact numbers. A double holds only 15 digits reliably; a JSON number may have any number of them.
 *
 * A number whose double prints as the same value stays a plain `number`; every other one is a
 * {@link Decimal}. So a plain number never equals a decimal. Every operation takes time in
 * proportion to the digits written, whatever the exponent says.
 */

/** A JSON number: plain wherever a double holds it exactly. */
export type Numeric = number | Decimal;

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
/** Beyond this, an exponent only says that a number is huge or tiny. */
const MAX_EXPONENT = 2 ** 50;
/** How many digits are divided at a time. */
const CHUNK = 1000;

/** A number with all its digits: `sign * 0.digits * 10^magnitude`. */
export class Decimal {
  /** The number as it was written. */
  readonly text: string;
  /** -1, 0 or 1. */
  readonly sign: number;
  /** Without leading or trailing zeros; empty for zero. */
  readonly digits: string;
  /** The position of the decimal point, counted from the first digit. */
  readonly magnitude: number;

  /** `text` is a JSON number. */
  constructor(text: string) {
    const found = NUMBER.exec(text);
    if (!found) throw new RangeError(`not a JSON number: ${text}`);
    const [, minus, whole, fraction = "", exponent = "0"] = found;
    const all = whole! + fraction;
    let first = 0;
    while (all[first] === "0") first++;
    let last = all.length;
    while (last > first && all[last - 1] === "0") last--;
    this.text = text;
    this.digits = all.slice(first, last);
    this.sign = this.digits === "" ? 0 : minus === "-" ? -1 : 1;
    this.magnitude = this.sign === 0
      ? 0
      : whole!.length - first + clamp(Number(exponent), MAX_EXPONENT);
  }

  /** True if there is no fraction. */
  get isWhole(): boolean {
    return this.digits.length <= this.magnitude;
  }

  /** The nearest double. */
  valueOf(): number {
    return Number(this.text);
  }

  toString(): string {
    return this.text;
  }

  /** Serializes as the number was written. */
  toJSON(): unknown {
    const { rawJSON } = JSON as unknown as { rawJSON?: (text: string) => unknown };
    return rawJSON === undefined ? Number(this.text) : rawJSON(this.text);
  }

  /** The same text for every spelling of a value. */
  get canonical(): string {
    const { sign, digits, magnitude } = this;
    return sign === 0 ? "0" : `${sign < 0 ? "-" : ""}.${digits}e${magnitude}`;
  }
}

function clamp(value: number, most: number): number {
  return Math.max(-most, Math.min(most, value));
}

/** True for a JSON number in either form. */
export function isNumeric(value: unknown): value is Numeric {
  return typeof value === "number" || value instanceof Decimal;
}

/** The number of a JSON text: plain wherever a double holds it exactly. */
export function numericOf(text: string): Numeric {
  const value = Number(text);
  if (isShort(text)) return value;
  const written = new Decimal(text);
  return Number.isFinite(value) && written.canonical === decimalOf(value).canonical
    ? value
    : written;
}

/** True for numbers that any double holds: at most 15 digits, and an exponent of at most two. */
function isShort(text: string): boolean {
  return text.length <= 15 && !/[eE][+-]?\d{3}/.test(text);
}

function decimalOf(value: Numeric): Decimal {
  return value instanceof Decimal ? value : new Decimal(String(value));
}

/** Negative, 0 or positive, like `a - b`. */
export function compareNumbers(a: Numeric, b: Numeric): number {
  if (typeof a === "number" && typeof b === "number") return a < b ? -1 : a > b ? 1 : 0;
  const left = decimalOf(a);
  const right = decimalOf(b);
  if (left.sign !== right.sign) return left.sign - right.sign;
  return left.sign * compareSizes(left, right);
}

function compareSizes(a: Decimal, b: Decimal): number {
  if (a.magnitude !== b.magnitude) return a.magnitude - b.magnitude;
  // There are no trailing zeros, so a prefix of a longer text is the smaller number.
  return a.digits < b.digits ? -1 : a.digits > b.digits ? 1 : 0;
}

/** True for a number without a fraction. */
export function isWholeNumber(value: Numeric): boolean {
  return typeof value === "number" ? Number.isInteger(value) : value.isWhole;
}

/** True if `value / step` is a whole number in decimal arithmetic: 19.99 is a multiple of 0.01. */
export function isMultipleOf(value: Numeric, step: Numeric): boolean {
  if (Number.isSafeInteger(value) && Number.isSafeInteger(step)) {
    return (value as number) % (step as number) === 0;
  }
  if (!Number.isFinite(value.valueOf()) && typeof value === "number") return false;
  const a = decimalOf(value);
  const b = decimalOf(step);
  if (a.sign === 0) return true;
  // Each is an integer times a power of ten, and the integers do not end in 0.
  const shift = (a.magnitude - a.digits.length) - (b.magnitude - b.digits.length);
  if (shift < 0) return false;
  const divisor = BigInt(b.digits);
  return remainder(a.digits, divisor) * powerOfTen(shift, divisor) % divisor === 0n;
}

/** Works in chunks: dividing all the digits at once takes quadratic time. */
function remainder(digits: string, divisor: bigint): bigint {
  const shift = 10n ** BigInt(CHUNK) % divisor;
  const first = digits.length % CHUNK;
  let rest = BigInt(digits.slice(0, first) || "0") % divisor;
  for (let at = first; at < digits.length; at += CHUNK) {
    rest = (rest * shift + BigInt(digits.slice(at, at + CHUNK))) % divisor;
  }
  return rest;
}

/** `10^exponent` modulo the divisor. */
function powerOfTen(exponent: number, divisor: bigint): bigint {
  let result = 1n % divisor;
  let square = 10n % divisor;
  for (let left = BigInt(exponent); left > 0n; left >>= 1n) {
    if (left & 1n) result = result * square % divisor;
    square = square * square % divisor;
  }
  return result;
}
