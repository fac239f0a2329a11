/**
 * Group commit over a store.
 *
 * One append is in flight at a time; what arrives meanwhile waits together and goes down as the
 * next one. So a lone publisher pays for one sync, a thousand share one, and nobody waits on a
 * timer. While a large one is synced the next is written already, where the store can do that: the
 * disk and the processor work at once. After an append that failed for a reason other than "no room
 * now" nothing is trusted any more: the journal refuses everything that follows, and all that is
 * under way (contract row 7).
 */
import { asError, thrownText } from "../base/thrown.ts";
import { CannotStoreError, EvsError, InternalError } from "../base/errors.ts";
import type { NewEvent } from "../event/event.ts";
import type { Durability } from "../event/durability.ts";
import { merge, splitOutcomes } from "./merge.ts";
import { countOf, isPacked, payloadBytesOf, type StoreRequest } from "./pack.ts";
import type { AppendOutcome, JournalStore } from "./store.ts";

/** Events that have just become durable. */
export interface Commit {
  /** Where they went. */
  topic: string;
  /** The first seq; 0 where none was given. */
  firstSeq: number;
  /** The last seq; 0 where none was given. */
  lastSeq: number;
  /**
   * Those that were stored, in order: `events[i]` has the seq `firstSeq + i`. Absent where they
   * were published packed and are no longer at hand: whoever needs them reads them from the store.
   * What is not stored always has them.
   */
  events?: readonly NewEvent[];
  /** They were handed on and not stored: the topic is not persistent. */
  ephemeral?: true;
}

/**
 * Requests of one publisher, in order: when one cannot be stored, those behind it are not stored
 * either.
 */
export interface PublishStream {
  failed?: unknown;
}

interface Waiting {
  request: StoreRequest;
  stream: PublishStream | undefined;
  resolve: (outcome: AppendOutcome) => void;
  reject: (error: unknown) => void;
}

/** The most events that one append carries; a bound on what one transaction holds in memory. */
const MAX_BATCH_EVENTS = 20_000;
/** The most payload bytes that one append carries, unless a single request is larger. */
const MAX_BATCH_BYTES = 16 * 1024 * 1024;

/**
 * An append of so many payload bytes lets the next begin during its sync. Below it that would only
 * take from the next what still arrives, and cost a sync more.
 */
const LARGE_BATCH_BYTES = 256 * 1024;

/** Group commit over one store. */
export class Journal {
  readonly store: JournalStore;
  readonly #options: { durability?: Durability } | undefined;
  /** Appends that became durable; with `events`, the mean batch. */
  batches = 0;
  /** Events that became durable. */
  events = 0;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  /** Called when something arrives. */
  #arrived: (() => void) | undefined;
  #listeners = new Set<(commit: Commit) => void>();
  #failed: unknown;
  #failure = Promise.withResolvers<unknown>();

  /** `durability`: of all that goes through it; absent: as the store was opened. */
  constructor(store: JournalStore, options: { durability?: Durability } = {}) {
    this.store = store;
    this.#options = options.durability === undefined ? undefined : options;
  }

  /** The error after which nothing is stored any more; undefined while all is well. */
  get failed(): unknown {
    return this.#failed;
  }

  /** Resolves with that error when it happens. */
  get failure(): Promise<unknown> {
    return this.#failure.promise;
  }

