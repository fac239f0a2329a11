/** What a row of the history says about now; names and meanings are in core/history/layout.ts. */
import type { Clock } from "../core/base/clock.ts";
import { quantile } from "../core/base/histogram.ts";
import type { MaybePromise } from "../core/base/maybe_promise.ts";
import type { EventBroker } from "../core/broker/event_broker.ts";
import type { SubscriptionDriver } from "../core/delivery/driver.ts";
import { oldestPending } from "../core/delivery/subscription_info.ts";
import type { NamedKind } from "../core/history/history_file.ts";
import type { Values } from "../core/history/layout.ts";
import { spaceOf } from "./disk_space.ts";
import type { Metrics } from "./metrics.ts";

/** What is measured. */
export interface HistoryContext {
  broker: EventBroker;
  metrics: Metrics;
  dataDir: string;
  clock: Clock;
  connections(): number;
}

/** Numbers of now. What is counted is counted since the last call of `accept`. */
export interface Measured {
  daemon: Values;
  /** Of what was asked for and is there. */
  topics: Map<string, Values>;
  subscriptions: Map<string, Values>;
  /** Begins to count anew. */
  accept(): void;
}

/** Which topics and subscriptions to measure. */
export type MeasuredNames = Readonly<Record<NamedKind, Iterable<string>>>;

/**
 * Measures. Counters are told apart by their object: one that was removed and made again begins at
 * 0.
 */
export class HistorySource {
  readonly #context: HistoryContext;
  #counted = new WeakMap<object, readonly number[]>();

  constructor(context: HistoryContext) {
    this.#context = context;
  }

  /** The names of everything that is there. */
  names(): Record<NamedKind, string[]> {
    const { topics, subscriptions } = this.#context.broker;
    return {
      topics: topics.names(),
      subscriptions: subscriptions.all().map(({ record }) => record.name),
    };
  }

  /** How many dead letters there are of each subscription, for {@link measure}. */
  dead(): MaybePromise<ReadonlyMap<string, number>> {
    return this.#context.broker.deadLetters.counts();
  }

  /** The numbers of now, with those of dead letters, which were counted before. */
  measure(names: MeasuredNames, dead: ReadonlyMap<string, number>): Measured {
    const { broker } = this.#context;
    const taken = new Map<object, readonly number[]>();
    const since = (counter: object, counts: readonly number[]) => {
      taken.set(counter, counts);
      const before = this.#counted.get(counter);
      return before === undefined ? [...counts] : counts.map((count, i) => count - before[i]!);
    };
    const drivers = new Map(broker.subscriptions.all().map((one) => [one.record.name, one]));
    const daemon = this.#daemon(drivers, dead, since);
    const topics = new Map<string, Values>();
    const there = new Set(broker.topics.names());
    for (const name of names.topics) {
      if (there.has(name)) topics.set(name, this.#topic(name, since));
    }
    const subscriptions = new Map<string, Values>();
    for (const name of names.subscriptions) {
      const driver = drivers.get(name);
      if (driver) subscriptions.set(name, this.#subscription(driver, dead.get(name) ?? 0, since));
    }
    const accept = () => taken.forEach((counts, counter) => this.#counted.set(counter, counts));
    return { daemon, topics, subscriptions, accept };
  }

  #daemon(
    drivers: ReadonlyMap<string, SubscriptionDriver>,
    dead: ReadonlyMap<string, number>,
    since: Since,
  ): Values {
    const { broker, metrics, dataDir, connections } = this.#context;
    const counts = [broker.journals.events, metrics.refused];
    const [published, refused] = since(metrics, counts);
    const settled = [0, 0, 0];
    let [pending, leased, scheduled, deadLetters, events, bytes] = [0, 0, 0, 0, 0, 0];
    for (const { queue } of drivers.values()) {
      settledSince(queue.counts.tally, since).forEach((count, i) => settled[i]! += count);
      pending += queue.pending;
      leased += queue.leased;
      scheduled += queue.scheduled;
    }
    for (const count of dead.values()) deadLetters += count;
    for (const name of broker.topics.names()) {
      const head = broker.store.head(name);
      events += Math.max(0, head.lastSeq - head.firstSeq + 1);
      bytes += head.bytes;
    }
    const appends = broker.journals.times.publish;
    const p99 = 1000 * quantile(appends.bounds, since(appends, [...appends.counts]), 0.99);
    const gauges = [pending, leased, scheduled, deadLetters, events, bytes];
    const disk = spaceOf(dataDir);
    const rest = [connections(), Deno.memoryUsage().rss, disk?.free ?? NaN, disk?.used ?? NaN];
    return [published!, refused!, ...settled, p99, ...gauges, ...rest];
  }

  #topic(name: string, since: Since): Values {
    const { store, meters } = this.#context.broker;
    const { firstSeq, lastSeq, bytes } = store.head(name);
    const meter = meters.of(name);
    const [published] = meter === undefined ? [0] : since(meter, [meter.published]);
    return [published!, Math.max(0, lastSeq - firstSeq + 1), bytes, lastSeq];
  }

  #subscription(driver: SubscriptionDriver, dead: number, since: Since): Values {
    driver.look();
    const { queue } = driver;
    const { pending, leased, scheduled, counts } = queue;
    const settled = settledSince(counts.tally, since);
    return [...settled, pending, leased, scheduled, dead, this.#ageOf(driver)];
  }

  /** Of its oldest event, ms; 0 without one, NaN if it is not known. */
  #ageOf(driver: SubscriptionDriver): number {
    const oldest = oldestPending(driver, this.#context.broker.meters);
    if (oldest === "unknown") return NaN;
    return oldest === undefined ? 0 : Math.max(1, this.#context.clock.now() - oldest);
  }
}

/** What was counted since the last row. */
type Since = (counter: object, counts: readonly number[]) => number[];

function settledSince(
  tally: { acknowledged: number; failed: number; dead: number },
  since: Since,
): number[] {
  return since(tally, [tally.acknowledged, tally.failed, tally.dead]);
}
