/**
 * Events for `for await`. A source returns them page by page on request; an {@link EventStream}
 * returns them one by one.
 *
 * `overflow` says what happens if the loop is slower than the events. With `wait` (the default) the
 * source is read only when the loop asks: stored events wait in the store, nothing is buffered and
 * nothing is lost. The other modes keep up with the events and buffer at most `buffer` of them:
 * `drop-oldest` and `drop-newest` count what they drop, `fail` drops one and ends with
 * `OverflowError`.
 */
import { InvalidArgumentError, OverflowError } from "../base/errors.ts";
import { namesOf, refuseUnknown } from "../base/options.ts";
import type { Event } from "../event/event.ts";
import { type Missed, missedText } from "../reading/missed.ts";

/** What a stream does if its reader is slower than its events. */
export type Overflow = "wait" | "drop-oldest" | "drop-newest" | "fail";

const OVERFLOWS: readonly string[] = ["wait", "drop-oldest", "drop-newest", "fail"];

/** Options of a stream. */
export interface StreamOptions {
  /** Ends the loop when it aborts. */
  signal?: AbortSignal;
  /** Default `wait`. */
  overflow?: Overflow;
  /** Most events buffered ahead of the loop, if `overflow` is not `wait`. Default 1,000. */
  buffer?: number;
  /** Where it starts, as an offset. Default `end`: now. */
  from?: string;
  /** Only these types. */
  eventTypes?: string[];
  /** A CEL expression; only events that match. */
  where?: string;
  /**
   * Starts with the newest stored event of each key, from `from` (default `start`) on; events
   * without a key are left out of those. New ones all come.
   */
  lastPerKey?: boolean;
  /**
   * Called for events that retention deleted before the loop got to them. With `overflow: "fail"`
   * the stream ends instead.
   */
  onMissed?: (missed: Missed) => void;
}

const STREAM_OPTIONS = namesOf<StreamOptions>({
  signal: true,
  overflow: true,
  buffer: true,
  from: true,
  eventTypes: true,
  where: true,
  lastPerKey: true,
  onMissed: true,
});

/** The options, or an `InvalidArgumentError` that names the field. */
export function checkStreamOptions(options: StreamOptions): StreamOptions {
  refuseUnknown(options, { of: "stream", known: STREAM_OPTIONS });
  const { overflow = "wait", buffer = 1000 } = options;
  if (!OVERFLOWS.includes(overflow)) {
    throw new InvalidArgumentError(
      `overflow is ${OVERFLOWS.join(", ")}, not ${JSON.stringify(overflow)}`,
      { details: { field: "overflow" } },
    );
  }
  if (!Number.isSafeInteger(buffer) || buffer < 1) {
    throw new InvalidArgumentError(`buffer is a whole number from 1, not ${buffer}`, {
      details: { field: "buffer" },
    });
  }
  return options;
}

/** The source of a stream's events. One `pull` at a time. */
export interface StreamSource {
  /** Resolves when everything published from now on will be seen. */
  opened: Promise<unknown>;
  /** The next events, as soon as there are some; undefined at the end. */
  pull(): Promise<Event[] | undefined>;
  /** Ends the source: a waiting `pull` gets undefined. */
  close(): void;
  /** Called for events that were deleted before they were read. */
  onMissed?: (missed: Missed) => void;
  /** Events that the source itself had to drop: those of topics that store nothing. */
  readonly dropped: number;
}

/**
 * Events one by one, for `for await`.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * const broker = new EventBroker();
 * for await (const event of broker.stream("users")) console.log(event.seq, event.payload);
 * ```
 */
export class EventStream<T = Event> implements AsyncIterableIterator<T>, AsyncDisposable {
  /** Resolves when everything published from now on will be seen. */
  readonly ready: Promise<void>;
  readonly #source: StreamSource;
  readonly #options: StreamOptions & { buffer: number };
  readonly #ended: () => void;
  #held: Event[] = [];
  #at = 0;
  #dropped = 0;
  #missed = 0;
  #pumping = false;
  #waiting: Promise<void> | undefined;
  #wake = () => {};
  #closed = false;
  #failure: { error: unknown } | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Calls of `next` that have no answer yet. */
  #calls = 0;