  /**
   * Stores the request; resolves when it is as durable as the store promises. Requests that share a
   * `stream` keep their order even across a failure: after the first that could not be stored no
   * later one is.
   */
  submit(request: StoreRequest, stream?: PublishStream): Promise<AppendOutcome> {
    if (this.#failed !== undefined) return Promise.reject(refusal(this.#failed));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, stream, resolve, reject });
      this.#arrived?.();
      this.#running ??= this.#run();
    });
  }

  /**
   * Calls `listener` for everything that became durable, before its publisher is answered. Returns
   * "stop".
   */
  onCommit(listener: (commit: Commit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when nothing is in flight. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    // One turn of the event loop: requests that arrive in the same tick share the first append.
    await Promise.resolve();
    /** The append that is written and not settled yet. */
    let before: Promise<void> | undefined;
    for (;;) {
      const batch = this.#storable(takeBatch(this.#waiting));
      if (batch.length > 0) {
        const { promise: written, resolve } = Promise.withResolvers<void>();
        const settled = this.#append(batch, { onWritten: resolve, before });
        // Two at most are under way.
        await Promise.all([before, Promise.race([written, settled])]);
        before = settled;
      } else if (before && await this.#arrivesBefore(before)) continue;
      else if (this.#waiting.length === 0) break;
      else before = undefined;
    }
    this.#running = undefined;
  }

  /** Waits until something arrives or `settled` resolves; true for the former. */
  async #arrivesBefore(settled: Promise<void>): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<true>();
    this.#arrived = () => resolve(true);
    const arrived = await Promise.race([promise, settled.then(() => false)]);
    this.#arrived = undefined;
    return arrived;
  }

  /**
   * Stores a batch and settles its requests, those of the append before it first. Never rejects.
   */
  async #append(
    batch: readonly Waiting[],
    { onWritten, before }: { onWritten: () => void; before: Promise<void> | undefined },
  ): Promise<void> {
    const requests = batch.map((waiting) => waiting.request);
    const large = requests.reduce((sum, request) => sum + payloadBytesOf(request), 0) >=
      LARGE_BATCH_BYTES;
    let isWritten = false;
    const written = () => {
      isWritten = true;
      onWritten();
    };
    try {
      const { requests: merged, spans } = merge(requests);
      const options = { ...this.#options, ...(large ? { onWritten: written } : {}) };
      const done = await this.store.append(merged, options).finally(() => before);
      // What it was written behind is not there: nor is this, whatever the store says.
      if (this.#failed !== undefined) throw this.#failed;
      const outcomes = splitOutcomes(done, { requests, spans });
      this.batches++;
      merged.forEach((request, i) => this.#tell(request, done[i]!));
      batch.forEach(({ resolve }, i) => resolve(outcomes[i]!));
    } catch (thrown) {
      const error = asError(thrown);
      // The next may stand behind what is written: then it is too late to go on without this.
      if (isWritten || !(error instanceof CannotStoreError)) {
        this.#failed ??= error;
        this.#failure.resolve(this.#failed);
      }
      for (const { stream, reject } of batch) {
        if (stream) stream.failed ??= error;
        reject(refusal(error));
      }
    }
  }

  /** Refuses those that must not be stored any more; returns the rest. */
  #storable(batch: Waiting[]): Waiting[] {
    return batch.filter(({ stream, reject }) => {
      const failure = this.#failed ?? stream?.failed;
      if (failure === undefined) return true;
      reject(refusal(failure));
      return false;
    });
  }

  /** Tells who listens, once of all that was stored as one. */
  #tell(request: StoreRequest, outcome: AppendOutcome): void {
    if (!outcome.ok || outcome.count === 0) return;
    this.events += outcome.count;
    const { firstSeq, lastSeq, duplicates } = outcome;
    const commit: Commit = {
      topic: request.topic,
      firstSeq,
      lastSeq,
      ...(isPacked(request) ? {} : { events: withoutDuplicates(request.events, duplicates) }),
    };
    for (const listener of this.#listeners) listener(commit);
  }
}

/** Takes from the front of `waiting` what one append should carry: at least one request. */
function takeBatch(waiting: Waiting[]): Waiting[] {
  let events = 0;
  let bytes = 0;
  let n = 0;
  while (n < waiting.length) {
    const request = waiting[n]!.request;
    bytes += payloadBytesOf(request);
    events += countOf(request);
    if (n > 0 && (events > MAX_BATCH_EVENTS || bytes > MAX_BATCH_BYTES)) break;
    n++;
  }
  return waiting.splice(0, n);
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
