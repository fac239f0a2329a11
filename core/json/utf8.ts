/** Where bytes stop being UTF-8. */

/**
 * The offset of the first byte that is not valid UTF-8; the length if only the last character is
 * incomplete.
 *
 * A decoder would have to be asked for each, and throws: with many short lines that are not UTF-8
 * nothing else would get a turn.
 */
export function badByteOf(bytes: Uint8Array): number {
  const { length } = bytes;
  let at = 0;
  while (at < length) {
    const lead = bytes[at]!;
    if (lead < 0x80) {
      at++;
      continue;
    }
    // RFC 3629, 4: no overlong forms, no surrogates, nothing above U+10FFFF.
    if (lead < 0xc2 || lead > 0xf4) return at;
    let low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    let high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    const end = at + (lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
    for (at++; at < end; at++) {
      if (at === length) return length;
      const byte = bytes[at]!;
      if (byte < low || byte > high) return at;
      low = 0x80;
      high = 0xbf;
    }
  }
  return length;
}
