/** Keeps the last bytes of a stream in bounded memory. */

/** Enough for what most programs print, bytes. */
const FIRST_ROOM = 1024;

/**
 * Holds the last `capacity` bytes pushed; uses that much memory only once that much has arrived.
 */
export class TailBuffer {
  readonly #capacity: number;
  #ring: Uint8Array;
  #written = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#ring = new Uint8Array(Math.min(capacity, FIRST_ROOM));
  }

  /** The number of bytes pushed so far, kept or not. */
  get written(): number {
    return this.#written;
  }

  push(chunk: Uint8Array): void {
    this.#grow(this.#written + chunk.length);
    const capacity = this.#ring.length;
    const kept = chunk.length > capacity ? chunk.subarray(chunk.length - capacity) : chunk;
    const start = (this.#written + chunk.length - kept.length) % capacity;
    const first = Math.min(kept.length, capacity - start);
    this.#ring.set(kept.subarray(0, first), start);
    this.#ring.set(kept.subarray(first), 0);
    this.#written += chunk.length;
  }

  /** Grows before anything is overwritten. */
  #grow(needed: number): void {
    const room = this.#ring.length;
    if (needed <= room || room === this.#capacity) return;
    const ring = new Uint8Array(Math.min(this.#capacity, Math.max(needed, 2 * room)));
    ring.set(this.#ring);
    this.#ring = ring;
  }

  /** The kept bytes in order. */
  bytes(): Uint8Array {
    const capacity = this.#ring.length;
    if (this.#written <= capacity) return this.#ring.slice(0, this.#written);
    const cut = this.#written % capacity;
    const out = new Uint8Array(capacity);
    out.set(this.#ring.subarray(cut));
    out.set(this.#ring.subarray(0, cut), capacity - cut);
    return out;
  }

  /** The last `most` of the kept bytes as text; a character cut in two at the start is dropped. */
  text(most = this.#capacity): string {
    let bytes = this.bytes().slice(-most);
    if (this.#written > bytes.length) {
      let skip = 0;
      while (skip < 3 && skip < bytes.length && ((bytes[skip] ?? 0) & 0xc0) === 0x80) skip++;
      bytes = bytes.subarray(skip);
    }
    return new TextDecoder().decode(bytes);
  }
}
