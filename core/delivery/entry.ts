/** What a queue holds: events on their way, their keys, their leases. */
import { type Event, type StoredEvent, toEvent, toWireLine } from "../event/event.ts";
import { eventOfLine } from "../event/event_lines.ts";
import type { Lease } from "./leases.ts";
import type { SeqSet } from "./seq_set.ts";
import { WireEvent } from "./wire_event.ts";

/** The present, twice: `wall` (Unix ms) is written down, `mono` (ms) is what timers run by. */
export interface Now {
  wall: number;
  mono: number;
}

/** A topic as one subscription sees it. */
export interface TopicLane {
  readonly topic: string;
  /**
   * Done, dead, or kept as a retry row: no longer the cursor's business. Its first gap is the
   * cursor.
   */
  readonly settled: SeqSet;
  /** How many of its stream events are leased now, and the highest seq that ever was. */
  held: number;
  heldTo: number;
  /** The next seq to read from the store. */
  readNext: number;
  /** The last seq that is known to be there. */
  lastSeq: number;
  /** The cursor as it is on disk; 0 when it never was written. */
  writtenNext: number;
  /** Skipped or missed events are settled in memory, and not yet on disk. */
  dirty: boolean;
  missed?: { from: number; to: number; count: number; written: boolean };
}

/**
 * `stream`: read from the topic, settled by the cursor. `retry`: has a row of its own. `ephemeral`:
 * of a topic that stores nothing.
 */
export type EntryKind = "stream" | "retry" | "ephemeral";

/** One event on its way. */
export class Entry {
  kind: EntryKind;
  readonly topic: string;
  readonly seq: number;
  readonly key: string | undefined;
  readonly size: number;
  group: KeyGroup | undefined = undefined;
  nextAttempt = 1;
  failures = 0;
  /** Its place among those that are ready. */
  order = 0;
  ready = false;
  /** Counts up with the pages that were read: how long it has been at hand. */
  page = 0;
  /** At hand, and not leased: a stream or ephemeral event. */
  buffered = false;
  /** Retries: whether the wait is over, and when it is. */
  due = false;
  dueMono = 0;
  lease: Lease | undefined = undefined;
  /** How many of its deliveries ended without an answer; 0: perhaps one. Undefined: none. */
  unanswered: number | undefined = undefined;
  /** Who had the last of them, and how many there were before: it may come back and go on. */
  holder: { instance: string; before: number | undefined } | undefined = undefined;
  /** It left the queue; what still points at it must look away. */
  gone = false;
  #names: { id: string; type: string } | undefined;
  #source: StoredEvent | WireEvent | undefined;

  /** Of an event that is at hand: as it is, or as the line that its store has. */
  static of(
    kind: "stream" | "ephemeral",
    topic: string,
    source: StoredEvent | WireEvent,
  ): Entry {
    const size = source instanceof WireEvent
      ? source.size
      : source.payload.length + source.metadata.length;
    return new Entry(kind, { topic, seq: source.seq, key: source.key, size: size + OVERHEAD }, {
      names: undefined,
      source,
    });
  }

  /** Of a retry, whose event is in its row. */
  static ofRetry(
    place: { topic: string; seq: number; key: string | undefined; size: number },
    names: { id: string; type: string },
  ): Entry {
    return new Entry("retry", place, { names, source: undefined });
  }

  private constructor(
    kind: EntryKind,
    place: { topic: string; seq: number; key: string | undefined; size: number },
    about: {
      names: { id: string; type: string } | undefined;
      source: StoredEvent | WireEvent | undefined;
    },
  ) {
    this.kind = kind;
    this.topic = place.topic;
    this.seq = place.seq;
    this.key = place.key;
    this.size = place.size;
    this.#names = about.names;
    this.#source = about.source;
  }

  get id(): string {
    return (this.#names ?? this.event!).id;
  }

  get type(): string {
    return (this.#names ?? this.event!).type;
  }

  /** The event, while it is not a retry. */
  get event(): StoredEvent | undefined {
    return this.#source instanceof WireEvent ? this.#source.stored : this.#source;
  }

  /** Its wire line, with or without its line feed, while it is not a retry. */
  get line(): Uint8Array | undefined {
    const source = this.#source;
    return source instanceof WireEvent
      ? source.line
      : source && (source.line ?? toWireLine(source));
  }

  /** A copy of its wire line, with its line feed: for a row of its own. */
  copyLine(): Uint8Array {
    const source = this.#source;
    return source instanceof WireEvent ? source.copy() : toWireLine(source!);
  }

  /** The event as applications see it, while it is not a retry. */
  toEvent(): Event {
    const source = this.#source;
    return source instanceof WireEvent
      ? eventOfLine(decoder.decode(source.line))
      : toEvent(source!);
  }

  /** From now on the event is in the row of a retry. */
  becomeRetry(): void {
    const { id, type } = this;
    this.#names = { id, type };
    this.#source = undefined;
    this.kind = "retry";
  }

  /** Lets go of the page that it was read with. */
  ownLine(): void {
    if (this.#source instanceof WireEvent) this.#source.own();
  }
}

/** What an event weighs beside its bytes. */
const OVERHEAD = 256;
const decoder = new TextDecoder();

/** The events of one key on one topic: one at a time, in order. */
export interface KeyGroup {
  readonly name: string;
  leased: Entry | undefined;
  /** Retries, lowest seq first. They go before what waits. */
  scheduled: Entry[];
  /** Stream events, in order. */
  waiting: Entry[];
}
