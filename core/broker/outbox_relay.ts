/**
 * Appends the events that transactions of applications wrote into the outbox (`publishIn`).
 *
 * Nothing tells that a transaction has committed, so somebody has to look. Soon and then ever less
 * often after an event was written here, twice a second while any process uses the outbox, and else
 * rarely: for what a process wrote that ended before it could tell.
 */
import { type Clock, setBackgroundTimer } from "../base/clock.ts";
import { noOutbox, type Outbox } from "../store/outbox.ts";
import type { Appended, JournalStore } from "../store/store.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { Retention } from "./retention.ts";

/** What a relay needs. */
export interface OutboxRelayContext {
  clock: Clock;
  /** Absent: the broker's store has none. */
  outbox: Outbox | undefined;
  topics: Pick<TopicCatalog, "ensure" | "locks">;
  /** Told of what was appended. */
  appended(appended: Appended): void;
  onError(error: unknown, context: string): void;
}

/** The shortest and the longest time between two looks while the outbox is used, ms. */
const [SOON_MS, USED_MS] = [10, 500];
/** It is used until so long after it was last found to be, ms. */
const USED_FOR_MS = 60_000;
/** The time between two looks while it is not, ms. */
const UNUSED_MS = 10_000;
/** The first and the longest wait after a failure, ms: most are servers that are away. */
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [100, 10_000];

/** The relay of a broker. */
export function relayOf(
  { store, retention, ...context }:
    & Pick<OutboxRelayContext, "clock" | "topics" | "onError">
    & { store: JournalStore; retention: Retention },
): OutboxRelay {
  const { clock, topics, onError } = context;
  const appended = (events: Appended) => retention.after(events);
  return new OutboxRelay({ clock, topics, onError, outbox: store.outbox, appended });
}

/** Looks for events that were written in transactions, and appends them. */
export class OutboxRelay {
  readonly #context: OutboxRelayContext;
  /** Monotonic. */
  #usedAt = -Infinity;
  #waitMs = USED_MS;
  /** The wait after the database could not be asked, ms; 0 if it could. */
  #failedMs = 0;
  /** Topics that took no events, how long to let them be, and until when (monotonic). */
  readonly #refused = new Map<string, { waitMs: number; until: number }>();
  #looking: Promise<void> | undefined;
  #isStarted = false;
  #isClosed = false;
  #cancel: (() => void) | undefined;
  #stopListening: (() => void) | undefined;

  constructor(context: OutboxRelayContext) {
    this.#context = context;
  }

  /** The outbox, or an `UnsupportedError` if there is none. */
  require(): Outbox {
    const { outbox } = this.#context;
    if (outbox) return outbox;
    throw noOutbox();
  }

  /** Begins to look, once everything that the events go to is open. */
  start(): void {
    const { outbox } = this.#context;
    if (!outbox || this.#isClosed) return;
    this.#isStarted = true;
    this.#stopListening = outbox.onUsed(() => this.#used());
    this.#look();
  }

  /** An event was written here: its transaction is about to commit. */
  expect(): void {
    this.#waitMs = SOON_MS;
    this.#used();
  }

  #used(): void {
    this.#usedAt = this.#context.clock.monotonic();
    if (this.#looking === undefined) this.#arm();
  }

  #arm(): void {
    if (!this.#isStarted || this.#isClosed) return;
    this.#cancel?.();
    const { clock } = this.#context;
    const isUsed = clock.monotonic() - this.#usedAt < USED_FOR_MS;
    const wait = this.#failedMs || (isUsed ? this.#waitMs : UNUSED_MS);
    this.#cancel = setBackgroundTimer(clock, () => this.#look(), wait);
  }

  #look(): void {
    this.#looking = this.#pass().then(() => {
      this.#looking = undefined;
      this.#arm();
    });
  }

  /** Never rejects. */
  async #pass(): Promise<void> {
    this.#waitMs = Math.min(USED_MS, this.#waitMs * 2);
    try {
      while (await this.#moveAll() && !this.#isClosed);
      this.#failedMs = 0;
    } catch (error) {
      if (this.#isClosed) return;
      if (this.#failedMs === 0) this.#context.onError(error, "the outbox");
      this.#failedMs = nextWait(this.#failedMs);
    }
  }

  /** Moves some events of each topic; true if there were any. */
  async #moveAll(): Promise<boolean> {
    const { clock } = this.#context;
    let moved = 0;
    for (const topic of await this.#context.outbox!.topics()) {
      const refused = this.#refused.get(topic);
      if (this.#isClosed || refused && refused.until > clock.monotonic()) continue;
      try {
        moved += await this.#move(topic);
        this.#refused.delete(topic);
      } catch (error) {
        this.#refuse(topic, error);
      }
    }
    if (moved > 0) this.#usedAt = clock.monotonic();
    return moved > 0;
  }

  /** Moves some events of a topic, which stays meanwhile; returns how many there were. */
  async #move(topic: string): Promise<number> {
    const { outbox, topics, appended } = this.#context;
    const moved = await topics.locks.share(topic, async () => {
      const { rev } = await topics.ensure(topic);
      return await outbox!.move(topic, rev);
    });
    if (moved?.appended) appended(moved.appended);
    return moved?.count ?? 0;
  }

  /** Told once, until the topic takes events again; the others go on. */
  #refuse(topic: string, error: unknown): void {
    const { clock, onError } = this.#context;
    const last = this.#refused.get(topic)?.waitMs ?? 0;
    if (last === 0 && !this.#isClosed) onError(error, `the outbox, for the topic ${topic}`);
    const waitMs = nextWait(last);
    this.#refused.set(topic, { waitMs, until: clock.monotonic() + waitMs });
  }

  /** Ends the looking, and waits for what is under way. What waits is for another process. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    this.#stopListening?.();
    await this.#looking;
  }
}

function nextWait(lastMs: number): number {
  return Math.min(LONGEST_WAIT_MS, lastMs * 2 || FIRST_WAIT_MS);
}
