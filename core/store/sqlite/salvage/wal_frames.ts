/**
 * SQLite's write-ahead log, looked through frame by frame:
 * https://sqlite.org/fileformat2.html#the_write_ahead_log
 *
 * SQLite reads a log up to the first frame whose checksum does not match, and drops the rest
 * without a word: that is right for a torn tail, and wrong for a bit that flipped in the middle,
 * which then takes every later commit with it. The checksum of a frame is a sum modulo 2^32 and
 * begins with that of the frame before. So each frame can be checked from what the one before it
 * claims, which tells a torn tail (no commit fits behind it) from damage (one does).
 *
 * A single flipped bit is found by what it did to the sums, and turned back. Where it cannot be
 * told which of several it was (a high bit of a word leaves few traces), the frame is taken as it
 * is, and the sums from it on are made again: then SQLite reads the commits behind it too, and what
 * is wrong in the page is found by the rows' own checksums. Where more is wrong the log ends there,
 * as it does for SQLite: blocks that a power cut kept from the disk look the same, and a page made
 * of them would tear holes. Pure.
 */

/** Bytes of the log's header, and of the header of each frame. */
const HEADER = 32;
const FRAME_HEADER = 24;
const LITTLE_ENDIAN = 0x377f0682;
const BIG_ENDIAN = 0x377f0683;
const VERSION = 3007000;

/** A bit that was found flipped. */
export interface FlippedBit {
  /** Where in the file. */
  byte: number;
  /** 0 is the lowest of its byte. */
  bit: number;
}

/** What a log holds. */
export interface WalReport {
  pageSize: number;
  /** Frames that SQLite will read of the repaired log. */
  frames: number;
  /** Frames that it would have read of the log as it was. */
  readable: number;
  /** Bits that were turned back. */
  flipped: FlippedBit[];
  /** Frames that are not as they were written, and were taken as they are. */
  accepted: number[];
  /** Commits behind a frame that is damaged beyond that: they are not read. */
  dropped: number;
  /**
   * Bytes behind the last whole frame that belong to this log and are not whole: a write that was
   * cut short.
   */
  torn: number;
  /** The log as it should be. */
  repaired: Uint8Array<ArrayBuffer>;
}

interface Sum {
  a: number;
  b: number;
}

/** Looks a log through. Undefined: an empty or foreign file that has no log in it. */
export function readWal(bytes: Uint8Array): WalReport | undefined {
  if (bytes.length < HEADER) return undefined;
  const wal = new Wal(bytes);
  return wal.readHeader() ? wal.readFrames() : undefined;
}

/** Turns the bits back, or over. */
export function turnBits(bytes: Uint8Array, bits: readonly FlippedBit[]): void {
  for (const { byte, bit } of bits) bytes[byte]! ^= 1 << bit;
}

/**
 * The pages of the frames that are read, in order: a later one of the same page takes its place.
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

  /** Works on a copy, which is repaired as it goes. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes.slice();
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** False when this is no log at all. */
  readHeader(): boolean {
    // The lowest bit of the magic number tells how the rest is summed, so both ways are tried.
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
   * Several bits may account for a wrong sum of the header: the right one leaves one that fits the
   * first frame.
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
    // One commit behind it may be its own, which the crash has cut short before it was
    // acknowledged.
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

  /** The frames that end a commit and fit the one before them. */
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

  /** Makes the sums of these frames again, from what they hold. */
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

  /**
   * What is wrong with a frame: nothing, or the bits any of which accounts for it; none does: an
   * empty list.
   */
  #checkFrame(frame: number): "whole" | FlippedBit[] {
    const at = this.#offset(frame);
    const found = this.#check(this.#sumBefore(frame), this.#partsOf(frame), at + 16);
    if (this.#saltsFit(frame)) return found;
    // A frame of an earlier round of the log has other salts in many of their bits.
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
   * The bits the flip of any of which accounts for a difference of the sums. What is added to a
   * word adds a multiple of it to both sums, and each later pair of words turns (a, b) into (a + b,
   * a + 2b): so from the last word to the first, the multiples are known, and every bit can be
   * tried.
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

/**
 * The index of the only bit that is set in two words (0 to 63); undefined when it is not exactly
 * one.
 */
function singleBit(high: number, low: number): number | undefined {
  if ((high === 0) === (low === 0)) return undefined;
  const word = (high || low) >>> 0;
  if ((word & (word - 1)) !== 0) return undefined;
  return (high === 0 ? 32 : 0) + 31 - Math.clz32(word);
}

/** Where that bit is, for two big-endian words at `at`. */
function bitOfWord(at: number, index: number): FlippedBit {
  const word = at + (index >= 32 ? 4 : 0);
  const bit = index % 32;
  return { byte: word + 3 - (bit >> 3), bit: bit & 7 };
}
