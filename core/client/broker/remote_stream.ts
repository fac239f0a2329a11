/**
 * A stream's events over the socket: a feed (feed.ts), which continues without a gap after a lost
 * connection.
 */
import type { Clock } from "../../base/clock.ts";
import type { Event } from "../../event/event.ts";
import { eventsOfLines } from "../../event/event_lines.ts";
import type { StreamOptions, StreamSource } from "../../broker/event_stream.ts";
import { assertTopicPattern } from "../../event/topic_options.ts";
import type { Missed } from "../../reading/missed.ts";
import type { Client } from "../client.ts";
import { openFeed } from "../feed.ts";
import { decodeError } from "../decode_error.ts";

/** Feeds a stream from a daemon. */
export class RemoteStream implements StreamSource {
  readonly opened: Promise<void>;
  /** The daemon drops no stored events, and does not report dropped unstored ones. */
  readonly dropped = 0;
  readonly #abort = new AbortController();
  onMissed?: (missed: Missed) => void;
  readonly #blocks: AsyncGenerator<Uint8Array, void, undefined>;
  /** The first block, requested at once, because that starts the feed. */
  #first: Promise<IteratorResult<Uint8Array, void>> | undefined;

  constructor(
    topic: string,
    options: StreamOptions,
    context: { client: Client; clock: Clock; say(text: string): void },
  ) {
    const { eventTypes, where, from, lastPerKey } = options;
    const opened = Promise.withResolvers<void>();
    this.opened = opened.promise;
    this.#blocks = openFeed(context.client, {
      query: {
        topic: [assertTopicPattern(topic)],
        follow: "1",
        from: from ?? (lastPerKey ? "start" : "end"),
        lastPerKey: lastPerKey ? "1" : undefined,
        type: eventTypes,
        where,
      },
      clock: context.clock,
      say: context.say,
      onMissed: (missed) => this.onMissed?.(missed),
      opened: () => opened.resolve(),
      signal: this.#abort.signal,
    }).blocks;
    this.#first = this.#blocks.next();
    this.#first.catch((error) => opened.reject(decodeError(error)));
  }

  async pull(): Promise<Event[] | undefined> {
    try {
      const next = this.#first ?? this.#blocks.next();
      this.#first = undefined;
      const { done, value } = await next;
      return done || this.#abort.signal.aborted ? undefined : eventsOfLines(value);
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined;
      throw decodeError(error);
    }
  }

  close(): void {
    this.#abort.abort();
  }
}
