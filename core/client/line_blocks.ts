/**
 * A response as blocks of whole lines. Of events that come one by one, those that have arrived are
 * one block: a reader that is behind takes all of them at once.
 */
import { concat } from "../base/bytes.ts";
import { NOTICE } from "../reading/missed.ts";
import type { HttpResponse } from "./connection.ts";
import type { SilenceWatch } from "./silence_watch.ts";

const LF = 0x0a;
const NOTHING = new Uint8Array(0);
/** A block with at least so many bytes gets no more added. */
const LARGE = 64 * 1024;

/** The blocks of one response; close it when done. */
export class LineBlocks {
  readonly #response: HttpResponse;
  readonly #pieces: AsyncGenerator<Uint8Array, void, undefined>;
  readonly #silence: SilenceWatch | undefined;
  /** The beginning of a line whose end has not arrived. */
  #rest: Uint8Array = NOTHING;
  /** A block that is there already. */
  #next: Uint8Array | undefined;

  constructor(response: HttpResponse, silence?: SilenceWatch) {
    this.#response = response;
    this.#pieces = response.body();
    this.#silence = silence;
  }

  /** The next block, which is valid until the one after is asked for; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      let block = this.#next;
      this.#next = undefined;
      if (block === undefined) {
        const { done, value } = await (this.#silence?.next(this.#pieces) ?? this.#pieces.next());
        if (done) return undefined;
        block = this.#wholeLines(value);
      }
      if (block.length > 0) return this.#next || this.#rest.length > 0 ? block : this.#more(block);
    }
  }

  /** The connection is closed if this is not the end. */
  async close(): Promise<void> {
    this.#silence?.close();
    await this.#pieces.return();
  }

  /** The whole lines of a piece. Empty if it has none. */
  #wholeLines(piece: Uint8Array): Uint8Array {
    let from = 0;
    let joined: Uint8Array | undefined;
    if (this.#rest.length === 0) {
      // A heartbeat is an empty line, and a piece of its own.
      while (piece[from] === LF) from++;
    } else {
      const end = piece.indexOf(LF) + 1;
      joined = concat([this.#rest, end === 0 ? piece : piece.subarray(0, end)]);
      this.#rest = end === 0 ? joined : NOTHING;
      if (end === 0) return NOTHING;
      from = end;
    }
    const whole = Math.max(piece.lastIndexOf(LF) + 1, from);
    // A copy: when the next piece is read, this one is overwritten.
    if (whole < piece.length) this.#rest = piece.slice(whole);
    const lines = piece.subarray(from, whole);
    if (joined === undefined) return lines;
    if (lines.length > 0) this.#next = lines;
    return joined;
  }

  /** The block, and the events that have arrived behind it. */
  #more(block: Uint8Array): Uint8Array {
    const parts = [block];
    for (let length = block.length; length < LARGE; length += parts.at(-1)!.length) {
      const chunk = this.#response.arrivedChunk(hasEvents);
      if (chunk === undefined) break;
      parts.push(chunk);
    }
    return concat(parts);
  }
}

/** True for whole lines; false for a heartbeat and for a notice, which are chunks of their own. */
function hasEvents(chunk: Uint8Array): boolean {
  return chunk[0] !== LF && chunk[0] !== NOTICE && chunk.at(-1) === LF;
}
