/**
 * Lines found on bytes.
 *
 * A chunk is decoded once, not line by line: where it is plain ASCII (the same number of characters
 * as bytes, so the same offsets) a line's text is a slice of the chunk's. A line's bytes are a view
 * on the chunk: nothing is copied but the line that a chunk boundary cuts. A line over the limit is
 * refused as soon as it is known to be, and never buffered.
 */
import { EventRefusedError, type EvsError } from "../../core/base/errors.ts";
import { Chunks } from "../http/chunks.ts";

const LF = 0x0a;
const CR = 0x0d;
/** A line of nothing but what JSON calls white space. */
const BLANK = /^[ \t\r]*$/;

/** Why the reader itself refuses a line; the rest is for whoever parses it. */
export type LineFault =
  | { code: "event/invalid-utf8"; offset: number }
  | { code: "event/too-large"; limit: number };

/** A line that the reader refused, as the error that is told. */
export function lineFaultError(fault: LineFault): EvsError {
  return fault.code === "event/too-large"
    ? new EventRefusedError(fault.code, `the line is longer than ${fault.limit} bytes`, {
      details: { limit: fault.limit },
      hint:
        "raise max_event_bytes in the config, or publish a reference to the data instead of the data",
    })
    : new EventRefusedError(fault.code, `byte ${fault.offset + 1} of the line is not UTF-8`, {
      details: { column: fault.offset + 1 },
    });
}

/**
 * What a reader of lines is told. Each returns false to end the reading: nothing that follows is
 * looked at.
 */
export interface LineSink {
  /** A line that is not blank, without its line feed; `number` counts blank lines too. */
  line(number: number, text: string, bytes: Uint8Array): boolean;
  fault(number: number, fault: LineFault): boolean;
}

/** Splits a stream of bytes into lines. */
export class LineReader {
  readonly #sink: LineSink;
  readonly #limit: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #number: number;
  /** The beginning of a line whose end has not come yet. */
  readonly #rest = new Chunks();
  /** Inside a line that was refused for its length: all up to its end is passed over. */
  #skipping = false;
  #ended = false;

  /**
   * `limit`: the longest line in bytes. `firstLine`: the number of the first one. `skipping`: it
   * begins inside of a line that was refused for its length.
   */
  constructor(
    sink: LineSink,
    options: { limit: number; firstLine: number; skipping?: boolean },
  ) {
    this.#sink = sink;
    this.#limit = options.limit;
    this.#number = options.firstLine;
    this.#skipping = options.skipping ?? false;
  }

  /** True when the sink ended the reading. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Takes the next bytes. They must not change while the events made of them are in use. */
  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    const last = chunk.lastIndexOf(LF);
    if (last < 0) return this.#keep(chunk);
    let start = 0;
    if (this.#skipping || this.#rest.length > 0) {
      const end = chunk.indexOf(LF);
      this.#endCutLine(chunk.subarray(0, end));
      start = end + 1;
    }
    if (!this.#ended && start <= last) this.#lines(chunk.subarray(start, last + 1));
    if (!this.#ended && last + 1 < chunk.length) this.#keep(chunk.subarray(last + 1));
  }

  /** Tells that nothing more comes: a last line without a line feed counts. */
  end(): void {
    if (!this.#ended && (this.#skipping || this.#rest.length > 0)) {
      this.#endCutLine(new Uint8Array(0));
    }
  }

  #keep(part: Uint8Array): void {
    if (this.#skipping) return;
    if (this.#rest.length + part.length > this.#limit) {
      this.#rest.clear();
      this.#skipping = true;
      this.#fault({ code: "event/too-large", limit: this.#limit });
    } else {
      // A copy: the chunk may be large, and what is kept of it is not.
      this.#rest.push(part);
    }
  }

  #endCutLine(end: Uint8Array): void {
    if (this.#skipping) {
      this.#skipping = false;
      this.#number++;
      return;
    }
    this.#rest.push(end);
    this.#oneLine(this.#rest.take());
  }

  /** Whole lines, the last one's line feed included. */
  #lines(block: Uint8Array): void {
    const text = this.#tryDecode(block);
    const ascii = text !== undefined && text.length === block.length;
    let start = 0;
    while (start < block.length && !this.#ended) {
      const end = block.indexOf(LF, start);
      if (!ascii || end - start > this.#limit) {
        this.#oneLine(block.subarray(start, end));
      } else if (end > start) {
        this.#emit(text.substring(start, end), block.subarray(start, end));
        this.#number++;
      } else {
        this.#number++;
      }
      start = end + 1;
    }
  }

  #oneLine(bytes: Uint8Array): void {
    if (bytes.length > this.#limit) {
      this.#fault({ code: "event/too-large", limit: this.#limit });
    } else if (bytes.length > 0) {
      const text = this.#tryDecode(bytes);
      if (text === undefined) this.#fault({ code: "event/invalid-utf8", offset: badByteOf(bytes) });
      else this.#emit(text, bytes);
    }
    this.#number++;
  }

  #emit(text: string, bytes: Uint8Array): void {
    const crlf = bytes[bytes.length - 1] === CR;
    if (crlf) {
      bytes = bytes.subarray(0, -1);
      text = text.slice(0, -1);
    }
    if (text.length === 0 || (text.charCodeAt(0) <= 0x20 && BLANK.test(text))) return;
    if (!this.#sink.line(this.#number, text, bytes)) this.#ended = true;
  }

  #fault(fault: LineFault): void {
    if (!this.#sink.fault(this.#number, fault)) this.#ended = true;
  }

  #tryDecode(bytes: Uint8Array): string | undefined {
    try {
      return this.#decoder.decode(bytes);
    } catch {
      // Not UTF-8: the caller goes on line by line and names the one that is not.
      return undefined;
    }
  }
}

/**
 * The offset of the first byte that is not part of valid UTF-8; the length where a last character
 * is cut off.
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

/** True when more bytes could make this valid UTF-8. */
function beginsUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false; // the answer, not a failure: a fatal decoder has no other way to say so
  }
}
