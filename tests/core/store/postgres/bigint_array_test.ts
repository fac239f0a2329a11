/** Shows that numbers reach the server as PostgreSQL's binary protocol has them. */
import assert from "node:assert/strict";
import { bigintArray } from "../../../../core/store/postgres/bigint_array.ts";

/** Reads what the server's `array_recv` and `int8recv` read. */
function received(bytes: Uint8Array): (bigint | null)[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [dimensions, hasNulls, type, count, from] = [0, 4, 8, 12, 16].map((at) =>
    view.getInt32(at)
  );
  assert.deepEqual([dimensions, type, from], [1, 20, 1]);
  const numbers: (bigint | null)[] = [];
  let at = 20;
  while (at < bytes.length) {
    const length = view.getInt32(at);
    at += 4;
    numbers.push(length === -1 ? null : view.getBigInt64(at));
    at += Math.max(0, length);
  }
  assert.equal(numbers.length, count);
  assert.equal(hasNulls, numbers.includes(null) ? 1 : 0);
  return numbers;
}

Deno.test("bigintArray keeps every whole number when it is large, negative or missing", () => {
  const { MAX_SAFE_INTEGER: most, MIN_SAFE_INTEGER: least } = Number;
  const given = [
    0,
    1,
    -1,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    -(2 ** 32),
    1_700_000_000_000,
    most,
    least,
  ];
  assert.deepEqual(received(bigintArray(given, (n) => n)), given.map(BigInt));
  const some = [undefined, 5, undefined, -5];
  assert.deepEqual(received(bigintArray(some, (n) => n)), [null, 5n, null, -5n]);
});

Deno.test("bigintArray refuses a number that is not whole", () => {
  assert.throws(() => bigintArray([1.5], (n) => n), { code: "argument/invalid" });
});
