/** Exact numbers: read, compared and divided as in unlimited arithmetic (contract row 30). */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  compareNumbers,
  Decimal,
  isMultipleOf,
  isWholeNumber,
  numericOf,
} from "../../../core/json/decimal.ts";
import {
  hasDecimals,
  mayRound,
  parseExact,
  parseWithBigInts,
  rounded,
} from "../../../core/json/exact.ts";
import {
  compareFractions,
  decimalText,
  divides,
  fractionOf,
  respelled,
} from "../../helpers/decimal_text.ts";
import { dose } from "../../helpers/dose.ts";
import { CORPUS, jsonText } from "../../helpers/json_text.ts";

/** `JSON.stringify` prints -0 as 0. */
function positive(value: unknown): unknown {
  if (typeof value === "number") return value + 0;
  if (typeof value !== "object" || value === null || value instanceof Decimal) return value;
  if (Array.isArray(value)) return value.map(positive);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, positive(item)]));
}

const numRuns = dose(10_000);

Deno.test("compareNumbers orders numbers as exact arithmetic does, whatever their spelling", () => {
  fc.assert(
    fc.property(decimalText, decimalText, (a, b) => {
      const expected = compareFractions(fractionOf(a), fractionOf(b));
      assert.ok(Math.sign(compareNumbers(numericOf(a), numericOf(b))) === expected);
      assert.ok(compareNumbers(numericOf(a), numericOf(respelled(a))) === 0);
      assert.equal(numericOf(a) instanceof Decimal, numericOf(respelled(a)) instanceof Decimal);
    }),
    { numRuns },
  );
});

Deno.test("isMultipleOf divides as exact arithmetic does", () => {
  const step = fc.oneof(decimalText, fc.constantFrom("0.01", "0.1", "3", "7", "0.001", "1e-7"))
    .filter((text) => fractionOf(text).over !== 0n);
  // Half of them are multiples.
  const pair = fc.tuple(step, decimalText, fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }))
    .chain(([by, other, times]) => {
      const { over, under } = fractionOf(by);
      const zeros = String(under).length - 1;
      return fc.constantFrom(
        { by, text: other },
        { by, text: `${over * times}${zeros === 0 ? "" : `e-${zeros}`}` },
      );
    });
  fc.assert(
    fc.property(pair, ({ by, text }) => {
      assert.equal(
        isMultipleOf(numericOf(text), numericOf(by)),
        divides(fractionOf(text), fractionOf(by)),
        `${text} by ${by}`,
      );
    }),
    { numRuns },
  );
});

Deno.test("isWholeNumber sees a fraction however small it is", () => {
  fc.assert(
    fc.property(decimalText, (text) => {
      const { over, under } = fractionOf(text);
      assert.equal(isWholeNumber(numericOf(text)), over % under === 0n);
    }),
    { numRuns },
  );
});

Deno.test("isMultipleOf answers at once when the numbers are far apart or have a million digits", () => {
  const long = numericOf("7".repeat(1_000_000));
  assert.equal(isMultipleOf(long, 7), true);
  assert.equal(isMultipleOf(numericOf("1e400000000"), numericOf("0.03")), false);
  assert.equal(isMultipleOf(numericOf("3e400000000"), numericOf("0.03")), true);
  assert.ok(compareNumbers(numericOf("1e999999999999999999999"), long) > 0);
  assert.equal(compareNumbers(numericOf("1e-999999999999999999999"), 0) > 0, true);
});

Deno.test("parseExact keeps every digit, and else gives what JSON.parse gives", () => {
  const check = (text: string) => {
    const exact = parseExact(text);
    assert.deepEqual(rounded(exact), JSON.parse(text));
    assert.ok(mayRound(text) || !hasDecimals(exact));
    // What it prints is the same value again, digit for digit.
    assert.deepEqual(positive(parseExact(JSON.stringify(exact))), positive(exact));
  };
  CORPUS.forEach(check);
  fc.assert(fc.property(jsonText, check), { numRuns: dose(1_000) });
  fc.assert(
    fc.property(decimalText, (text) => {
      const [value] = parseExact(`[${text}]`) as [number | Decimal];
      assert.ok(compareNumbers(value, numericOf(text)) === 0);
      assert.ok(value instanceof Decimal === numericOf(text) instanceof Decimal);
    }),
    { numRuns },
  );
});

Deno.test("parseWithBigInts gives a bigint for exactly the whole numbers beyond 2^53", () => {
  fc.assert(
    fc.property(decimalText, (text) => {
      const value = parseWithBigInts(text);
      const { over, under } = fractionOf(text);
      const isWhole = over % under === 0n;
      const size = over / under;
      const isLarge = size >= 2n ** 53n || size <= -(2n ** 53n);
      if (isWhole && isLarge && String(size).length < 380 && text.length < 100) {
        assert.equal(value, size);
      } else if (typeof value !== "bigint") assert.equal(value, JSON.parse(text));
      else assert.equal(value, size);
    }),
    { numRuns },
  );
  assert.deepEqual(
    parseWithBigInts('{"__proto__":9007199254740993,"a":["12345678901234567890",1.5e3]}'),
    JSON.parse(
      '{"__proto__":0,"a":["12345678901234567890",1500]}',
      (key, value) => key === "__proto__" ? 9007199254740993n : value,
    ),
  );
});
