/**
 * What somebody notices who reads every event anyway: which types there are, and which event claims
 * to be the newest. From the first bytes of a wire line, which both stores keep.
 */
const HEAD =
  /^\{"seq":(\d+),"id":"(?:[^"\\]|\\.)*","type":("(?:[^"\\]|\\.)*"),"topic":"[^"]*","timestamp":(-?\d+)/;
/** More than the names in front of a timestamp take. */
const LONGEST_HEAD = 2048;

/** Collects facts about events while they are read for another reason. */
export class Seen {
  readonly #decoder = new TextDecoder();
  readonly #types = new Set<string>();
  /** The event with the greatest timestamp. */
  newest: { topic: string; seq: number; timestamp: number } | undefined;
  /** Events that lie in the future of a moment that was named. */
  ahead = 0;
  readonly #now: number;

  /** `now`: what is later counts as ahead, Unix ms. */
  constructor(options: { now: number }) {
    this.#now = options.now;
  }

  /** An event of a topic, as its line. */
  event(topic: string, line: Uint8Array): void {
    const [, seq, type, at] = HEAD.exec(this.#decoder.decode(line.subarray(0, LONGEST_HEAD))) ?? [];
    if (type === undefined) return; // not read as one of ours: whoever checks it tells so
    this.#types.add(type);
    const timestamp = Number(at);
    if (timestamp > this.#now) this.ahead++;
    if (timestamp <= (this.newest?.timestamp ?? -Infinity)) return;
    this.newest = { topic, seq: Number(seq), timestamp };
  }

  /** True when an event of the type was seen. */
  hasType(type: string): boolean {
    return this.#types.has(JSON.stringify(type));
  }
}
