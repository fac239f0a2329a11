/**
 * Group commit over a store.
 *
 * One append is in flight at a time; requests that arrive meanwhile form the next one. So a lone
 * publisher pays for one sync, a thousand share one, and nobody waits for a timer. If the store
 * supports it, the next append is written while a large one is still syncing, so that disk and
 * processor work at once. If an append fails for any reason other than lack of space, the store is
 * no longer trusted: the journal rejects everything under way and everything that follows (contract
 * row 7).
 */
import { type Clock, systemClock } from "../base/clock.ts";
import { Histogram, SHORT } from "../base/histogram.ts";
import { asError, thrownText } from "../base/thrown.ts";
import { CannotStoreError, EvsError, InternalError } from "../base/errors.ts";
import type { NewEvent } from "../event/event.ts";
import { merge, splitOutcomes } from "./merge.ts";
import { countOf, isPacked, payloadBytesOf, type StoreRequest } from "./pack.ts";
import type {
  AppendOptions,
  AppendOutcome,
  AtomicGroup,
  Condition,
  JournalStore,
} from "./store.ts";

/** Events that have just become durable. */
export interface Commit {
  /** Their topic. */
  topic: string;
  /** The first seq; 0 if none was assigned. */
  firstSeq: number;
  /** The last seq; 0 if none was assigned. */
  lastSeq: number;
  /**
   * The stored events, in order: `events[i]` has the seq `firstSeq + i`. Absent if they were
   * published packed and are no longer in memory: read them from the store then. Always present for
   * events that are not stored.
   */
  events?: readonly NewEvent[];
  /** They were delivered but not stored: the topic is not persistent. */
  ephemeral?: true;
}

/**
 * Requests of one publisher, in order: if one cannot be stored, the later ones are not stored
 * either.
 */
export interface PublishStream {
  failed?: unknown;
}

/** Who is told of the outcome of a request. It throws nothing. */
export interface AppendWaiter {
  resolve(outcome: AppendOutcome): void;
  reject(error: unknown): void;
}

interface Waiting {
  request: StoreRequest;
  /** When it arrived, monotonic ms. */
  since: number;
  stream: PublishStream | undefined;
  /** What all requests of an atomic group share: they are neighbours. */
  group?: { conditions: readonly Condition[] };
  waiter: AppendWaiter;
  /** Called when the waiter has been told. */
  settled?: (() => void)[];
}

/** How a batch is stored. */
interface StoreOptions {
  /** Set for a large one: see {@link AppendOptions}. */
  onWritten?: () => void;
  /** Resolves when the requests of the append before it are settled. */
  before: Promise<void> | undefined;
}

/** What became of a batch whose requests wait for the answer. */
type Stored =
  & { batch: readonly Waiting[] }
  & (
    | { error: unknown }
    /** Outcomes of the merged requests, and of those of the batch. */
    | { merged: readonly StoreRequest[]; done: AppendOutcome[]; outcomes: AppendOutcome[] }
  );

/** Most events per append; limits the memory of one transaction. */
const MAX_BATCH_EVENTS = 20_000;
/** Most payload bytes per append, unless a single request is larger. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024;

/**
 * Appends of at least this many payload bytes let the next one start during their sync. Below it,
 * an early start would only make the next batch smaller and cost another sync.
 */
const LARGE_BATCH_BYTES = 256 * 1024;

/** How long appends take. */
export class AppendTimes {
  readonly clock: Clock;
  /** From the arrival of the first request of an append until all of it is durable. */
  readonly publish: Histogram = new Histogram(SHORT);
  /** What the store needs for an append: writing, and the sync where durability asks for one. */
  readonly sync: Histogram = new Histogram(SHORT);

  constructor(clock: Clock = systemClock) {
    this.clock = clock;
  }
}

