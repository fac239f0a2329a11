/** What a queue holds: events in delivery, their keys, their leases. */
import { type Event, type StoredEvent, toEvent, toWireLine } from "../event/event.ts";
import { eventOfLine } from "../event/event_lines.ts";
import type { Lease } from "./leases.ts";
import type { SeqSet } from "./seq_set.ts";
import { WireEvent } from "./wire_event.ts";

/** The current time, twice: `wall` (Unix ms) is what is stored, `mono` (ms) is what timers use. */
export interface Now {
  wall: number;
  mono: number;
}

/** A topic as one subscription sees it. */
export interface TopicLane {
  readonly topic: string;
  /**
   * Seqs that are done, dead, or stored as a retry row, so that the cursor need not wait for them.
   * Its first gap is the cursor.
   */
  readonly settled: SeqSet;
  /** How many of its stream events are leased now, and the highest seq that ever was. */
  held: number;
  heldTo: number;
  /** The next seq to read from the store. */
  readNext: number;
  /** The last seq that is known to exist. */
  lastSeq: number;
  /** The cursor as stored; 0 if it never was. */
  writtenNext: number;
  /** Skipped or missed events are settled in memory, but not stored yet. */
  dirty: boolean;
  /** How many events it has missed, and how many of them are stored. */
  missed?: { from: number; to: number; count: number; stored: number };
}

/** True if a lane has missed more than is stored. */
export function isUntold({ missed }: Pick<TopicLane, "missed">): boolean {
  return missed !== undefined && missed.stored < missed.count;
}

/**
 * `stream`: read from the topic, settled by the cursor. `retry`: has its own row. `ephemeral`: from
 * a topic that stores nothing.
 */
export type EntryKind = "stream" | "retry" | "ephemeral";

/** One event in delivery. */
export class Entry {
  kind: EntryKind;
  readonly topic: string;
  readonly seq: number;
  readonly key: string | undefined;
  readonly size: number;
  /** Which part of the subscription it belongs to; 0 where that is not divided. */
  part = 0;
  group: KeyGroup | undefined = undefined;
  nextAttempt = 1;
  failures = 0;
  /** Its position among the ready events. */
  order = 0;
  ready = false;
  /** The number of the page that it was read with, and so how long it has been in memory. */
  page = 0;
  /** In memory and not leased: a stream or ephemeral event. */
  buffered = false;
  /** For retries: whether the wait is over, and when it is. */
  due = false;
  dueMono = 0;
  lease: Lease | undefined = undefined;
  /**
   * How many of its deliveries ended without an answer; 0 if perhaps one did, undefined if none
   * did.
   */
  unanswered: number | undefined = undefined;
  /**
   * Who had the last of them, and the count before it: that consumer may come back and continue.
   */
  holder: { instance: string; before: number | undefined } | undefined = undefined;
  /** It has left the queue; references that remain must ignore it. */
  gone = false;
  /** It is not delivered any more, and whatever a handler that has it answers, it is done. */
  redacted = false;
  #names: { id: string; type: string } | undefined;
  #source: StoredEvent | WireEvent | undefined;

  /** An entry for an event in memory: the event itself, or its line from the store. */
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

  /** An entry for a retry, whose event is in its row. */
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

  /** The event; undefined for a retry. */
  get event(): StoredEvent | undefined {
    return this.#source instanceof WireEvent ? this.#source.stored : this.#source;
  }

  /** When it expires, Unix ms; undefined if never, and for a retry. */
  get expiresAt(): number | undefined {
    return this.#source?.expiresAt;
  }

  /** The wire line, with or without its line feed; undefined for a retry. */
  get line(): Uint8Array | undefined {
    const source = this.#source;
    return source instanceof WireEvent
      ? source.line
      : source && (source.line ?? toWireLine(source));
  }

  /** A copy of the wire line, with its line feed: for a retry row. */
  copyLine(): Uint8Array {
    const source = this.#source;
    return source instanceof WireEvent ? source.copy() : toWireLine(source!);
  }

  /** The event as applications see it; not for a retry. */
  toEvent(): Event {
    const source = this.#source;
    return source instanceof WireEvent
      ? eventOfLine(decoder.decode(source.line))
      : toEvent(source!);
  }

  /** From now on the event is in a retry row. */
  becomeRetry(): void {
    const { id, type } = this;
    this.#names = { id, type };
    this.#source = undefined;
    this.kind = "retry";
  }

  /** From now on the event is this one; not for a retry. */
  replace(event: StoredEvent): void {
    if (this.kind !== "retry") this.#source = event;
  }

  /** Copies its line, so that the page it was read with can be freed. */
  ownLine(): void {
    if (this.#source instanceof WireEvent) this.#source.own();
  }
}

/** Memory of an entry besides its bytes. */
const OVERHEAD = 256;
const decoder = new TextDecoder();

/** The events of one key on one topic: delivered one at a time, in order. */
export interface KeyGroup {
  readonly name: string;
  leased: Entry | undefined;
  /** Retries, lowest seq first. They go before waiting events. */
  scheduled: Entry[];
  /** Stream events, in order. */
  waiting: Entry[];
}
