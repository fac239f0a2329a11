/**
 * Collects bytes that arrive in pieces.
 *
 * The pieces are copied into one buffer: a piece may be a single byte, and keeping it as an object
 * would cost two hundred.
 */
export class Chunks {
  static readonly #none = new Uint8Array(0);
  #bytes = Chunks.#none;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Adds a copy of the piece. */
  push(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    if (length > this.#bytes.length) {
      // The first piece is often the only one.
      const room = this.#length === 0 ? length : Math.max(length, 2 * this.#bytes.length);
      const larger = new Uint8Array(room);
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = length;
  }

  /** The bytes, until something is added or taken. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Returns all the bytes and empties the buffer. */
  take(): Uint8Array<ArrayBuffer> {
    const whole = this.#bytes.subarray(0, this.#length);
    this.clear();
    return whole;
  }

  clear(): void {
    this.#bytes = Chunks.#none;
    this.#length = 0;
  }
}
