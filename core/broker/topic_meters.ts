/**
 * How much is published to each topic, and when: counted once per commit, in memory, without a
 * timer. What is older than the process is read from the store, a little at a time.
 */
import type { Clock } from "../base/clock.ts";
import { isPromise } from "../base/maybe_promise.ts";
import type { TopicRates } from "../protocol/protocol.ts";
import type { Commit } from "../store/journal.ts";
import type { EventReader } from "../store/reader.ts";
import type { Appended, Page } from "../store/store.ts";

/** The periods of the rates, like those of the load average: 1, 5 and 15 minutes, ms. */
const PERIODS = [60_000, 300_000, 900_000] as const;
/** What is published within this time is added to the rates at once, ms. */
const STEP_MS = 1000;
/** Most periods whose times are kept for one topic. */
const MOST_SPANS = 64;
/** Most events read within a second, so that many old events take no longer than that. */
const MOST_READS = 50;
/** How many of them, on average, are for cursors that have moved on since the last time. */
const MOST_REREADS = 25;
/** Most times remembered of events that were read, and of cursors. */
const MOST_REMEMBERED = 4096;
const NO_RATES: TopicRates = { last1m: 0, last5m: 0, last15m: 0 };

/** Events that were published shortly one after the other. Monotonic ms. */
interface Span {
  seq: number;
  begin: number;
  end: number;
}

/** What is published to one topic. */
export class TopicMeter {
  /** Events that this process has published since the start. */
  published = 0;
  /** When the newest one was, monotonic ms. */
  newest = 0;
  /** The last seq that was counted. */
  lastSeq = 0;
  readonly #spans: Span[] = [];
  readonly #rates: [number, number, number] = [0, 0, 0];
  /** Events that the rates do not contain yet, and until when they are up to date. */
  #uncounted = 0;
  #at: number;

  constructor(mono: number) {
    this.#at = mono;
  }

  /** Counts events; `firstSeq` is 0 if they are not stored, `own`: this process published them. */
  note(
    { count, firstSeq, own }: { count: number; firstSeq: number; own: boolean },
    mono: number,
  ): void {
    if (own) this.published += count;
    this.newest = mono;
    if (mono - this.#at >= STEP_MS) this.#decay(mono);
    this.#uncounted += count;
    if (firstSeq === 0) return;
    this.lastSeq = firstSeq + count - 1;
    const last = this.#spans.at(-1);
    if (last && mono - last.begin < STEP_MS) last.end = mono;
    else this.#begin({ seq: firstSeq, begin: mono, end: mono });
  }

  /** The rates now. */
  rates(mono: number): TopicRates {
    this.#decay(mono);
    const [last1m, last5m, last15m] = this.#rates;
    return { last1m, last5m, last15m };
  }

  /**
   * When an event was stored, monotonic ms; undefined if that was before the start. The longer ago,
   * the less exact: it is right to about a fifth of its age.
   */
  storedAt(seq: number): number | undefined {
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#spans[middle]!.seq <= seq) low = middle + 1;
      else high = middle;
    }
    const span = this.#spans[low - 1];
    if (!span || seq > this.lastSeq) return undefined;
    const end = this.#spans[low]?.seq ?? this.lastSeq + 1;
    const share = (seq - span.seq) / Math.max(1, end - span.seq - 1);
    return span.begin + share * (span.end - span.begin);
  }

  /** What was published since the last time counts as published then. */
  #decay(mono: number): void {
    const passed = mono - this.#at;
    this.#at = mono;
    for (const [i, period] of PERIODS.entries()) {
      const rate = this.#rates[i]! + this.#uncounted * 1000 / period;
      this.#rates[i] = rate * Math.exp(-passed / period);
    }
    this.#uncounted = 0;
  }

  #begin(span: Span): void {
    const all = this.#spans;
    all.push(span);
    if (all.length <= MOST_SPANS) return;
    // Joins the neighbours whose time together is the shortest part of their age.
    const spread = (i: number) =>
      (all[i]!.end - all[i - 1]!.begin) / (span.begin - all[i - 1]!.begin);
    let join = 1;
    for (let i = 2; i < all.length - 1; i++) if (spread(i) < spread(join)) join = i;
    all[join - 1]!.end = all[join]!.end;
    all.splice(join, 1);
  }
}

/** What the meters need. */
export interface TopicMetersContext {
  clock: Clock;
  store: Pick<EventReader, "head" | "readPage">;
  topics: { onRemove(listener: (name: string) => void): void };
  onError(error: unknown, context: string): void;
}

/** The meters of all topics to which something was published. */
export class TopicMeters {
  readonly #meters = new Map<string, TopicMeter>();
  readonly #context: TopicMetersContext;
  /** The timestamps of events that were read, by topic and seq. */
  readonly #read = new Map<string, number>();
  /** Those that are being read. */
  readonly #reading = new Map<string, Promise<void>>();
  /** The last known times at cursors, by topic and asker, and in which round each was read. */
  readonly #cursors = new Map<string, { seq: number; at: number; round: number }>();
  /** How many were read since `since`; the how-manieth time that is counted. */
  #reads = { since: -Infinity, count: 0, round: 0 };

