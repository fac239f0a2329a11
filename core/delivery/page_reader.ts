/**
 * Reads the pages of one subscription into its queue, one at a time: its topics take turns. Where
 * parts of a topic stand at different seqs, those that are furthest behind come next.
 *
 * A store in this process answers at once, and the page is fed in the same turn. From a store that
 * answers later it comes after anything may have happened. So there is one read under way at most,
 * for leases, commits and reading ahead alike, and what it brings is fed only if it would still be
 * read like that:
 * - Another lane stands for the topic after a seek, and none after the end of the subscription: the
 *   page is dropped.
 * - The lane was moved back, stands for other parts, or settings or filter have changed: dropped,
 *   and read again.
 * - The lane has moved on, or events were settled, leased or redacted: `feed` leaves those out.
 * - Events were deleted: the head knows, so they are counted as missed before the rest is fed; else
 *   `feed` would take what is not in the page for skipped.
 */
import { isPromise } from "../base/maybe_promise.ts";
import type { Event } from "../event/event.ts";
import type { PartMask } from "../event/part.ts";
import type { JournalStore } from "../store/store.ts";
import { endOf, laneBehind, type PartLane } from "./part_lanes.ts";
import type { DeliveryQueue } from "./queue.ts";
import { type EventPage, hasRoom, readNext } from "./read_window.ts";

/** What pages are read from, and for. */
export interface PageReaderContext {
  store: JournalStore;
  queue: DeliveryQueue;
  /** Something was skipped or missed, which is not stored yet. */
  skipped(): void;
  /** A read that was under way has ended, whatever became of its page. */
  ended(): void;
  /** The same, with an error that nobody else gets. */
  failed(error: unknown): void;
}

/** Reads pages for one queue. */
export class PageReader {
  readonly #context: PageReaderContext;
  /** The topics that may have more to read. */
  readonly #behind = new Set<string>();
  #filter: ((event: Event) => boolean) | undefined;
  #filterReady = true;
  /** Changes with everything that decides what is read. */
  #version = 0;
  #busy = false;
  /** True once the store has answered later. */
  readsLater = false;
  #closed = false;

  constructor(context: PageReaderContext) {
    this.#context = context;
    this.readAgain();
  }

  /** The compiled filter, once it is ready. */
  get filter(): ((event: Event) => boolean) | undefined {
    return this.#filter;
  }

  /** True once the filter is compiled: before that, nothing is read or taken. */
  get filterReady(): boolean {
    return this.#filterReady;
  }

  /** Sets the compiled filter; nothing is read until the promise resolves. */
  async useFilter(filter: Promise<(event: Event) => boolean> | undefined): Promise<void> {
    this.#version++;
    this.#filterReady = filter === undefined;
    this.#filter = undefined;
    if (filter) {
      this.#filter = await filter;
      this.#filterReady = true;
    }
  }

  /** A topic has more to read. */
  add(topic: string): void {
    this.#behind.add(topic);
  }

  /** Reads all topics from where their lanes are now. */
  readAgain(): void {
    this.#version++;
    for (const topic of this.#context.queue.lanes.topics()) this.#behind.add(topic);
  }

  /** True while a read is under way: what it brings is fed later. */
  get busy(): boolean {
    return this.#busy;
  }

  /** True if there is something to read and room for it, and no read is under way. */
  get canRead(): boolean {
    const { ready, lanes } = this.#context.queue;
    return this.#filterReady && this.#behind.size > 0 && !this.#busy && !lanes.joinsSoon &&
      hasRoom(ready);
  }

  /** Updates what is known of a topic: where it ends, and what retention has deleted. */
  look(topic: string): void {
    const { queue, store, skipped } = this.#context;
    if (queue.look(topic, store.head(topic)) > 0) skipped();
    if (!store.refresh) return;
    // Others store events, too, and nobody may have told of them yet.
    this.#readOn(topic);
  }

  /** The topic has its next turn, if there is more of it. */
  #readOn(topic: string): void {
    const lane = laneBehind(this.#context.queue.lanes.of(topic));
    if (lane && lane.readNext <= lane.lastSeq) this.#behind.add(topic);
  }

  /** Brings the heads up to date with what others have stored; undefined if they always are. */
  refresh(): Promise<void> | undefined {
    const { store, queue } = this.#context;
    if (!store.refresh) return undefined;
    const topics = [...queue.lanes.topics()];
    return store.refresh(topics).then(() => topics.forEach((topic) => this.look(topic)));
  }

  /** Reads a page of the next topic; it is fed now, or when it comes. */
  readPage(): void {
    const [topic] = this.#behind;
    if (topic === undefined) return;
    const { queue, store } = this.#context;
    // Move the topic to the end, so that topics take turns.
    this.#behind.delete(topic);
    if (!queue.lanes.has(topic)) return;
    const head = store.head(topic);
    this.look(topic);
    this.#behind.delete(topic);
    const lane = laneBehind(queue.lanes.of(topic));
    if (!lane || lane.readNext > head.lastSeq) return;
    const { settings: { eventTypes } } = queue;
    const from = lane.readNext;
    const page = readNext(store, lane, {
      head,
      to: Math.min(head.lastSeq, endOf(lane, queue.lanes.of(topic))),
      eventTypes,
      filter: this.#filter,
      parts: queue.lanes.selectionOf(lane),
    });
    if (isPromise(page)) this.#feedLater(lane, from, page);
    else this.#feed(lane, from, page);
  }

  #feed(lane: PartLane, from: number, page: EventPage): void {
    const { topic } = lane;
    const { queue, store, skipped } = this.#context;
    for (const { topic: of, firstSeq, lastSeq, lost } of store.damage?.() ?? []) {
      if (!lost || of !== topic || firstSeq >= page.next || lastSeq < from) continue;
      queue.lose(lane, Math.max(from, firstSeq), Math.min(page.next - 1, lastSeq));
    }
    queue.feedLane(lane, page);
    this.#readOn(topic);
    skipped();
  }

  #feedLater(lane: PartLane, from: number, coming: Promise<EventPage>): void {
    this.#busy = true;
    this.readsLater = true;
    const asked = { from, parts: lane.parts, version: this.#version };
    const ended = (what: () => void) => {
      this.#busy = false;
      if (this.#closed) return;
      try {
        what();
      } catch (error) {
        this.#context.failed(error);
      }
    };
    coming.then((page) =>
      ended(() => {
        if (this.#isWanted(lane, asked)) {
          this.look(lane.topic);
          this.#feed(lane, from, page);
        }
        this.#context.ended();
      }), (error) =>
      ended(() => {
        throw error;
      }));
  }

  /** False for a page that would be another one if it were read now; then it is read again. */
  #isWanted(
    lane: PartLane,
    { from, parts, version }: { from: number; parts: PartMask; version: number },
  ): boolean {
    const now = this.#context.queue.lanes.of(lane.topic);
    const isSame = now.includes(lane) && lane.parts === parts && lane.readNext >= from;
    if (isSame && version === this.#version) return true;
    if (now.length > 0) this.#behind.add(lane.topic);
    return false;
  }

  /** Nothing is fed any more. */
  close(): void {
    this.#closed = true;
  }
}
