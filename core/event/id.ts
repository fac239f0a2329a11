/** Event ids: their format, and a source of ascending UUIDv7s. */
import { EventRefusedError } from "../base/errors.ts";

const ID = /^[!-~]{1,128}$/;

/** True for 1 to 128 printable ASCII characters without a space. */
export function isEventId(text: string): boolean {
  return ID.test(text);
}

/** Returns the id, or throws an `EventRefusedError` that explains the format. */
export function assertEventId(text: string): string {
  if (isEventId(text)) return text;
  throw new EventRefusedError(
    "event/invalid-envelope",
    `an id is 1 to 128 printable ASCII characters without a space, not ${
      JSON.stringify(text.slice(0, 140))
    }`,
  );
}

/** The length of a generated id. */
export const OWN_ID_BYTES = 36;
/** How many ids one random fill is good for. */
const BATCH = 256;
const RANDOM_BYTES = 8;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const DIGITS = new TextEncoder().encode("0123456789abcdef");
const DASH = 0x2d;
/** The most bytes that one call of `crypto.getRandomValues` can fill. */
const LARGEST_FILL = 65_536;
const COUNTER_LIMIT = 2 ** 12;
/** The time in an id, with its dashes: "019a2b3c-4d5e-". */
const PREFIX_BYTES = 14;

/**
 * Generates UUIDv7s (RFC 9562, section 5.7) that strictly ascend within this source, even if the
 * clock goes back: 48 bits of milliseconds, a 12-bit counter (section 6.2, method 1) that restarts
 * each millisecond, and 62 random bits. When the counter runs out, it borrows from the next
 * millisecond.
 */
export class IdSource {
  readonly #fill: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #random = new Uint8Array(BATCH * RANDOM_BYTES);
  #at = BATCH * RANDOM_BYTES;
  #time = -1;
  #counter = 0;
  #prefix = "";

  constructor(options: { fill?: (bytes: Uint8Array<ArrayBuffer>) => void } = {}) {
    this.#fill = options.fill ?? ((bytes) => crypto.getRandomValues(bytes));
  }

  /** The next id at `now` (Unix ms). */
  next(now: number): string {
    if (now > this.#time) this.#begin(now);
    else if (++this.#counter >= COUNTER_LIMIT) this.#begin(this.#time + 1);
    if (this.#at >= this.#random.length) {
      this.#fill(this.#random);
      this.#at = 0;
    }
    const bytes = this.#random;
    const at = this.#at;
    this.#at += RANDOM_BYTES;
    const counter = this.#counter;
    return this.#prefix + HEX[0x70 | (counter >> 8)] + HEX[counter & 0xff] + "-" +
      HEX[0x80 | (bytes[at]! & 0x3f)] + HEX[bytes[at + 1]!] + "-" + HEX[bytes[at + 2]!] +
      HEX[bytes[at + 3]!] +
      HEX[bytes[at + 4]!] + HEX[bytes[at + 5]!] + HEX[bytes[at + 6]!] + HEX[bytes[at + 7]!];
  }

  /**
   * Returns `count` ids as ASCII, end to end, for code that stores bytes. One random fill, no
   * strings.
   */
  bytes(count: number, now: number): Uint8Array<ArrayBuffer> {
    const ids = new Uint8Array(count * OWN_ID_BYTES);
    const random = new Uint8Array(count * RANDOM_BYTES);
    for (let filled = 0; filled < random.length; filled += LARGEST_FILL) {
      this.#fill(random.subarray(filled, filled + LARGEST_FILL));
    }
    // Byte by byte: a call of `copyWithin` costs more than the 14 bytes that it would copy.
    const prefix = new Uint8Array(PREFIX_BYTES);
    let shown = -1;
    let at = 0;
    for (let i = 0; i < count; i++) {
      if (now > this.#time) this.#begin(now);
      else if (++this.#counter >= COUNTER_LIMIT) this.#begin(this.#time + 1);
      if (shown !== this.#time) {
        for (let c = 0; c < PREFIX_BYTES; c++) prefix[c] = this.#prefix.charCodeAt(c);
        shown = this.#time;
      }
      for (let c = 0; c < PREFIX_BYTES; c++) ids[at++] = prefix[c]!;
      const from = i * RANDOM_BYTES;
      at = writeHex(ids, at, 0x70 | (this.#counter >> 8));
      at = writeHex(ids, at, this.#counter & 0xff);
      ids[at++] = DASH;
      at = writeHex(ids, at, 0x80 | (random[from]! & 0x3f));
      at = writeHex(ids, at, random[from + 1]!);
      ids[at++] = DASH;
      for (let r = 2; r < RANDOM_BYTES; r++) at = writeHex(ids, at, random[from + r]!);
    }
    return ids;
  }

  /** Returns several ids at once. */
  many(count: number, now: number): string[] {
    return Array.from({ length: count }, () => this.next(now));
  }

  #begin(time: number): void {
    this.#time = time;
    this.#counter = 0;
    const hex = time.toString(16).padStart(12, "0");
    this.#prefix = `${hex.slice(0, 8)}-${hex.slice(8)}-`;
  }
}

function writeHex(ids: Uint8Array, at: number, byte: number): number {
  ids[at] = DIGITS[byte >> 4]!;
  ids[at + 1] = DIGITS[byte & 15]!;
  return at + 2;
}

/** The Unix ms in a UUIDv7; undefined for any other id. */
export function timeOfId(id: string): number | undefined {
  const found = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.exec(
    id,
  );
  return found ? parseInt(found[1]! + found[2]!, 16) : undefined;
}
