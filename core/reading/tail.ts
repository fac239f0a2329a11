/**
 * Follows topics live.
 *
 * A tail that keeps up gets each commit as it happens; its lines are built once for all tails. A
 * tail that is still busy is only told that a topic has more, and reads that from the store when it
 * asks again. So a slow reader keeps no events in memory, slows nobody down, and misses nothing.
 */
import type { Commit } from "../store/journal.ts";
import { concat } from "../base/bytes.ts";
import type { JournalStore } from "../store/store.ts";
import { type NewEvent, type StoredEvent, storedEvent } from "../event/event.ts";
import { type Missed, missedOf } from "./missed.ts";
import { lineFilter } from "./line_filter.ts";
import { linesOf, type Render, select, type Selection } from "./replay.ts";

/** Where a tail gets its events. */
export interface TailSource {
  store: JournalStore;
  onCommit(listener: (commit: Commit) => void): () => void;
}

/** What a tail follows. */
export interface TailOptions extends Selection {
  /** True for the topics to follow, including ones created later. */
  matches(topic: string): boolean;
  /** Where to start on existing topics: the first seq wanted. A topic created later starts at 1. */
  positions: Map<string, number>;
  render?: Render;
  /**
   * Called with events that were deleted before this reader got to them, before the next result of
   * `next`.
   */
  onMissed?: (missed: Missed) => void;
}

/** Returned in place of events. */
const NOTHING = new Uint8Array(0);
const PAGE = 1024;
/**
 * How many commits of non-persistent topics are kept for a busy tail; beyond that the oldest are
 * dropped.
 */
const EPHEMERAL_KEPT = 64;

/** One follower. Call {@link next} repeatedly, then {@link close}. */
export class Tail {
  readonly #source: TailSource;
  readonly #options: TailOptions;
  readonly #positions: Map<string, number>;
  readonly #dirty: Set<string>;
  readonly #stop: () => void;
  readonly #keep: ((lines: Uint8Array) => Uint8Array) | undefined;
  #ephemeral: Commit[] = [];
  #waiting: ((bytes: Uint8Array | undefined) => void) | undefined;
  #closed = false;
  /** Commits of non-persistent topics that were dropped because this reader was too slow. */
  dropped = 0;

  constructor(source: TailSource, options: TailOptions) {
    this.#source = source;
    this.#options = options;
    this.#keep = options.filter && lineFilter(options.filter);
    this.#positions = new Map(options.positions);
    this.#dirty = new Set(options.positions.keys());
    this.#stop = source.onCommit((commit) => this.#committed(commit));
  }

  /**
   * Waits for the next bytes to send. Empty if events were missed; undefined once closed. One call
   * at a time.
   */
  next(): Promise<Uint8Array | undefined> {
    const bytes = this.#closed ? undefined : this.#read();
    if (bytes || this.#closed) return Promise.resolve(bytes);
    return new Promise((resolve) => this.#waiting = resolve);
  }

  /** Stops following; a pending `next` resolves to undefined. */
  close(): void {
    this.#closed = true;
    this.#stop();
    this.#answer(undefined);
  }

  #answer(bytes: Uint8Array | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(bytes);
  }

  #committed(commit: Commit): void {
    if (!this.#options.matches(commit.topic)) return;
    if (commit.ephemeral) {
      this.#ephemeral.push(commit);
      if (this.#ephemeral.length > EPHEMERAL_KEPT) {
        this.#ephemeral.shift();
        this.dropped++;
      }
    } else if (this.#canTakeAsItIs(commit)) {
      this.#positions.set(commit.topic, commit.lastSeq + 1);
      this.#answer(sharedLines(commit, this.#source.store));
      return;
    } else {
      this.#dirty.add(commit.topic);
    }
    if (!this.#waiting) return;
    const bytes = this.#read();
    if (bytes) this.#answer(bytes);
  }

  #canTakeAsItIs(commit: Commit): boolean {
    const { types, filter, render } = this.#options;
    return this.#waiting !== undefined && this.#dirty.size === 0 && this.#ephemeral.length === 0 &&
      !types && !filter && !render && (this.#positions.get(commit.topic) ?? 1) === commit.firstSeq;
  }

  /** The bytes that can be sent now. */
  #read(): Uint8Array | undefined {
    for (let commit = this.#ephemeral.shift(); commit; commit = this.#ephemeral.shift()) {
      const bytes = this.#print(commitEvents(commit, commit.events ?? []));
      if (bytes.length > 0) return bytes;
    }
    for (const topic of this.#dirty) {
      const bytes = this.#readTopic(topic);
      if (bytes) return bytes;
    }
    return undefined;
  }

  #readTopic(topic: string): Uint8Array | undefined {
    const { store } = this.#source;
    const { types, render } = this.#options;
    for (;;) {
      const head = store.head(topic);
      const to = head.lastSeq;
      const from = this.#positions.get(topic) ?? head.firstSeq;
      const missed = missedOf(topic, from, head);
      if (missed) {
        this.#positions.set(topic, head.firstSeq);
        this.#options.onMissed?.(missed);
        return NOTHING;
      }
      if (from > to) {
        this.#dirty.delete(topic);
        return undefined;
      }
      const query = { from, to, limit: PAGE, types };
      let bytes: Uint8Array;
      let next: number;
      if (render) {
        const page = store.readPage(topic, query);
        bytes = this.#print(page.events);
        next = page.next;
      } else {
        ({ bytes, next } = store.readLines(topic, query));
        if (this.#keep) bytes = this.#keep(bytes);
      }
      this.#positions.set(topic, next);
      if (bytes.length > 0) return bytes;
    }
  }

  #print(events: StoredEvent[]): Uint8Array {
    const { types, filter, render } = this.#options;
    const wanted = types ? events.filter((event) => types.includes(event.type)) : events;
    const selected = select(wanted, filter);
    return selected.length > 0 ? (render ?? linesOf)(selected) : linesOf([]);
  }
}

const lines = new WeakMap<Commit, Uint8Array>();

/** A commit's wire lines, built or read once for all tails. */
function sharedLines(commit: Commit, store: JournalStore): Uint8Array {
  let bytes = lines.get(commit);
  if (!bytes) lines.set(commit, bytes = linesOfCommit(commit, store));
  return bytes;
}

function linesOfCommit(commit: Commit, store: JournalStore): Uint8Array {
  if (commit.events) return linesOf(commitEvents(commit, commit.events));
  const { topic, lastSeq: to } = commit;
  const pages: Uint8Array[] = [];
  for (let from = commit.firstSeq; from <= to;) {
    const page = store.readLines(topic, { from, to, limit: PAGE });
    pages.push(page.bytes);
    from = page.next;
  }
  return concat(pages);
}

/** A commit's events, as a store would return them. */
export function commitEvents(commit: Commit, events: readonly NewEvent[]): StoredEvent[] {
  const { topic, ephemeral, firstSeq } = commit;
  // Events that are not stored have no seq.
  return events.map((event, i) => storedEvent(event, { topic, seq: ephemeral ? 0 : firstSeq + i }));
}
