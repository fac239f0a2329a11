/**
 * Numbers as JSON may write them, and what they are in arithmetic without a limit: fractions of big
 * whole numbers.
 */
import fc from "fast-check";

/** A fraction; the divisor is above 0. */
export interface Fraction {
  over: bigint;
  under: bigint;
}

/** What a number of JSON says. */
export function fractionOf(text: string): Fraction {
  const [, minus, whole, fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const digits = BigInt(`${minus}${whole}${fraction}`);
  const shift = BigInt(exponent) - BigInt(fraction.length);
  return shift >= 0n
    ? { over: digits * 10n ** shift, under: 1n }
    : { over: digits, under: 10n ** -shift };
}

/** As `a - b` would be, by its sign. */
export function compareFractions(a: Fraction, b: Fraction): number {
  const [left, right] = [a.over * b.under, b.over * a.under];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** True when `a / b` is whole. */
export function divides(a: Fraction, b: Fraction): boolean {
  return a.over * b.under % (a.under * b.over) === 0n;
}

const digits = (most: number) =>
  fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: most }).map((all) => all.join(""));
const whole = fc.oneof(
  fc.constant("0"),
  digits(25).map((text) => text.replace(/^0+(?=\d)/, "")),
  // Around what a double holds, where rounding begins.
  fc.bigInt({ min: -200n, max: 200n }).chain((near) =>
    fc.constantFrom(2n ** 53n, 2n ** 63n, 10n ** 15n, 10n ** 21n).map((base) => String(base + near))
  ),
);

/** A number of JSON in any of its spellings. */
export const decimalText: fc.Arbitrary<string> = fc.tuple(
  fc.constantFrom("", "", "-"),
  whole,
  fc.oneof(fc.constant(""), digits(20).map((text) => `.${text}`)),
  fc.oneof(
    { weight: 4, arbitrary: fc.constant("") },
    fc.tuple(fc.constantFrom("e", "E", "e+", "e-"), fc.nat({ max: 400 })).map((part) =>
      part.join("")
    ),
  ),
).map((parts) => parts.join(""));

/** The same number in another spelling. */
export function respelled(text: string): string {
  const [, sign, wholePart, fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  return `${sign}${wholePart}${fraction === "" ? ".000" : `.${fraction}00`}E${Number(exponent)}`;
}
