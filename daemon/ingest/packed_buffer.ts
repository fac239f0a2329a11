/**
 * Payloads one behind the other in a buffer that is passed to the store as it is: no payload is an
 * object of its own, only its bounds are recorded.
 */
import { takeBuffer } from "../../core/base/buffer_pool.ts";

/** A chunk of at least this size is probably one of many. */
const LARGE_CHUNK = 32 * 1024;
/** Holds what is appended together, plus the chunk that fills it up. */
const LARGE_BUFFER = 1152 * 1024;
const FIRST_LINES = 256;

/** Accepted payloads: the columns of a `PackedRequest` that come from the publisher. */
export interface PackedPayloads {
  count: number;
  payloads: Uint8Array<ArrayBuffer>;
  bounds: Uint32Array<ArrayBuffer>;
}

/** Payloads, and behind them the beginning of the next one. */
export class PackedBuffer {
  #bounds = new Uint32Array(2 * FIRST_LINES);
  /** The number of payloads. */
  count = 0;
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  filled = 0;
  /** Where the incomplete last payload starts. */
  start = 0;

  /** Makes room for `more` bytes behind what there is; `chunk`: the size of what has come. */
  reserve(more: number, chunk = more): void {
    if (this.count === 0 && this.start > 0) {
      // Only blank and refused lines: nobody will take them.
      this.bytes.copyWithin(0, this.start, this.filled);
      this.filled -= this.start;
      this.start = 0;
    }
    const needed = this.filled + more;
    if (needed <= this.bytes.length) return;
    const least = chunk < LARGE_CHUNK ? 2 * this.bytes.length : LARGE_BUFFER;
    const larger = takeBuffer(needed > LARGE_BUFFER ? 2 * needed : Math.max(needed, least));
    larger.set(this.bytes.subarray(0, this.filled));
    this.bytes = larger;
  }

  /** Records that a payload lies between these offsets. */
  accept(start: number, end: number): void {
    const at = 2 * this.count++;
    if (at === this.#bounds.length) {
      const larger = new Uint32Array(2 * at);
      larger.set(this.#bounds);
      this.#bounds = larger;
    }
    this.#bounds[at] = start;
    this.#bounds[at + 1] = end;
  }

  /** Returns the payloads so far and gives their buffer away. */
  take(): PackedPayloads | undefined {
    if (this.count === 0) return undefined;
    const taken = {
      count: this.count,
      payloads: this.bytes.subarray(0, this.start),
      bounds: this.#bounds.slice(0, 2 * this.count),
    };
    this.bytes = this.bytes.slice(this.start, this.filled);
    this.filled = this.bytes.length;
    this.start = 0;
    this.count = 0;
    return taken;
  }
}
