/**
 * A stream's events from the store of this process: a live tail (core/reading/tail.ts), started
 * where `from` says.
 */
import { defined } from "../base/defined.ts";
import { UnsupportedError } from "../base/errors.ts";
import { inTurns } from "../base/in_turns.ts";
import { isPromise, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import type { Event } from "../event/event.ts";
import { eventsOfLines } from "../event/event_lines.ts";
import type { Offset } from "../event/offset.ts";
import { offsetFor, startsIn } from "../delivery/start_offset.ts";
import type { StreamOptions, StreamSource } from "./event_stream.ts";
import type { Filter } from "../filter/filter.ts";
import { lineFilter } from "../reading/line_filter.ts";
import type { Missed } from "../reading/missed.ts";
import { newestPerKey } from "../reading/newest_per_key.ts";
import { lastOf, type Pages, replay } from "../reading/replay.ts";
import { Tail, type TailSource } from "../reading/tail.ts";
import { ThreeMethodStore } from "../store/basic_store.ts";
import { assertTopicPattern, compilePattern } from "../event/topic_options.ts";
import type { TopicCatalog } from "../topic/catalog.ts";

/** What a stream reads from. */
export interface TailStreamContext {
  feed: TailSource;
  topics: TopicCatalog;
  /** Unix ms. */
  now(): number;
}

/** Feeds a stream from a live tail. */
export class TailStream implements StreamSource {
  readonly opened: Promise<void>;
  readonly #context: TailStreamContext;
  readonly #topic: string;
  readonly #types: readonly string[] | undefined;
  /** What is returned before the tail. */
  #stored: Pages | undefined;
  #tail: Tail | undefined;
  #closed = false;
  onMissed?: (missed: Missed) => void;
  #keep: ((lines: Uint8Array) => Uint8Array) | undefined;

  constructor(topic: string, options: StreamOptions, context: TailStreamContext) {
    assertTopicPattern(topic);
    this.#context = context;
    this.#topic = topic;
    const { eventTypes, where, lastPerKey, from = lastPerKey ? "start" : "end" } = options;
    this.#types = eventTypes && eventTypes.length > 0 ? eventTypes : undefined;
    const offset = offsetFor(topic, from);
    if (lastPerKey && context.feed.store instanceof ThreeMethodStore) {
      throw new UnsupportedError("a store with three methods has no earlier events to start from", {
        hint: "omit `lastPerKey`: the stream then starts now",
      });
    }
    if (lastPerKey) {
      this.opened = this.#openPerKey(offset, where);
      return;
    }
    if (offset.kind === "last" && (this.#types || where !== undefined)) {
      this.opened = this.#openAtLast(offset.count, where);
      return;
    }
    const open = whenReady(this.#starts(offset), (starts) => this.#open(starts));
    const ready = () => where === undefined ? undefined : this.#compile(where).then(() => {});
    this.opened = Promise.resolve(isPromise(open) ? open.then(ready) : ready());
  }

  /** Where to begin on each topic that is there. */
  #starts(offset: Offset): MaybePromise<Map<string, number>> {
    const { feed: { store }, topics, now } = this.#context;
    const starts = startsIn({ store, now }, topics.match(this.#topic), offset);
    return whenReady(starts, (starts) => new Map(starts.map(({ topic, seq }) => [topic, seq])));
  }

  #open(positions: Map<string, number>): void {
    if (this.#closed) return;
    this.#tail = new Tail(this.#context.feed, {
      matches: compilePattern(this.#topic),
      positions,
      onMissed: (missed) => this.onMissed?.(missed),
      ...(this.#types ? { types: this.#types } : {}),
    });
  }

  /** The last `count` events are those that match: they have to be looked for. */
  async #openAtLast(count: number, where: string | undefined): Promise<void> {
    const filter = where === undefined ? undefined : await this.#compile(where);
    const { feed: { store }, topics } = this.#context;
    if (store.refresh) await store.refresh(topics.match(this.#topic));
    const query = defined({ topics: topics.match(this.#topic), count, types: this.#types, filter });
    const ranges = await inTurns(lastOf(store, query));
    this.#open(new Map(ranges.map(({ topic, from }) => [topic, from])));
  }

  /** First the newest event of each key, then what is new from this moment on. */
  async #openPerKey(offset: Offset, where: string | undefined): Promise<void> {
    const filter = where === undefined ? undefined : await this.#compile(where);
    const { store } = this.#context.feed;
    const starts = this.#starts(offset);
    const ranges = [...isPromise(starts) ? await starts : starts].map(([topic, from]) => ({
      topic,
      from,
      to: store.head(topic).lastSeq,
    }));
    this.#open(new Map(ranges.map(({ topic, to }) => [topic, to + 1])));
    const newest = await inTurns(
      newestPerKey(store, defined({ ranges, types: this.#types, filter })),
    );
    const onMissed = (missed: Missed) => this.onMissed?.(missed);
    this.#stored = replay(newest, { ranges, onMissed });
  }

  async #compile(where: string): Promise<Filter> {
    const { compileFilter } = await import("../filter/filter.ts");
    const filter = await compileFilter(where);
    this.#keep = lineFilter(filter);
    return filter;
  }

  get dropped(): number {
    return this.#tail?.dropped ?? 0;
  }

  async pull(): Promise<Event[] | undefined> {
    await this.opened;
    for (let page = this.#stored?.next(); page && !page.done; page = this.#stored?.next()) {
      if (isPromise(page.value)) await page.value;
      if (this.#closed) return undefined;
      if (!isPromise(page.value) && page.value.length > 0) return eventsOfLines(page.value);
    }
    for (;;) {
      const bytes = await this.#tail?.next();
      if (bytes === undefined) return undefined;
      const events = eventsOfLines(this.#keep ? this.#keep(bytes) : bytes);
      if (events.length > 0) return events;
    }
  }

  close(): void {
    this.#closed = true;
    this.#tail?.close();
  }
}
