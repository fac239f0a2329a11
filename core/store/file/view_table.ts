/**
 * What is known of many topics, as columns: one string of names and one array of numbers. Ten
 * thousand views as objects take megabytes and cost every thread that creates, copies or collects
 * them tens of milliseconds. As columns they are two values that go to another thread, or to disk,
 * unchanged. A view object is created only on demand.
 */
import type { TopicHead } from "../store.ts";
import type { SegmentInfo, TopicView } from "./view.ts";

/** The topics of a store, packed. */
export interface PackedViews {
  /** One name per line. No name contains a line feed. */
  names: string;
  /** {@link HEAD} numbers per topic, then {@link WIDTH} for each of its segments. */
  numbers: Float64Array<ArrayBuffer>;
}

/** Number of segments, firstSeq, lastSeq, bytes. */
const HEAD = 4;
/** Numbers per segment. */
const WIDTH = 9;

/** What is known of each topic, by name, stored as columns. */
export class ViewTable {
  /** The offset of a topic's numbers, or its view once created. */
  readonly #entries = new Map<string, number | TopicView>();
  readonly #numbers: Float64Array<ArrayBuffer>;
  /** The packed form, as long as nothing has changed. */
  #packed: PackedViews | undefined;

  /** Throws `RangeError` if the columns do not match each other. */
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

  /** The head of a topic, without creating its view. */
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

  /** Packs all views, plus `others`, which must be other topics. Columns are copied as they are. */
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

/** When the latest event of all topics was stored, Unix ms; 0 if there is none. */
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
