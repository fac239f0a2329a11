/** Joins byte arrays, finds the lines in them, and writes numbers into them. */

const LF = 0x0a;

/** Joins `parts` in order. A single part is returned as is, without a copy. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The lines of a block, without their line feeds. `end`: where the next one begins. */
export function* linesIn(block: Uint8Array): Generator<{ bytes: Uint8Array; end: number }> {
  for (let start = 0; start < block.length;) {
    const at = block.indexOf(LF, start);
    const end = at < 0 ? block.length : at + 1;
    yield { bytes: block.subarray(start, at < 0 ? end : at), end };
    start = end;
  }
}

const ZERO = 0x30;

/** Writes a number's digits so that they end before `end`. */
export function writeDecimal(bytes: Uint8Array, end: number, value: number): void {
  // Integers up to 2^31 divide several times faster than larger ones.
  while (value > 0x7fffffff) {
    bytes[--end] = ZERO + value % 10;
    value = Math.floor(value / 10);
  }
  let rest = value | 0;
  do {
    const tenth = (rest / 10) | 0;
    bytes[--end] = ZERO + rest - tenth * 10;
    rest = tenth;
  } while (rest > 0);
}
