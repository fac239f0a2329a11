/**
 * Follows topics live.
 *
 * A tail that keeps up gets each commit as it happens; its bytes are made once for all tails that
 * get the same ones (commit_lines.ts). A tail that is still busy is only told that a topic has more,
 * and reads that from the store when it asks again. So a slow reader keeps no events in memory,
 * slows nobody down, and misses nothing.
 *
 * A store may answer later. A tail has one read under way at a time, and until it has come no commit
 * is passed on: it only makes its topic dirty, so that nothing overtakes what is being read. Events
 * that are deleted meanwhile are not in the page: the head tells, and they are reported as missed.
 */
import type { Commit } from "../store/journal.ts";
import { arrived, isPromise, type MaybePromise, resultOf } from "../base/maybe_promise.ts";
import type { JournalStore, LinePage, Page } from "../store/store.ts";
import {
  bytesOfCommit,
  commitEvents,
  type Form,
  nameOfForm,
  printSelected,
} from "./commit_lines.ts";
import { type Missed, missedOf } from "./missed.ts";
import { lineFilter } from "./line_filter.ts";
import { PAGE } from "./replay.ts";
import { type HeldPage, type PageBytes, pagesOf } from "./shared_pages.ts";

/** Where a tail gets its events. */
export interface TailSource {
  store: JournalStore;
  onCommit(listener: (commit: Commit) => void): () => void;
}

/** What a tail follows. */
export interface TailOptions extends Form {
  /** True for the topics to follow, including ones created later. */
  matches(topic: string): boolean;
  /** Where to start on existing topics: the first seq wanted. A topic created later starts at 1. */
  positions: Map<string, number>;
  /** `render` depends on nothing but the events: what it makes of a commit is shared. */
  stateless?: boolean;
  /**
   * Takes the bytes of a commit while a call of `next` waits, which then goes on waiting. Nothing
   * more is passed on until {@link Tail.goOn} is called. Absent: `next` returns them.
   */
  take?: (bytes: Uint8Array) => void;
  /**
   * Called with events that were deleted before this reader got to them, before the next result of
   * `next`.
   */
  onMissed?: (missed: Missed) => void;
}

