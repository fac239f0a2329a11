/**
 * How far a reader has got: the last seq returned per topic, taken from the start of each wire line
 * without parsing the rest (`{"seq":7,"id":"…","type":"…","topic":"…",…`). With it a reader can
 * continue without a gap after a lost connection.
 */

const LF = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
/** The length of `{"seq":`. */
const SEQ_AT = 7;

const decoder = new TextDecoder();

/** The seqs that were returned. */
export class Positions {
  readonly #seen = new Map<string, number>();
  /** The topic, if only one is read: then only the last line of a block needs a look. */
  readonly #only: string | undefined;

  constructor(only: string | undefined) {
    this.#only = only;
  }

  /** Sets the start of a topic of which no line was returned yet. */
  base(topic: string, seq: number): void {
    if (!this.#seen.has(topic)) this.#seen.set(topic, seq);
  }

  /** Nothing up to this seq is wanted any more. */
  atLeast(topic: string, seq: number): void {
    this.#seen.set(topic, Math.max(seq, this.#seen.get(topic) ?? 0));
  }

  /** The reader is past this seq, in the order in which it reads; it was deleted. */
  pass(topic: string, seq: number): void {
    this.#seen.set(topic, seq);
  }

  /** Notes a block of whole lines. */
  note(block: Uint8Array): void {
    if (block.length === 0) return;
    if (this.#only !== undefined) {
      const last = block.lastIndexOf(LF, block.length - 2) + 1;
      this.#seen.set(this.#only, seqAt(block, last));
      return;
    }
    for (let at = 0; at < block.length;) {
      this.#seen.set(topicAt(block, at), seqAt(block, at));
      at = block.indexOf(LF, at) + 1;
      if (at === 0) break;
    }
  }

  /** In the form of the `after` parameter. */
  toList(): string[] {
    return [...this.#seen].map(([topic, seq]) => `${topic}:${seq}`);
  }

  /** True if any position is known. */
  get known(): boolean {
    return this.#seen.size > 0;
  }
}

/** The seq of the wire line at `at`. */
export function seqAt(block: Uint8Array, at: number): number {
  let seq = 0;
  for (let i = at + SEQ_AT;; i++) {
    const digit = (block[i] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return seq;
    seq = seq * 10 + digit;
  }
}

/**
 * The topic of the wire line at `at`: the third string after `seq`. Topic names need no escapes.
 */
export function topicAt(block: Uint8Array, at: number): string {
  let i = block.indexOf(QUOTE, at + SEQ_AT);
  // "id" value, "type" value, "topic": skip five strings.
  for (let strings = 0; strings < 5; strings++) i = block.indexOf(QUOTE, endOfString(block, i) + 1);
  return decoder.decode(block.subarray(i + 1, endOfString(block, i)));
}

/** The quote that ends the string beginning at `at`. */
function endOfString(block: Uint8Array, at: number): number {
  let end = at;
  while (true) {
    end = block.indexOf(QUOTE, end + 1);
    if (end < 0) return block.length;
    let slashes = 0;
    while (block[end - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
  }
}
