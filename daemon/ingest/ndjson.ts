/**
 * Splits bytes into lines.
 *
 * A chunk is decoded once, not line by line: if it is plain ASCII (as many characters as bytes, so
 * the same offsets), the text of a line is a slice of the chunk's text. The bytes of a line are a
 * view of the chunk: nothing is copied except a line that crosses a chunk boundary. A line over the
 * limit is refused as soon as that is known, and never buffered.
 */
import { EventRefusedError, type EvsError } from "../../core/base/errors.ts";
import { badByteOf } from "../../core/json/utf8.ts";
import { Chunks } from "../http/chunks.ts";

const LF = 0x0a;
const CR = 0x0d;
/** A line of only JSON white space. */
const BLANK = /^[ \t\r]*$/;

/** Why the reader itself refuses a line; other faults are found by the parser. */
export type LineFault =
  | { code: "event/invalid-utf8"; offset: number }
  | { code: "event/too-large"; limit: number };

/** The error for a line that the reader refused. */
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
 * Receives lines. Each method returns false to end the reading, and later lines are not inspected.
 */
export interface LineSink {
  /** A line, without its line feed; `number` counts blank lines, which are left out in JSON. */
  line(number: number, text: string, bytes: Uint8Array): boolean;
  fault(number: number, fault: LineFault): boolean;
}

/** Splits a stream of bytes into lines. */
export class LineReader {
  readonly #sink: LineSink;
  readonly #limit: number;
  readonly #text: boolean;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #number: number;
  /** The beginning of an incomplete line. */
  readonly #rest = new Chunks();
  /** Inside a line that was refused for its length: everything up to its end is skipped. */
  #skipping = false;
  #ended = false;

  /**
   * `limit`: the longest line in bytes. `firstLine`: the number of the first line. `skipping`:
   * starts inside a line that was refused for its length. `text`: a blank line and a carriage
   * return count as text.
   */
  constructor(
    sink: LineSink,
    options: { limit: number; firstLine: number; skipping?: boolean; text?: boolean },
  ) {
    this.#sink = sink;
    this.#text = options.text ?? false;
    this.#limit = options.limit;
    this.#number = options.firstLine;
    this.#skipping = options.skipping ?? false;
  }

  /** True if the sink ended the reading. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Takes the next bytes. They must not change while the events made from them are in use. */
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

  /** Signals the end of the input: a last line without a line feed counts. */
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
      // A copy: the chunk may be large, and only a little of it is kept.
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

  /** Processes whole lines, including the last one's line feed. */
  #lines(block: Uint8Array): void {
    const text = this.#tryDecode(block);
    const ascii = text !== undefined && text.length === block.length;
    let start = 0;
    while (start < block.length && !this.#ended) {
      const end = block.indexOf(LF, start);
      if (!ascii || end - start > this.#limit) {
        this.#oneLine(block.subarray(start, end));
      } else if (end > start || this.#text) {
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
    } else if (bytes.length > 0 || this.#text) {
      const text = this.#tryDecode(bytes);
      if (text === undefined) this.#fault({ code: "event/invalid-utf8", offset: badByteOf(bytes) });
      else this.#emit(text, bytes);
    }
    this.#number++;
  }

  #emit(text: string, bytes: Uint8Array): void {
    if (this.#text) return this.#pass(text, bytes);
    const crlf = bytes[bytes.length - 1] === CR;
    if (crlf) {
      bytes = bytes.subarray(0, -1);
      text = text.slice(0, -1);
    }
    if (text.length === 0 || (text.charCodeAt(0) <= 0x20 && BLANK.test(text))) return;
    this.#pass(text, bytes);
  }

  #pass(text: string, bytes: Uint8Array): void {
    if (!this.#sink.line(this.#number, text, bytes)) this.#ended = true;
  }

  #fault(fault: LineFault): void {
    if (!this.#sink.fault(this.#number, fault)) this.#ended = true;
  }

  #tryDecode(bytes: Uint8Array): string | undefined {
    try {
      return this.#decoder.decode(bytes);
    } catch {
      // Not UTF-8: the caller continues line by line and reports the one that is not.
      return undefined;
    }
  }
}
