/**
 * Deletes the oldest events beyond a topic's age, count or size limit, never anything in the
 * middle.
 */
import type { Clock } from "../base/clock.ts";
import { isLimited, keepFrom } from "../store/retention_rule.ts";
import type { TopicRecord } from "../state/state.ts";
import type { Commit } from "../store/journal.ts";
import type { JournalStore } from "../store/store.ts";
import { ThreeMethodStore } from "../store/basic_store.ts";
import type { TopicCatalog } from "../topic/catalog.ts";

/** What retention needs. */
export interface RetentionContext {
  clock: Clock;
  store: JournalStore;
  topics: TopicCatalog;
  /** Events of this topic were deleted. */
  removed(topic: string): void;
  onError(error: unknown, context: string): void;
}

/** How far a topic may exceed its event limit before it is truncated at once. */
const SLACK = 1.1;

/** Applies the limits of topics. */
export class Retention {
  readonly #context: RetentionContext;

  constructor(context: RetentionContext) {
    this.#context = context;
  }

  /** Runs one pass over all topics and returns what was removed. */
  async all(): Promise<{ topic: string; removed: number }[]> {
    const passes = [];
    for (const record of this.#context.topics.list()) {
      const removed = await this.#one(record);
      if (removed > 0) passes.push({ topic: record.name, removed });
    }
    return passes;
  }

  /**
   * Truncates a topic at once if it has far exceeded its event limit; the rest is done on a timer
   * by the host.
   */
  after({ topic, lastSeq }: Commit): void {
    const { topics, store, onError } = this.#context;
    const record = topics.get(topic);
    if (!record || record.options.maxEvents === 0) return;
    if (lastSeq - store.head(topic).firstSeq < record.options.maxEvents * SLACK) return;
    this.#one(record).catch((error) => onError(error, `retention of ${topic}`));
  }

  async #one({ name, options }: TopicRecord): Promise<number> {
    if (!options.persistent || !isLimited(options)) return 0;
    const { store, clock } = this.#context;
    const now = clock.now();
    if (store instanceof ThreeMethodStore && options.retentionPeriod > 0) {
      return await store.deleteEvents(name, now - options.retentionPeriod);
    }
    const head = store.head(name);
    const byAge = await seekAge(store, { name, options }, now);
    const keep = keepFrom({
      options,
      head,
      seekAge: () => byAge,
      seekBytes: (bytes) => store.seekBytes(name, bytes),
    });
    if (keep <= head.firstSeq) return 0;
    const removed = await store.truncate(name, keep);
    this.#context.removed(name);
    return removed;
  }
}

/** The lowest seq within a topic's age limit. */
async function seekAge(
  store: JournalStore,
  { name, options: { retentionPeriod } }: Pick<TopicRecord, "name" | "options">,
  now: number,
): Promise<number> {
  if (retentionPeriod === 0) return 0;
  return await store.seekAge?.(name, retentionPeriod) ??
    store.seekTime(name, now - retentionPeriod);
}