/** Returned in place of events. */
const NOTHING = new Uint8Array(0);
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
  /** The name of the form in which commits are taken as they are; undefined: they are not. */
  readonly #form: string | undefined;
  #ephemeral: Commit[] = [];
  #waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  /** A read is under way, for the call of `next` that waits. */
  #reading = false;
  /** What `take` was given last is still under way. */
  #taking = false;
  /** The page that the reader is sent. */
  #page: HeldPage | undefined;
  #closed = false;
  /** Commits of non-persistent topics that were dropped because this reader was too slow. */
  dropped = 0;

  constructor(source: TailSource, options: TailOptions) {
    this.#source = source;
    this.#options = options;
    this.#keep = options.filter && lineFilter(options.filter);
    this.#form = options.render && !options.stateless ? undefined : nameOfForm(options);
    this.#positions = new Map(options.positions);
    this.#dirty = new Set(options.positions.keys());
    this.#stop = source.onCommit((commit) => this.#committed(commit));
  }

  /**
   * Waits for the next bytes to send. Empty if events were missed; undefined once closed. One call
   * at a time. Rejects with the error of a read; the next call reads again.
   */
  next(): Promise<Uint8Array | undefined> {
    const bytes = this.#closed ? undefined : this.#read();
    if (!isPromise(bytes) && (bytes || this.#closed)) return Promise.resolve(bytes);
    this.#waiting = Promise.withResolvers();
    const { promise } = this.#waiting;
    if (isPromise(bytes)) this.#answerLater(bytes);
    return promise;
  }

  /** The last call of {@link next} waits for a commit, or for a read. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** What {@link next} returned last is sent to others, too. */
  get isShared(): boolean {
    return this.#page !== undefined && this.#page.holders > 1;
  }

  /** What `take` was given is with the reader, or on its way: there is room for more. */
  goOn(): void {
    if (!this.#taking) return;
    this.#taking = false;
    try {
      this.#readOn();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** `take` was given something, and there is no room for more yet. */
  get isTaking(): boolean {
    return this.#taking;
  }

  /** Stops following; a pending `next` resolves to undefined. */
  close(): void {
    this.#closed = true;
    this.#stop();
    this.#release();
    this.#answer(undefined);
  }

  #answer(bytes: Uint8Array | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(bytes);
  }

  #fail(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }

  #answerLater(coming: Promise<Uint8Array | undefined>): void {
    this.#reading = true;
    coming.then((bytes) => {
      this.#reading = false;
      if (bytes) this.#answer(bytes);
      else this.#readOn();
    }).catch((error) => {
      this.#reading = false;
      this.#fail(error);
    });
  }

  /** Reads for a call of `next` that waits. */
  #readOn(): void {
    if (!this.#waiting || this.#reading || this.#taking) return;
    if (this.#dirty.size === 0 && this.#ephemeral.length === 0) return;
    const bytes = this.#read();
    if (isPromise(bytes)) this.#answerLater(bytes);
    else if (bytes) this.#answer(bytes);
  }

  #committed(commit: Commit): void {
    if (!this.#options.matches(commit.topic)) return;
    try {
      this.#pass(commit);
    } catch (error) {
      if (!commit.ephemeral) this.#dirty.add(commit.topic);
      this.#fail(error);
    }
  }

  #pass(commit: Commit): void {
    if (this.#form !== undefined && this.#isNext(commit)) {
      const bytes = this.#shared(commit, this.#form);
      if (isPromise(bytes)) return this.#answerLater(this.#whenShared(commit, bytes));
      if (!commit.ephemeral) this.#positions.set(commit.topic, commit.lastSeq + 1);
      if (bytes.length > 0) this.#give(bytes);
      return;
    }
    if (!commit.ephemeral) this.#dirty.add(commit.topic);
    else this.#keepEphemeral(commit);
    this.#readOn();
  }

  #keepEphemeral(commit: Commit): void {
    this.#ephemeral.push(commit);
    if (this.#ephemeral.length <= EPHEMERAL_KEPT) return;
    this.#ephemeral.shift();
    this.dropped++;
  }

  #give(bytes: Uint8Array): void {
    const { take } = this.#options;
    if (take === undefined) return this.#answer(bytes);
    this.#taking = true;
    take(bytes);
  }

  #shared(commit: Commit, name: string): MaybePromise<Uint8Array> {
    return bytesOfCommit(commit, { store: this.#source.store, form: this.#options, name });
  }

  /** The bytes of a commit that are being read for all tails; read by this one if that fails. */
  async #whenShared(commit: Commit, coming: Promise<Uint8Array>): Promise<Uint8Array | undefined> {
    const { topic, firstSeq, lastSeq } = commit;
    const bytes = await coming.catch(() => undefined);
    if (bytes === undefined || this.#source.store.head(topic).firstSeq > firstSeq) {
      this.#dirty.add(topic);
      return this.#closed ? undefined : await this.#read();
    }
    this.#positions.set(topic, lastSeq + 1);
    return bytes.length > 0 ? bytes : undefined;
  }

  /** The reader has all that came before this commit, and waits. */
  #isNext({ topic, ephemeral, firstSeq }: Commit): boolean {
    return this.#waiting !== undefined && !this.#reading && !this.#taking &&
      this.#dirty.size === 0 && this.#ephemeral.length === 0 &&
      (ephemeral || (this.#positions.get(topic) ?? 1) === firstSeq);
  }

  /** The bytes that can be sent now. */
  #read(): MaybePromise<Uint8Array | undefined> {
    return resultOf(this.#steps());
  }

  *#steps(): Generator<Promise<void>, Uint8Array | undefined, undefined> {
    for (let commit = this.#ephemeral.shift(); commit; commit = this.#ephemeral.shift()) {
      const bytes = this.#form === undefined
        ? printSelected(commitEvents(commit, commit.events ?? []), this.#options)
        : yield* arrived(this.#shared(commit, this.#form));
      if (bytes.length > 0) return bytes;
    }
    for (const topic of this.#dirty) {
      const bytes = yield* this.#readTopic(topic);
      if (bytes) return bytes;
    }
    return undefined;
  }

  *#readTopic(topic: string): Generator<Promise<void>, Uint8Array | undefined, undefined> {
    const { store } = this.#source;
    while (!this.#closed) {
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
        this.#release();
        return undefined;
      }
      const page = yield* this.#pageOf(topic, { from, to });
      if (page === undefined) continue;
      this.#positions.set(topic, page.next);
      if (page.bytes.length > 0) return page.bytes;
    }
    return undefined;
  }

  /** The page that begins there; undefined if something was deleted while it was under way. */
  *#pageOf(
    topic: string,
    { from, to }: { from: number; to: number },
  ): Generator<Promise<void>, PageBytes | undefined, undefined> {
    this.#release();
    const { store } = this.#source;
    const { types, render } = this.#options;
    const name = this.#form === undefined ? undefined : `${from} ${this.#form}`;
    if (name !== undefined) this.#page = pagesOf(store).find(topic, name);
    if (this.#page !== undefined) return this.#page;
    const query = { from, to, limit: PAGE, types };
    const read: MaybePromise<Page | LinePage> = render
      ? store.readPage(topic, query)
      : store.readLines(topic, query);
    const page = isPromise(read) ? yield* arrived(read) : read;
    if (isPromise(read) && missedOf(topic, from, store.head(topic))) return undefined;
    const { next } = page;
    const bytes = "events" in page
      ? printSelected(page.events, this.#options)
      : this.#keep?.(page.bytes) ?? page.bytes;
    // What comes later from elsewhere may change there, and nobody would tell.
    if (name !== undefined && !isPromise(read)) {
      this.#page = pagesOf(store).add(topic, name, { bytes, next });
    }
    return { bytes, next };
  }

  /** The page before was sent. */
  #release(): void {
    this.#page?.release();
    this.#page = undefined;
  }
}
