/**
 * Removes the byte order mark that some editors put in front of UTF-8. JSON has none (RFC 8259,
 * 8.1), so the daemon refuses it anywhere. At the very start of a file or of standard input it can
 * only come from an editor, and is dropped.
 */

const MARK = Uint8Array.of(0xef, 0xbb, 0xbf);

/** The bytes of a whole input without a byte order mark. */
export function withoutMark(bytes: Uint8Array): Uint8Array {
  return MARK.every((byte, i) => bytes[i] === byte) ? bytes.subarray(MARK.length) : bytes;
}

/** The next piece of an input; null at its end. */
type NextPiece = () => Promise<Uint8Array | null>;

/** The same for an input that arrives in pieces, which may be single bytes. */
export function piecesWithoutMark(next: NextPiece): NextPiece {
  let begun = false;
  return async () => {
    if (begun) return await next();
    begun = true;
    for (let matched = 0;;) {
      const piece = await next();
      if (piece === null) return matched === 0 ? null : MARK.slice(0, matched);
      let at = 0;
      while (at < piece.length && matched < MARK.length && piece[at] === MARK[matched]) {
        at++;
        matched++;
      }
      const rest = piece.subarray(at);
      if (matched === MARK.length) return rest.length > 0 ? rest : await next();
      if (rest.length === 0) continue;
      if (matched === 0) return piece;
      const whole = new Uint8Array(matched + rest.length);
      whole.set(MARK.subarray(0, matched));
      whole.set(rest, matched);
      return whole;
    }
  };
}