/** Group commit over one store. */
export class Journal {
  readonly store: JournalStore;
  readonly #options: Pick<AppendOptions, "durability" | "recheck"> | undefined;
  readonly #times: AppendTimes;
  /** Appends that became durable; `events / batches` is the mean batch size. */
  batches = 0;
  /** Events that became durable. */
  events = 0;
  #waiting: Waiting[] = [];
  /** Batches that are being stored: at most two. */
  readonly #underWay = new Set<readonly Waiting[]>();
  #running: Promise<void> | undefined;
  /** Called when a request arrives. */
  #arrived: (() => void) | undefined;
  #listeners = new Set<(commit: Commit) => void>();
  #failed: unknown;
  #failure = Promise.withResolvers<unknown>();

  /** `durability` applies to all its appends; absent: the store's own. */
  constructor(
    store: JournalStore,
    { durability, times, recheck }: Pick<AppendOptions, "durability" | "recheck"> & {
      times?: AppendTimes;
    } = {},
  ) {
    this.store = store;
    this.#times = times ?? new AppendTimes();
    this.#options = durability === undefined && recheck === undefined
      ? undefined
      : { ...durability === undefined ? {} : { durability }, ...recheck ? { recheck } : {} };
  }

  /** The error after which nothing more is stored; undefined if there was none. */
  get failed(): unknown {
    return this.#failed;
  }

  /** Resolves with that error when it happens. */
  get failure(): Promise<unknown> {
    return this.#failure.promise;
  }

  /**
   * Stores the request; resolves when it is as durable as the store promises. Requests that share a
   * `stream` keep their order even across a failure: after the first that could not be stored, no
   * later one is.
   */
  submit(request: StoreRequest, stream?: PublishStream): Promise<AppendOutcome> {
    const settling = Promise.withResolvers<AppendOutcome>();
    this.submitFor(settling, request, stream);
    return settling.promise;
  }

