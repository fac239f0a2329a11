/**
 * A `bigint[]` as PostgreSQL's binary protocol has it. The driver sends bytes as they are, and the
 * server takes them without reading a digit.
 */
import { InvalidArgumentError } from "../../base/errors.ts";

/** The type `bigint`. */
const INT8 = 20;
const HEADER = 20;
const NULL_BYTES = 4;
const NUMBER_BYTES = 12;

/** The numbers of some items, in order; undefined is NULL. */
export function bigintArray<T>(
  items: readonly T[],
  of: (item: T) => number | undefined,
): Uint8Array {
  const bytes = new Uint8Array(HEADER + items.length * NUMBER_BYTES);
  const view = new DataView(bytes.buffer);
  let at = HEADER;
  let hasNulls = 0;
  for (const item of items) {
    const number = of(item);
    if (number === undefined) {
      hasNulls = 1;
      view.setInt32(at, -1);
      at += NULL_BYTES;
      continue;
    }
    if (!Number.isInteger(number)) throw new InvalidArgumentError(`${number} is no whole number`);
    view.setInt32(at, 8);
    view.setInt32(at + 4, Math.floor(number / 2 ** 32));
    view.setUint32(at + 8, number % 2 ** 32);
    at += NUMBER_BYTES;
  }
  // One dimension, from 1.
  for (const [i, value] of [1, hasNulls, INT8, items.length, 1].entries()) {
    view.setInt32(4 * i, value);
  }
  return bytes.subarray(0, at);
}