  /** `options` must be checked already; `ended` is called once, at the end. */
  constructor(source: StreamSource, options: StreamOptions, ended: () => void = () => {}) {
    const { overflow = "wait", buffer = 1000, signal } = options;
    this.#source = source;
    source.onMissed = (missed) => this.#miss(missed);
    this.#options = { ...options, overflow, buffer };
    this.#ended = ended;
    this.ready = source.opened.then(() => {});
    this.ready.catch((error) => this.#fail(error));
    if (signal?.aborted) this.return();
    else signal?.addEventListener("abort", () => this.return(), { once: true });
    if (overflow !== "wait") this.#pump();
  }

  /** Events dropped so far. */
  get dropped(): number {
    return this.#dropped + this.#source.dropped;
  }

  /** Events that retention deleted before they were read, so far. */
  get missed(): number {
    return this.#missed;
  }

  #miss(missed: Missed): void {
    if (this.#closed) return;
    this.#missed += missed.count;
    if (this.#options.overflow === "fail") {
      this.#fail(
        new OverflowError(missedText(missed), {
          hint: "read faster, keep events longer, or choose another `overflow`",
          details: { ...missed },
        }),
      );
      return;
    }
    try {
      this.#options.onMissed?.(missed);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The next event. Overlapping calls are answered in order. */
  next(): Promise<IteratorResult<T, undefined>> {
    // Most events are there already; the turns of calls take longer than giving them.
    const held = this.#calls === 0 ? this.#takeHeld() : undefined;
    if (held !== undefined) return Promise.resolve(held);
    this.#calls++;
    const next = this.#turn.then(() => this.#next()).finally(() => this.#calls--);
    this.#turn = next.catch(() => {}); // the caller gets the error
    return next;
  }

  #takeHeld(): IteratorResult<T, undefined> | undefined {
    if (this.#at === this.#held.length) return undefined;
    const value = this.#held[this.#at++] as T;
    if (this.#at === this.#held.length) {
      this.#held = [];
      this.#at = 0;
    }
    return { done: false, value };
  }

  async #next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const held = this.#takeHeld();
      if (held !== undefined) return held;
      if (this.#failure) {
        const { error } = this.#failure;
        this.#failure = undefined;
        throw error;
      }
      if (this.#closed) return { done: true, value: undefined };
      if (this.#options.overflow === "wait") await this.#pull();
      else await (this.#waiting ??= new Promise((resolve) => this.#wake = resolve));
      this.#waiting = undefined;
    }
  }

  async #pull(): Promise<void> {
    try {
      const events = await this.#source.pull();
      if (events === undefined) this.#close();
      else if (!this.#closed) this.#held = events;
    } catch (error) {
      this.#fail(error);
    }
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      for (let events = await this.#source.pull(); events; events = await this.#source.pull()) {
        for (const event of events) this.#take(event);
        if (this.#closed) return;
        this.#wake();
      }
      this.#close();
    } catch (error) {
      this.#fail(error);
    }
  }

  #take(event: Event): void {
    if (this.#closed) return;
    const { buffer, overflow } = this.#options;
    if (this.#held.length - this.#at < buffer) {
      this.#held.push(event);
      return;
    }
    this.#dropped++;
    if (overflow === "fail") {
      this.#fail(
        new OverflowError(`the reader is ${buffer} events behind ${event.topic}`, {
          hint: "read faster, raise `buffer`, or choose another `overflow`",
          details: { topic: event.topic, buffer },
        }),
      );
      return;
    }
    if (overflow === "drop-newest") return;
    this.#at++;
    this.#held.push(event);
    if (this.#at > buffer) {
      this.#held = this.#held.slice(this.#at);
      this.#at = 0;
    }
  }

  #fail(error: unknown): void {
    if (this.#closed) return;
    this.#failure = { error };
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#source.close();
    this.#ended();
    this.#wake();
  }

  /** Ends the stream, like leaving the loop. Buffered events are dropped. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#held = [];
    this.#at = 0;
    this.#close();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Returns itself: a stream can be read once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the stream. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

/** The open streams. */
export class Streams {
  readonly #open = new Set<EventStream>();

  /** Opens a stream of this source, and tracks it until it ends. */
  add(source: StreamSource, options: StreamOptions): EventStream {
    const stream: EventStream = new EventStream(source, options, () => this.#open.delete(stream));
    this.#open.add(stream);
    return stream;
  }

  /** Ends all of them. */
  close(): void {
    for (const stream of [...this.#open]) stream.return();
  }
}
