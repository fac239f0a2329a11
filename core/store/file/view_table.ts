/**
 * What is known of many topics, as columns: one text of names and one row of numbers. Ten thousand
 * views as objects take megabytes and cost each thread that makes, copies or collects them tens of
 * milliseconds; as columns they are two values that cross to another thread, or to the disk, as
 * they are. A view is made when somebody asks for it.
 */
import type { TopicHead } from "../store.ts";
import type { SegmentInfo, TopicView } from "./view.ts";

/** The topics of a store, packed. */
export interface PackedViews {
  /** A name a line. No name has a line feed. */
  names: string;
  /** Per topic {@link HEAD} numbers, then {@link WIDTH} for each of its segments. */
  numbers: Float64Array<ArrayBuffer>;
}

/** Segments, firstSeq, lastSeq, bytes. */
const HEAD = 4;
/** Numbers of a segment. */
const WIDTH = 9;

/** What is known of each topic, by name, stored as columns. */
export class ViewTable {
  /** Where a topic's numbers begin, or its view. */
  readonly #entries = new Map<string, number | TopicView>();
  readonly #numbers: Float64Array<ArrayBuffer>;
  /** What it was made of, while it says the same. */
  #packed: PackedViews | undefined;

  /** Throws `RangeError` where the columns do not fit each other. */
  constructor(packed: PackedViews = { names: "", numbers: new Float64Array(0) }) {
    const { numbers } = packed;
    this.#packed = packed;
    this.#numbers = numbers;
    let at = 0;
    for (const name of topicNames(packed)) {
      this.#entries.set(name, at);
      at += HEAD + WIDTH * numbers[at]!;
    }
    if (at !== numbers.length) throw new RangeError("the columns of views do not fit each other");
  }

  get size(): number {
    return this.#entries.size;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  names(): Iterable<string> {
    return this.#entries.keys();
  }

  /** The names of topics that have or had events. */
  used(): string[] {
    const used: string[] = [];
    for (const [name, entry] of this.#entries) {
      const lastSeq = typeof entry === "number" ? this.#numbers[entry + 2]! : entry.lastSeq;
      if (lastSeq > 0) used.push(name);
    }
    return used;
  }

  get(name: string): TopicView | undefined {
    const entry = this.#entries.get(name);
    if (typeof entry !== "number") return entry;
    const view = this.#view(name, entry);
    this.#entries.set(name, view);
    return view;
  }

  /** The same of its head alone: no view is made for it. */
  head(name: string): TopicHead | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    if (typeof entry === "number") {
      const [, firstSeq, lastSeq, bytes] = this.#numbers.subarray(entry, entry + HEAD);
      return { firstSeq: firstSeq!, lastSeq: lastSeq!, bytes: bytes! };
    }
    const { firstSeq, lastSeq, bytes } = entry;
    return { firstSeq, lastSeq, bytes };
  }

  set(view: TopicView): void {
    this.#packed = undefined;
    this.#entries.set(view.name, view);
  }

  delete(name: string): void {
    this.#packed = undefined;
    this.#entries.delete(name);
  }

  /**
   * All of them, packed, and `others`, which are of other topics. What is columns already is copied
   * as it is.
   */
  pack(others: readonly TopicView[] = []): PackedViews {
    if (this.#packed && others.length === 0) return this.#packed;
    const entries = [...this.#entries.values(), ...others];
    const widths = entries.map((entry) => HEAD + WIDTH * this.#segments(entry));
    const numbers = new Float64Array(widths.reduce((sum, width) => sum + width, 0));
    let at = 0;
    for (const [i, entry] of entries.entries()) {
      numbers.set(
        typeof entry === "number"
          ? this.#numbers.subarray(entry, entry + widths[i]!)
          : numbersOf(entry),
        at,
      );
      at += widths[i]!;
    }
    return {
      names: [...this.#entries.keys(), ...others.map(({ name }) => name)].join("\n"),
      numbers,
    };
  }

  #segments(entry: number | TopicView): number {
    return typeof entry === "number" ? this.#numbers[entry]! : entry.segments.length;
  }

  #view(name: string, start: number): TopicView {
    const numbers = this.#numbers;
    const segments: SegmentInfo[] = [];
    const end = start + HEAD + WIDTH * numbers[start]!;
    for (let at = start + HEAD; at < end; at += WIDTH) {
      segments.push({
        firstSeq: numbers[at]!,
        lastSeq: numbers[at + 1]!,
        end: numbers[at + 2]!,
        size: numbers[at + 3]!,
        maxTimestamp: numbers[at + 4]!,
        minIdTime: numbers[at + 5]!,
        maxIdTime: numbers[at + 6]!,
        storedAt: numbers[at + 7]!,
        sealed: numbers[at + 8] === 1,
      });
    }
    return {
      name,
      firstSeq: numbers[start + 1]!,
      lastSeq: numbers[start + 2]!,
      bytes: numbers[start + 3]!,
      segments,
    };
  }
}

/** When the last event of all was stored, Unix ms; 0 when there is none. */
export function newestIn({ numbers }: PackedViews): number {
  let newest = 0;
  for (let at = 0; at < numbers.length;) {
    const end = at + HEAD + WIDTH * numbers[at]!;
    for (at += HEAD; at < end; at += WIDTH) newest = Math.max(newest, numbers[at + 7]!);
  }
  return newest;
}

/** The names of packed views. */
export function topicNames({ names }: PackedViews): string[] {
  return names === "" ? [] : names.split("\n");
}

function numbersOf({ firstSeq, lastSeq, bytes, segments }: TopicView): number[] {
  const numbers = [segments.length, firstSeq, lastSeq, bytes];
  for (const segment of segments) {
    numbers.push(
      segment.firstSeq,
      segment.lastSeq,
      segment.end,
      segment.size,
      segment.maxTimestamp,
      segment.minIdTime,
      segment.maxIdTime,
      segment.storedAt,
      Number(segment.sealed),
    );
  }
  return numbers;
}
