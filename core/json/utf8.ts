/** Where bytes stop being UTF-8. */

/**
 * The offset of the first byte that is not valid UTF-8; the length if only the last character is
 * incomplete.
 */
export function badByteOf(bytes: Uint8Array): number {
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (beginsUtf8(bytes.subarray(0, middle))) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** True if more bytes could make this valid UTF-8. */
function beginsUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false; // a result, not a failure: a fatal decoder has no other way to report it
  }
}
