/**
 * A stream's events from the store of this process: a live tail (core/reading/tail.ts), started
 * where `from` says.
 */
import type { Event } from "../event/event.ts";
import { eventsOfLines } from "../event/event_lines.ts";
import { readerStart } from "../event/offset.ts";
import { offsetFor } from "../delivery/start_offset.ts";
import type { StreamOptions, StreamSource } from "./event_stream.ts";
import { lineFilter } from "../reading/line_filter.ts";
import type { Missed } from "../reading/missed.ts";
import { Tail, type TailSource } from "../reading/tail.ts";
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
  readonly #tail: Tail;
  onMissed?: (missed: Missed) => void;
  #keep: ((lines: Uint8Array) => Uint8Array) | undefined;

  constructor(topic: string, options: StreamOptions, context: TailStreamContext) {
    assertTopicPattern(topic);
    const { feed: { store }, topics, now } = context;
    const offset = offsetFor(topic, options.from ?? "end");
    const positions = new Map(
      topics.match(topic).map((name) => [
        name,
        readerStart(offset, {
          head: store.head(name),
          now: now(),
          seekTime: (at, latest) => store.seekTime(name, at, latest),
        }),
      ]),
    );
    const { eventTypes, where } = options;
    this.#tail = new Tail(context.feed, {
      matches: compilePattern(topic),
      positions,
      onMissed: (missed) => this.onMissed?.(missed),
      ...(eventTypes && eventTypes.length > 0 ? { types: eventTypes } : {}),
    });
    this.opened = where === undefined ? Promise.resolve() : this.#compile(where);
  }

  async #compile(where: string): Promise<void> {
    const { compileFilter } = await import("../filter/filter.ts");
    this.#keep = lineFilter(await compileFilter(where));
  }

  get dropped(): number {
    return this.#tail.dropped;
  }

  async pull(): Promise<Event[] | undefined> {
    await this.opened;
    for (;;) {
      const bytes = await this.#tail.next();
      if (bytes === undefined) return undefined;
      const events = eventsOfLines(this.#keep ? this.#keep(bytes) : bytes);
      if (events.length > 0) return events;
    }
  }

  close(): void {
    this.#tail.close();
  }
}