  /** The same for who needs no promise. */
  submitFor(waiter: AppendWaiter, request: StoreRequest, stream?: PublishStream): void {
    if (this.#failed !== undefined) return waiter.reject(refusal(this.#failed));
    const since = this.#times.clock.monotonic();
    this.#waiting.push({ request, since, stream, waiter });
    this.#arrived?.();
    this.#running ??= this.#run();
  }

  /** Stores requests for several topics, all or none, if the conditions hold. */
  submitGroup(
    requests: readonly StoreRequest[],
    conditions: readonly Condition[],
  ): Promise<AppendOutcome[]> {
    if (this.#failed !== undefined) return Promise.reject(refusal(this.#failed));
    const since = this.#times.clock.monotonic();
    const group = { conditions };
    const outcomes = requests.map((request) => {
      const settling = Promise.withResolvers<AppendOutcome>();
      this.#waiting.push({ request, since, stream: undefined, group, waiter: settling });
      return settling.promise;
    });
    this.#arrived?.();
    this.#running ??= this.#run();
    return Promise.all(outcomes);
  }

  /**
   * Calls `listener` for everything that became durable, before its publisher is answered. Returns
   * a function that removes the listener.
   */
  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when what was submitted for a topic until now is stored or refused. */
  async settled(topic: string): Promise<void> {
    const ofTopic = [...this.#underWay, this.#waiting].flat()
      .filter(({ request }) => request.topic === topic);
    await Promise.all(ofTopic.map((waiting) => {
      return new Promise<void>((resolve) => void (waiting.settled ??= []).push(resolve));
    }));
  }

  /** Resolves when nothing is in flight. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    // Yield once, so that requests of the same tick share the first append.
    await Promise.resolve();
    /** The small append that is being stored. */
    let storing: Promise<Stored> | undefined;
    /** The append that is written but not settled yet. */
    let before: Promise<void> | undefined;
    for (;;) {
      const stored = storing && await storing;
      if (stored && !this.store.isElsewhere) this.#answer(stored);
      const batch = this.#storable(takeBatch(this.#waiting));
      const isSmall = batch.length > 0 && !isLarge(batch);
      storing = isSmall ? this.#store(batch, { before }) : undefined;
      // Answering takes as long as storing: a store in another thread works meanwhile.
      if (stored && this.store.isElsewhere) this.#answer(stored);
      if (isSmall) before = undefined;
      else if (batch.length > 0) {
        const { promise: written, resolve } = Promise.withResolvers<void>();
        const settled = this.#append(batch, { onWritten: resolve, before });
        // At most two are under way.
        await Promise.all([before, Promise.race([written, settled])]);
        before = settled;
      } else if (before && await this.#arrivesBefore(before)) continue;
      else if (this.#waiting.length === 0) break;
      else before = undefined;
    }
    this.#running = undefined;
  }

  /** Waits until a request arrives or `settled` resolves; true for the former. */
  async #arrivesBefore(settled: Promise<void>): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<true>();
    this.#arrived = () => resolve(true);
    const arrived = await Promise.race([promise, settled.then(() => false)]);
    this.#arrived = undefined;
    return arrived;
  }

  /** Stores a batch and settles its requests. Never rejects. */
  async #append(batch: readonly Waiting[], options: StoreOptions): Promise<void> {
    this.#answer(await this.#store(batch, options));
  }

  /**
   * Stores a batch; resolves when the one before it is settled, too. Never rejects. From then on
   * nothing is stored that must not be after it.
   */
  async #store(
    batch: readonly Waiting[],
    { onWritten, before }: StoreOptions,
  ): Promise<Stored> {
    this.#underWay.add(batch);
    const requests = batch.map((waiting) => waiting.request);
    let isWritten = false;
    const written = onWritten && (() => {
      isWritten = true;
      onWritten();
    });
    try {
      const { merged, spans, groups } = mergeBatch(batch, this.store.mergesItself ?? false);
      const options = {
        ...this.#options,
        ...(written ? { onWritten: written } : {}),
        ...(groups.length > 0 ? { groups } : {}),
      };
      const { clock, publish, sync } = this.#times;
      const begun = clock.monotonic();
      let done: AppendOutcome[];
      try {
        done = await this.store.append(merged, options);
      } finally {
        sync.observe((clock.monotonic() - begun) / 1000);
        if (before) await before;
      }
      // An earlier append failed, so this one does not count either, whatever the store says.
      if (this.#failed !== undefined) throw this.#failed;
      const outcomes = splitOutcomes(done, { requests, spans });
      publish.observe((clock.monotonic() - batch[0]!.since) / 1000);
      batch.forEach(({ stream }, i) => noteRefused(stream, outcomes[i]!));
      return { batch, merged, done, outcomes };
    } catch (thrown) {
      const error = asError(thrown);
      // Once this was written, the next may be stored after it: it is too late to go on without it.
      if (isWritten || !(error instanceof CannotStoreError)) this.#fail(error);
      for (const { stream } of batch) if (stream) stream.failed ??= error;
      return { batch, error };
    }
  }

  /** Tells the listeners of a batch, and whoever waits for its requests. */
  #answer(stored: Stored): void {
    const { batch } = stored;
    this.#underWay.delete(batch);
    if ("error" in stored) {
      for (const waiting of batch) refuse(waiting, stored.error);
      return;
    }
    const { merged, done, outcomes } = stored;
    this.batches++;
    try {
      merged.forEach((request, i) => this.#tell(request, done[i]!));
    } catch (thrown) {
      // Nobody knows what the listeners know of it.
      const error = asError(thrown);
      this.#fail(error);
      for (const waiting of batch) refuse(waiting, error);
      return;
    }
    batch.forEach((waiting, i) => settle(waiting, outcomes[i]!));
  }

  /** Nothing is stored any more. */
  #fail(error: Error): void {
    this.#failed ??= error;
    this.#failure.resolve(this.#failed);
  }

  /** Rejects requests that must not be stored any more; returns the rest. */
  #storable(batch: Waiting[]): Waiting[] {
    return batch.filter((waiting) => {
      const { stream } = waiting;
      const failure = this.#failed ?? stream?.failed;
      if (failure === undefined) return true;
      refuse(waiting, failure);
      return false;
    });
  }

