/** Numbers as JSON may write them, and their exact values as fractions of big integers. */
import fc from "../packages/fast_check.ts";

/** A fraction with a positive divisor. */
export interface Fraction {
  over: bigint;
  under: bigint;
}

/** The exact value of a JSON number. */
export function fractionOf(text: string): Fraction {
  const [, minus, whole, fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)!;
  const digits = BigInt(`${minus}${whole}${fraction}`);
  const shift = BigInt(exponent) - BigInt(fraction.length);
  return shift >= 0n
    ? { over: digits * 10n ** shift, under: 1n }
    : { over: digits, under: 10n ** -shift };
}

/** The sign of `a - b`. */
export function compareFractions(a: Fraction, b: Fraction): number {
  const [left, right] = [a.over * b.under, b.over * a.under];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** True if `a / b` is whole. */
export function divides(a: Fraction, b: Fraction): boolean {
  return a.over * b.under % (a.under * b.over) === 0n;
}

const digits = (most: number) =>
  fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: most }).map((all) => all.join(""));
const whole = fc.oneof(
  fc.constant("0"),
  digits(25).map((text) => text.replace(/^0+(?=\d)/, "")),
  // Near the precision of a double, where rounding starts.
  fc.bigInt({ min: -200n, max: 200n }).chain((near) =>
    fc.constantFrom(2n ** 53n, 2n ** 63n, 10n ** 15n, 10n ** 21n).map((base) => String(base + near))
  ),
);

/** A JSON number in any spelling. */
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
