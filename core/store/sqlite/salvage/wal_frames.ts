/**
 * Checks SQLite's write-ahead log frame by frame:
 * https://sqlite.org/fileformat2.html#the_write_ahead_log
 *
 * SQLite reads a log up to the first frame whose checksum does not match, and silently drops the
 * rest. That is right for a torn tail, and wrong for a flipped bit in the middle, which takes every
 * later commit with it. A frame's checksum is a sum modulo 2^32 that continues the one of the frame
 * before. So each frame can be checked starting from the sum that the one before it claims. That
 * tells a torn tail (no valid commit follows) from damage (one does).
 *
 * A single flipped bit is found by its effect on the sums, and flipped back. If several bits could
 * be the one (a high bit of a word leaves few traces), the frame is accepted as it is, and the sums
 * from there on are recomputed. Then SQLite also reads the commits after it, and the rows' own
 * checksums catch what is wrong in the page. If more than that is wrong, the log ends there, as it
 * does for SQLite: blocks that a power cut kept from the disk look the same, and a page made of
 * them would lose events. No I/O.
 */

/** Bytes of the log's header, and of each frame's header. */
const HEADER = 32;
const FRAME_HEADER = 24;
const LITTLE_ENDIAN = 0x377f0682;
const BIG_ENDIAN = 0x377f0683;
const VERSION = 3007000;

/** A bit that was found flipped. */
export interface FlippedBit {
  /** Its byte offset in the file. */
  byte: number;
  /** 0 is the lowest bit of its byte. */
  bit: number;
}

/** The result for a log. */
export interface WalReport {
  pageSize: number;
  /** Frames that SQLite will read from the repaired log. */
  frames: number;
  /** Frames that SQLite would have read from the original log. */
  readable: number;
  /** Bits that were flipped back. */
  flipped: FlippedBit[];
  /** Frames that are damaged but were accepted as they are. */
  accepted: number[];
  /** Commits after a frame that is damaged beyond that; they are not read. */
  dropped: number;
  /** Bytes of an incomplete write after the last whole frame. */
  torn: number;
  /** The repaired log. */
  repaired: Uint8Array<ArrayBuffer>;
}

interface Sum {
  a: number;
  b: number;
}

/** Reads a log. Undefined for an empty or foreign file. */
export function readWal(bytes: Uint8Array): WalReport | undefined {
  if (bytes.length < HEADER) return undefined;
  const wal = new Wal(bytes);
  return wal.readHeader() ? wal.readFrames() : undefined;
}

/** Flips these bits. */
export function turnBits(bytes: Uint8Array, bits: readonly FlippedBit[]): void {
  for (const { byte, bit } of bits) bytes[byte]! ^= 1 << bit;
}

/**
 * The pages in the frames that are read, in order; a later frame replaces an earlier one of the
 * same page.
 */
export function* framesOf(
  { repaired, pageSize, frames }: WalReport,
): Generator<{ page: number; data: Uint8Array }, void, undefined> {
  const view = new DataView(repaired.buffer);
  for (let frame = 0; frame < frames; frame++) {
    const at = HEADER + frame * (FRAME_HEADER + pageSize);
    const start = at + FRAME_HEADER;
    yield { page: view.getUint32(at), data: repaired.subarray(start, start + pageSize) };
  }
}

class Wal {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #flipped: FlippedBit[] = [];
  #little = true;
  #pageSize = 0;

