/**
 * Deletes the oldest events of topics: those beyond the age, count or size limit, unless the topic
 * keeps what its subscriptions have not finished, and those that they have finished, if it drops
 * them. Never anything in the middle.
 */
import { isPromise, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import type { HeldBack } from "../event/held_back.ts";
import { type Clock, setBackgroundTimer } from "../base/clock.ts";
import { type DeletionPlan, dependsOnConsumers, planDeletion } from "../store/consumption.ts";
import type { SubscriptionDriver } from "../delivery/driver.ts";
import { namedOf, progressOf } from "../delivery/progress.ts";
import { isLimited, keepFrom } from "../store/retention_rule.ts";
import type { TopicRecord } from "../state/state.ts";
import type { Commit } from "../store/journal.ts";
import type { JournalStore } from "../store/store.ts";
import { ThreeMethodStore } from "../store/basic_store.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import { HeldTopics } from "./held_topics.ts";
import type { SharedCatalog } from "./shared_catalog.ts";

/** What retention needs. */
export interface RetentionContext {
  clock: Clock;
  store: JournalStore;
  topics: TopicCatalog;
  /** The subscriptions of a topic. */
  subscriptions: { of(topic: string): readonly SubscriptionDriver[] };
  deadLetters: { pass(): Promise<unknown> };
  /** Set if other nodes use the state, too. */
  shared?: Pick<SharedCatalog, "progress" | "refresh"> | undefined;
  onError(error: unknown, context: string): void;
}

/** How far a topic may exceed its event limit before it is truncated at once. */
const SLACK = 1.1;
/** Most events that are deleted in one transaction because they were consumed. */
const STEP = 10_000;
/** Without a host: how long progress is collected before a pass, ms. */
const AFTER_PROGRESS = 1000;

/** Applies the limits of topics. */
export class Retention {
  readonly #context: RetentionContext;
  readonly #held: HeldTopics;
  readonly #hosts = new Set<(topic: string) => void>();
  /** Topics of which something was finished, until the next pass of a broker without a host. */
  readonly #due = new Set<string>();
  #cancel: (() => void) | undefined;
  #passing: Promise<void> = Promise.resolve();

  constructor(context: RetentionContext) {
    this.#context = context;
    this.#held = new HeldTopics(context.clock);
  }

  /** Runs one pass over all topics and returns what was removed. */
  async all(): Promise<{ topic: string; removed: number }[]> {
    const passes = [];
    const { shared, topics } = this.#context;
    // Another node may have made a subscription just now, or changed what a topic keeps.
    if (shared) await shared.refresh();
    for (const record of topics.list()) {
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
    const { shared, topics, store, onError } = this.#context;
    const record = topics.get(topic);
    if (!record || record.options.maxEvents === 0 || this.#held.get(topic)) return;
    if (lastSeq - store.head(topic).firstSeq < record.options.maxEvents * SLACK) return;
    const passed = shared ? this.#afterRefresh(topic, shared) : this.#one(record);
    passed.catch((error) => onError(error, `retention of ${topic}`));
  }

  async #afterRefresh(topic: string, shared: Pick<SharedCatalog, "refresh">): Promise<void> {
    await shared.refresh();
    const record = this.#context.topics.get(topic);
    if (record) await this.#one(record);
  }

  /** A named subscription has finished something of a topic. */
  progressed(topic: string): void {
    const record = this.#context.topics.get(topic);
    // A dead letter moves a cursor, or ends a retry.
    if (!record || !(dependsOnConsumers(record.options) || record.options.deadMax > 0)) return;
    for (const host of this.#hosts) host(topic);
    if (this.#hosts.size > 0) return;
    this.#due.add(topic);
    this.#cancel ??= setBackgroundTimer(this.#context.clock, () => {
      this.#cancel = undefined;
      this.#passing = this.#passDue();
    }, AFTER_PROGRESS);
  }

  /**
   * `listener` is told what {@link progressed} is, and runs the passes from now on. Returns a
   * function that removes it.
   */
  host(listener: (topic: string) => void): () => void {
    this.#hosts.add(listener);
    return () => this.#hosts.delete(listener);
  }

  /** What of a topic subscriptions hold back, as of the last pass. */
  heldBack(topic: string): HeldBack | undefined {
    const record = this.#context.topics.get(topic);
    return record?.options.keep === "unconsumed" ? this.#held.get(topic) : undefined;
  }

  /** The same of all topics, by name. */
  allHeldBack(): (HeldBack & { topic: string })[] {
    return this.#context.topics.list().flatMap(({ name: topic }) => {
      const held = this.heldBack(topic);
      return held ? [{ topic, ...held }] : [];
    });
  }

  /** No pass runs after it resolves. */
  async stop(): Promise<void> {
    this.#cancel?.();
    this.#due.clear();
    await this.#passing;
  }

  async #passDue(): Promise<void> {
    const { shared, topics, onError } = this.#context;
    const names = [...this.#due];
    this.#due.clear();
    try {
      if (shared) await shared.refresh();
    } catch (error) {
      return onError(error, "what other nodes have changed");
    }
    await this.#context.deadLetters.pass().catch((error) => onError(error, "dead letters"));
    for (const name of names) {
      const record = topics.get(name);
      try {
        if (record) await this.#one(record);
      } catch (error) {
        onError(error, `retention of ${name}`);
      }
    }
  }

  async #one(record: TopicRecord): Promise<number> {
    const { name, options } = record;
    const depends = dependsOnConsumers(options);
    if (!options.persistent || (!depends && !isLimited(options))) return 0;
    const { store, clock } = this.#context;
    if (store.refresh) await store.refresh([name]);
    const now = clock.now();
    if (store instanceof ThreeMethodStore && options.retentionPeriod > 0) {
      return await store.deleteEvents(name, now - options.retentionPeriod);
    }
    const byAge = await seekAge(store, record, now);
    const head = store.head(name);
    const within = keepFrom({
      options,
      head,
      seekAge: () => byAge,
      seekBytes: (bytes) => store.seekBytes(name, bytes),
    });
    // Progress is looked at after that: meanwhile a subscription may have been made, or moved back.
    const limit = isPromise(within) ? await within : within;
    const planning: MaybePromise<DeletionPlan> = depends
      ? this.#plan(record, { head, limit })
      : { keep: limit };
    const plan = isPromise(planning) ? await planning : planning;
    this.#held.set(name, plan.held);
    if (plan.keep <= head.firstSeq) return 0;
    const removed = await this.#truncate(name, plan.keep, {
      from: head.firstSeq,
      step: depends ? STEP : Infinity,
    });
    for (const driver of this.#context.subscriptions.of(name)) driver.look();
    return removed;
  }

  #plan(
    { name, options }: TopicRecord,
    { head, limit }: { head: { firstSeq: number; lastSeq: number }; limit: number },
  ): MaybePromise<DeletionPlan> {
    const { shared } = this.#context;
    const drivers = this.#context.subscriptions.of(name);
    const place = { topic: name, from: head.firstSeq };
    // A node knows the progress of its own parts only.
    const progress = shared
      ? shared.progress({
        ...place,
        subscriptions: namedOf(drivers).map(({ record }) => record.name),
      })
      : progressOf(drivers, place);
    return whenReady(progress, (progress) => planDeletion({ options, head, limit, progress }));
  }

  /** Deletes the events below `keep`, at most `step` in one transaction. */
  async #truncate(
    topic: string,
    keep: number,
    { from, step }: { from: number; step: number },
  ): Promise<number> {
    let removed = 0;
    for (let to = from; to < keep;) {
      to = Math.min(keep, to + step);
      removed += await this.#context.store.truncate(topic, to);
    }
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
    await store.seekTime(name, now - retentionPeriod);
}
