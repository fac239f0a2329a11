/** Joins byte arrays, and finds the lines in them. */

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