  /** Works on a copy and repairs that. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes.slice();
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** False if this is not a log at all. */
  readHeader(): boolean {
    // The lowest bit of the magic number gives the byte order of the sums, so try both.
    for (const magic of [LITTLE_ENDIAN, BIG_ENDIAN]) {
      this.#little = magic === LITTLE_ENDIAN;
      const found = this.#check({ a: 0, b: 0 }, [{ at: 0, length: 24 }], 24);
      for (const flip of found === "whole" ? [undefined] : found) {
        if (flip) turnBits(this.#bytes, [flip]);
        if (this.#headerFits(magic, flip !== undefined)) {
          if (flip) this.#flipped.push(flip);
          return true;
        }
        if (flip) turnBits(this.#bytes, [flip]);
      }
    }
    return false;
  }

  /**
   * Several bits may explain a wrong sum of the header: the right one makes the first frame match.
   */
  #headerFits(magic: number, repaired: boolean): boolean {
    const pageSize = this.#pageSize = this.#word(8);
    const known = this.#word(0) === magic && this.#word(4) === VERSION && pageSize >= 512 &&
      pageSize <= 65536 && (pageSize & (pageSize - 1)) === 0;
    return known && (!repaired || this.#count === 0 || this.#checkFrame(0) === "whole");
  }

  readFrames(): WalReport {
    let frame = 0;
    let readable: number | undefined = this.#flipped.length > 0 ? 0 : undefined;
    const accepted: number[] = [];
    const commits = this.#commits();
    const last = commits.at(-1) ?? -1;
    for (; frame < this.#count; frame++) {
      const found = this.#checkFrame(frame);
      if (found === "whole") continue;
      const [flip, other] = found;
      if (!flip) break;
      readable ??= frame;
      if (flip && !other) {
        turnBits(this.#bytes, [flip]);
        this.#flipped.push(flip);
      } else {
        this.#sumAgain(frame, Math.max(frame, last));
        accepted.push(frame);
      }
    }
    const end = this.#offset(frame);
    // One later commit may be its own, which a crash cut short before it was acknowledged.
    const behind = commits.filter((commit) => commit >= frame).length;
    const cut = frame < this.#count ? this.#saltsFit(frame) : end < this.#bytes.length;
    return {
      pageSize: this.#pageSize,
      frames: frame,
      readable: readable ?? frame,
      flipped: this.#flipped,
      accepted,
      dropped: behind > 1 ? behind : 0,
      torn: cut ? this.#bytes.length - end : 0,
      repaired: this.#bytes,
    };
  }

  /** The frames that end a commit and match the one before them. */
  #commits(): number[] {
    const commits: number[] = [];
    for (let frame = 0; frame < this.#count; frame++) {
      if (this.#word(this.#offset(frame) + 4) === 0 || !this.#saltsFit(frame)) continue;
      const { a, b } = this.#compute(this.#sumBefore(frame), this.#partsOf(frame));
      const at = this.#offset(frame) + 16;
      if (a === this.#word(at) && b === this.#word(at + 4)) commits.push(frame);
    }
    return commits;
  }

  /** Recomputes the sums of these frames from their contents. */
  #sumAgain(from: number, to: number): void {
    for (let frame = from; frame <= to; frame++) {
      const at = this.#offset(frame);
      this.#bytes.copyWithin(at + 8, 16, 24);
      const { a, b } = this.#compute(this.#sumBefore(frame), this.#partsOf(frame));
      this.#view.setUint32(at + 16, a);
      this.#view.setUint32(at + 20, b);
    }
  }

  get #count(): number {
    return Math.floor((this.#bytes.length - HEADER) / (FRAME_HEADER + this.#pageSize));
  }

  #offset(frame: number): number {
    return HEADER + frame * (FRAME_HEADER + this.#pageSize);
  }

  #word(at: number): number {
    return this.#view.getUint32(at);
  }

  #partsOf(frame: number): { at: number; length: number }[] {
    const at = this.#offset(frame);
    return [{ at, length: 8 }, { at: at + FRAME_HEADER, length: this.#pageSize }];
  }

  #sumBefore(frame: number): Sum {
    const at = frame === 0 ? 24 : this.#offset(frame - 1) + 16;
    return { a: this.#word(at), b: this.#word(at + 4) };
  }

  #saltsFit(frame: number): boolean {
    const at = this.#offset(frame) + 8;
    return this.#word(at) === this.#word(16) && this.#word(at + 4) === this.#word(20);
  }

  /** What is wrong with a frame: nothing, or the bits that could explain it, which may be none. */
  #checkFrame(frame: number): "whole" | FlippedBit[] {
    const at = this.#offset(frame);
    const found = this.#check(this.#sumBefore(frame), this.#partsOf(frame), at + 16);
    if (this.#saltsFit(frame)) return found;
    // A frame from an earlier pass over the log has other salts, differing in many bits.
    const salt = singleBit(
      this.#word(at + 8) ^ this.#word(16),
      this.#word(at + 12) ^ this.#word(20),
    );
    return found === "whole" && salt !== undefined ? [bitOfWord(at + 8, salt)] : [];
  }

  #check(
    before: Sum,
    parts: { at: number; length: number }[],
    stored: number,
  ): "whole" | FlippedBit[] {
    const sum = this.#compute(before, parts);
    const claimed = { a: this.#word(stored), b: this.#word(stored + 4) };
    if (sum.a === claimed.a && sum.b === claimed.b) return "whole";
    const inSum = singleBit(sum.a ^ claimed.a, sum.b ^ claimed.b);
    const flips = this.#flippedIn(parts, { a: claimed.a - sum.a | 0, b: claimed.b - sum.b | 0 });
    return inSum === undefined ? flips : [bitOfWord(stored, inSum), ...flips];
  }

  #compute({ a, b }: Sum, parts: { at: number; length: number }[]): Sum {
    const view = this.#view;
    const little = this.#little;
    for (const { at, length } of parts) {
      for (let i = at; i < at + length; i += 8) {
        a = (a + view.getUint32(i, little) + b) | 0;
        b = (b + view.getUint32(i + 4, little) + a) | 0;
      }
    }
    return { a: a >>> 0, b: b >>> 0 };
  }

  /**
   * The bits whose flip would explain a difference of the sums. Adding to a word adds a multiple of
   * that to both sums, and each later pair of words turns (a, b) into (a + b, a + 2b). So going
   * from the last word to the first, the multiples are known, and every bit can be tried.
   */
  #flippedIn(parts: { at: number; length: number }[], difference: Sum): FlippedBit[] {
    const found: FlippedBit[] = [];
    let [first, second] = [{ a: 1, b: 1 }, { a: 0, b: 1 }];
    const next = ({ a, b }: Sum): Sum => ({ a: (a + b) | 0, b: (a + 2 * b) | 0 });
    for (const { at, length } of [...parts].reverse()) {
      for (let i = at + length - 8; i >= at; i -= 8) {
        for (const [word, weight] of [[i, first], [i + 4, second]] as const) {
          const value = this.#view.getUint32(word, this.#little);
          for (let bit = 0; bit < 32; bit++) {
            const added = (value >>> bit) & 1 ? -(1 << bit) : 1 << bit;
            if (
              Math.imul(added, weight.a) === difference.a &&
              Math.imul(added, weight.b) === difference.b
            ) {
              found.push({ byte: word + (this.#little ? bit >> 3 : 3 - (bit >> 3)), bit: bit & 7 });
            }
          }
        }
        [first, second] = [next(first), next(second)];
      }
    }
    return found;
  }
}

/** The index (0 to 63) of the only bit set in two words; undefined unless exactly one is. */
function singleBit(high: number, low: number): number | undefined {
  if ((high === 0) === (low === 0)) return undefined;
  const word = (high || low) >>> 0;
  if ((word & (word - 1)) !== 0) return undefined;
  return (high === 0 ? 32 : 0) + 31 - Math.clz32(word);
}

/** The position of that bit, for two big-endian words at `at`. */
function bitOfWord(at: number, index: number): FlippedBit {
  const word = at + (index >= 32 ? 4 : 0);
  const bit = index % 32;
  return { byte: word + 3 - (bit >> 3), bit: bit & 7 };
}