  /** Calls the listeners, once per (merged) request of the append. */
  #tell(request: StoreRequest, outcome: AppendOutcome): void {
    if (!outcome.ok || outcome.count === 0) return;
    this.events += outcome.count;
    const { firstSeq, lastSeq } = outcome;
    const commit: Commit = {
      topic: request.topic,
      firstSeq,
      lastSeq,
      ...(isPacked(request) ? {} : { events: storedEvents(request.events, outcome) }),
    };
    for (const listener of this.#listeners) listener(commit);
  }
}

/** If a request was refused, nothing after it in its stream is stored. */
function noteRefused(stream: PublishStream | undefined, outcome: AppendOutcome): void {
  if (stream && !outcome.ok && outcome.refused !== undefined) stream.failed ??= outcome.refused;
}

/** Tells who waits for a request what became of it. */
function settle(waiting: Waiting, outcome: AppendOutcome): void {
  if (!outcome.ok && outcome.refused !== undefined) return refuse(waiting, outcome.refused);
  waiting.waiter.resolve(outcome);
  waiting.settled?.forEach((told) => told());
}

/** Tells who waits for a request that it is not stored. */
function refuse({ waiter, settled }: Waiting, error: unknown): void {
  waiter.reject(refusal(error));
  settled?.forEach((told) => told());
}

/** True if the next append may begin while the batch is synced. */
function isLarge(batch: readonly Waiting[]): boolean {
  let bytes = 0;
  for (const { request } of batch) bytes += payloadBytesOf(request);
  return bytes >= LARGE_BATCH_BYTES;
}

/** Takes one append's worth of requests from the front of `waiting`: at least one. */
function takeBatch(waiting: Waiting[]): Waiting[] {
  let events = 0;
  let bytes = 0;
  let n = 0;
  while (n < waiting.length) {
    const request = waiting[n]!.request;
    bytes += payloadBytesOf(request);
    events += countOf(request);
    const { group } = waiting[n]!;
    const isSplit = group !== undefined && group === waiting[n - 1]?.group;
    if (n > 0 && !isSplit && (events > MAX_BATCH_EVENTS || bytes > MAX_BATCH_BYTES)) break;
    n++;
  }
  return waiting.splice(0, n);
}

/** Merges the requests of a batch; those of atomic groups stay as they are. */
function mergeBatch(
  batch: readonly Waiting[],
  mergesItself: boolean,
): { merged: StoreRequest[]; spans: number[]; groups: AtomicGroup[] } {
  const all = { merged: [] as StoreRequest[], spans: [] as number[], groups: [] as AtomicGroup[] };
  for (let from = 0; from < batch.length;) {
    const { group } = batch[from]!;
    let to = from + 1;
    while (to < batch.length && batch[to]!.group === group) to++;
    const requests = batch.slice(from, to).map(({ request }) => request);
    const { requests: merged, spans } = group || mergesItself
      ? { requests, spans: requests.map(() => 1) }
      : merge(requests);
    const at = all.merged.length;
    if (group) all.groups.push({ from: at, to: at + merged.length, ...group });
    all.merged.push(...merged);
    all.spans.push(...spans);
    from = to;
  }
  return all;
}

/** The events of a request that were stored, with their numbers. */
function storedEvents(
  events: readonly NewEvent[],
  { duplicates, keySeqs }: Extract<AppendOutcome, { ok: true }>,
): readonly NewEvent[] {
  const numbered = keySeqs
    ? events.map((event, i) => keySeqs[i]! > 0 ? { ...event, keySeq: keySeqs[i]! } : event)
    : events;
  return withoutDuplicates(numbered, duplicates);
}

/** The events of a request that were stored. */
export function withoutDuplicates(
  events: readonly NewEvent[],
  duplicates: readonly { index: number }[],
): readonly NewEvent[] {
  if (duplicates.length === 0) return events;
  const gone = new Set(duplicates.map((duplicate) => duplicate.index));
  return events.filter((_, index) => !gone.has(index));
}

function refusal(cause: unknown): EvsError {
  if (cause instanceof EvsError) return cause;
  const why = thrownText(cause);
  return new InternalError(`the event store failed and takes no more events: ${why}`, {
    cause,
    hint: "read the log (evs daemon logs), fix the cause, and start the daemon again",
  });
}
