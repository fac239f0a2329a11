/** Lines of any bytes as lines of base64, for `evs publish --lines --binary`. */
import { concat } from "../../core/base/bytes.ts";
import type { NextChunk } from "./pipeline.ts";

const LF = 0x0a;
const encoder = new TextEncoder();
const NOTHING: Uint8Array = new Uint8Array(0);

/** Each line of the input as a JSON string of its bytes in base64. Only a line feed ends a line. */
export function binaryLines(next: NextChunk): NextChunk {
  const lines = new BinaryLineEncoder();
  let ended = false;
  return async () => {
    const chunk = ended ? null : await next();
    ended = chunk === null;
    return chunk === null ? lines.end() : lines.encode(chunk);
  };
}

/** Encodes blocks of lines, which may end anywhere. */
class BinaryLineEncoder {
  /** Up to two bytes of the current line: base64 takes three at a time. */
  #rest = NOTHING;
  #inLine = false;

  /** Closes a line without a line feed; null if there is none. */
  end(): Uint8Array | null {
    if (!this.#inLine) return null;
    this.#inLine = false;
    const rest = this.#rest;
    this.#rest = NOTHING;
    return encoder.encode(`${rest.toBase64()}"`);
  }

  encode(block: Uint8Array): Uint8Array {
    const parts: string[] = [];
    let from = 0;
    for (let end = block.indexOf(LF); end >= 0; end = block.indexOf(LF, from)) {
      const line = concat([this.#rest, block.subarray(from, end)]);
      parts.push(`${this.#inLine ? "" : '"'}${line.toBase64()}"\n`);
      this.#rest = NOTHING;
      this.#inLine = false;
      from = end + 1;
    }
    if (from < block.length) {
      const begun = concat([this.#rest, block.subarray(from)]);
      const whole = begun.length - begun.length % 3;
      parts.push(`${this.#inLine ? "" : '"'}${begun.subarray(0, whole).toBase64()}`);
      this.#rest = begun.slice(whole);
      this.#inLine = true;
    }
    return encoder.encode(parts.join(""));
  }
}
