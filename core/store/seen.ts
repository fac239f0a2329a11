/**
 * Collects facts while all events are read anyway: which types exist, and which event has the
 * latest timestamp. It looks at the first bytes of a wire line, which both stores keep.
 */
const HEAD =
  /^\{"seq":(\d+),"id":"(?:[^"\\]|\\.)*","type":("(?:[^"\\]|\\.)*"),"topic":"[^"]*","timestamp":(-?\d+)/;
/** Longer than everything up to the timestamp. */
const LONGEST_HEAD = 2048;

/** Collects facts about events while they are read for another purpose. */
export class Seen {
  readonly #decoder = new TextDecoder();
  readonly #types = new Set<string>();
  /** The event with the greatest timestamp. */
  newest: { topic: string; seq: number; timestamp: number } | undefined;
  /** Events whose timestamp is after `now`. */
  ahead = 0;
  readonly #now: number;

  /** `now`: later timestamps count as ahead, Unix ms. */
  constructor(options: { now: number }) {
    this.#now = options.now;
  }

  /** Notes an event of a topic, given as its line. */
  event(topic: string, line: Uint8Array): void {
    const [, seq, type, at] = HEAD.exec(this.#decoder.decode(line.subarray(0, LONGEST_HEAD))) ?? [];
    if (type === undefined) return; // not a line of ours; whoever verifies it will report that
    this.#types.add(type);
    const timestamp = Number(at);
    if (timestamp > this.#now) this.ahead++;
    if (timestamp <= (this.newest?.timestamp ?? -Infinity)) return;
    this.newest = { topic, seq: Number(seq), timestamp };
  }

  /** True if an event of the type was seen. */
  hasType(type: string): boolean {
    return this.#types.has(JSON.stringify(type));
  }
}
