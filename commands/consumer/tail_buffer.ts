/** The end of a stream: keeps the last bytes that were pushed, in memory that never grows. */

/** Holds the last `capacity` bytes of everything pushed. */
export class TailBuffer {
  readonly #ring: Uint8Array;
  #written = 0;

  constructor(capacity: number) {
    this.#ring = new Uint8Array(capacity);
  }

  /** Bytes pushed so far, kept or not. */
  get written(): number {
    return this.#written;
  }

  push(chunk: Uint8Array): void {
    const capacity = this.#ring.length;
    const kept = chunk.length > capacity ? chunk.subarray(chunk.length - capacity) : chunk;
    const start = (this.#written + chunk.length - kept.length) % capacity;
    const first = Math.min(kept.length, capacity - start);
    this.#ring.set(kept.subarray(0, first), start);
    this.#ring.set(kept.subarray(first), 0);
    this.#written += chunk.length;
  }

  /** The kept bytes in the order in which they came. */
  bytes(): Uint8Array {
    const capacity = this.#ring.length;
    if (this.#written <= capacity) return this.#ring.slice(0, this.#written);
    const cut = this.#written % capacity;
    const out = new Uint8Array(capacity);
    out.set(this.#ring.subarray(cut));
    out.set(this.#ring.subarray(0, cut), capacity - cut);
    return out;
  }

  /** The kept bytes as text; a character that was cut in two at the front is left out. */
  text(): string {
    let bytes = this.bytes();
    if (this.#written > this.#ring.length) {
      let skip = 0;
      while (skip < 3 && skip < bytes.length && ((bytes[skip] ?? 0) & 0xc0) === 0x80) skip++;
      bytes = bytes.subarray(skip);
    }
    return new TextDecoder().decode(bytes);
  }
}