  /** A meter ends with its topic. */
  constructor(context: TopicMetersContext) {
    this.#context = context;
    context.topics.onRemove((name) => this.#meters.delete(name));
  }

  /** Counts what others have stored, as far as it has not been counted: for the rates of the topic. */
  noteAppended({ topic, firstSeq, lastSeq }: Appended): void {
    const from = Math.max(firstSeq, (this.#meters.get(topic)?.lastSeq ?? 0) + 1);
    if (from <= lastSeq) this.#note({ topic, firstSeq: from, lastSeq }, { own: false });
  }

  /** Counts what this process stored, or passed on. */
  note(commit: Commit): void {
    this.#note(commit, { own: true });
  }

  #note(
    { topic, firstSeq, lastSeq, events, ephemeral }: Commit,
    { own }: { own: boolean },
  ): void {
    const mono = this.#context.clock.monotonic();
    let meter = this.#meters.get(topic);
    if (!meter) this.#meters.set(topic, meter = new TopicMeter(mono));
    const count = ephemeral ? events!.length : lastSeq - firstSeq + 1;
    meter.note({ count, firstSeq, own }, mono);
  }

  /** The meter of a topic; undefined if nothing was published to it since the start. */
  of(topic: string): TopicMeter | undefined {
    return this.#meters.get(topic);
  }

  /** The rates of a topic. */
  rates(topic: string): TopicRates {
    return this.#meters.get(topic)?.rates(this.#context.clock.monotonic()) ?? NO_RATES;
  }

  /** When the newest event of a topic was published, Unix ms; see {@link storedAt}. */
  newestAt(
    { name, events, lastSeq }: { name: string; events: number; lastSeq: number },
    { exact }: { exact: boolean },
  ): number | undefined {
    const meter = this.#meters.get(name);
    if (meter) return this.#wall(meter.newest);
    return events === 0 ? undefined : this.#timestampOf(name, lastSeq, { exact });
  }

  /**
   * When an event was stored, Unix ms; the timestamp of one from before the start. Undefined if it
   * is not there, or not known yet: of many old events only some are read at a time. With an asker,
   * whose cursor is there, it may be what was right a little earlier.
   */
  storedAt(topic: string, seq: number, asker?: string): number | undefined {
    const mono = this.#meters.get(topic)?.storedAt(seq);
    if (mono === undefined) {
      return asker === undefined
        ? this.#timestampOf(topic, seq)
        : this.#atCursor(cursorName(topic, asker), topic, seq);
    }
    // Mostly none is remembered, and a scrape asks for a thousand: then none is given a name.
    if (asker !== undefined && this.#cursors.size > 0) {
      this.#cursors.delete(cursorName(topic, asker));
    }
    return this.#wall(mono);
  }

  /**
   * Cursors that move ask for another event each time. So that each of them has its turn, one that
   * was read is not read again before the others could be.
   */
  #atCursor(cursor: string, topic: string, seq: number): number | undefined {
    const last = this.#cursors.get(cursor);
    if (last?.seq === seq) return last.at;
    const usable = last !== undefined && last.seq < seq ? last : undefined;
    this.#countReads();
    const { round } = this.#reads;
    if (usable && round - usable.round < this.#cursors.size / MOST_REREADS) return usable.at;
    const at = this.#timestampOf(topic, seq);
    if (at === undefined) return usable?.at;
    this.#cursors.delete(cursor);
    remember(this.#cursors, cursor, { seq, at, round });
    return at;
  }

  #wall(mono: number): number {
    const { clock } = this.#context;
    return Math.round(clock.now() - clock.monotonic() + mono);
  }

  #timestampOf(topic: string, seq: number, { exact = false } = {}): number | undefined {
    const name = `${topic}\n${seq}`;
    const known = this.#read.get(name);
    if (known !== undefined || this.#reading.has(name)) return known;
    this.#countReads();
    if (++this.#reads.count > MOST_READS && !exact) return undefined;
    const { store } = this.#context;
    // The next one that is there, if that one was lost.
    const to = store.head(topic).lastSeq;
    const page = store.readPage(topic, { from: seq, to, limit: 1 });
    if (isPromise(page)) {
      this.#readLater(name, page);
      return undefined;
    }
    const [event] = page.events;
    if (event === undefined) return undefined;
    remember(this.#read, name, event.timestamp);
    return event.timestamp;
  }

  /** It is not known yet: it is the next time that somebody asks. */
  #readLater(name: string, page: Promise<Page>): void {
    const read = page.then(({ events: [event] }) => {
      if (event !== undefined) remember(this.#read, name, event.timestamp);
    }, (error) => this.#context.onError(error, "when an event was stored"));
    this.#reading.set(name, read);
    read.then(() => this.#reading.delete(name));
  }

  /** Resolves when what was asked for has been read; undefined if nothing is being read. */
  get reading(): Promise<unknown> | undefined {
    return this.#reading.size > 0 ? Promise.all(this.#reading.values()) : undefined;
  }

  /** Begins to count again after a second. */
  #countReads(): void {
    const mono = this.#context.clock.monotonic();
    const { since, round } = this.#reads;
    if (mono - since >= STEP_MS) this.#reads = { since: mono, count: 0, round: round + 1 };
  }
}

function cursorName(topic: string, asker: string): string {
  return `${topic}\n${asker}`;
}

/** Adds to a map of bounded size; the oldest entry goes. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= MOST_REMEMBERED) {
    for (const oldest of map.keys()) {
      map.delete(oldest);
      break;
    }
  }
  map.set(key, value);
}
