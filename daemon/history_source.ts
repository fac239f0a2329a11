/** What a row of the history says about now; names and meanings are in core/history/layout.ts. */
import type { Clock } from "../core/base/clock.ts";
import { quantile } from "../core/base/histogram.ts";
import { type MaybePromise, whenReady } from "../core/base/maybe_promise.ts";
import type { EventBroker } from "../core/broker/event_broker.ts";
import type { SubscriptionDriver } from "../core/delivery/driver.ts";
import { oldestPending } from "../core/delivery/subscription_info.ts";
import type { NamedKind } from "../core/history/history_file.ts";
import type { Values } from "../core/history/layout.ts";
import type { SharedCounts } from "../core/state/shared_counts.ts";
import { type Load, loadOf } from "./dead_counts.ts";
import { spaceOf } from "./disk_space.ts";
import type { Metrics } from "./metrics.ts";

/** What is measured. */
export interface HistoryContext {
  broker: EventBroker;
  metrics: Metrics;
  dataDir: string;
  clock: Clock;
  connections(): number;
  /** What all nodes have to do, by subscription; absent: there is this one alone. */
  nodes?: (() => Promise<ReadonlyMap<string, SharedCounts>>) | undefined;
}

/** What is counted before it is measured. */
export interface CountedBefore {
  /** Dead letters, by subscription. */
  dead: ReadonlyMap<string, number>;
  nodes?: ReadonlyMap<string, SharedCounts>;
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

  /** What {@link measure} needs of elsewhere. */
  count(): MaybePromise<CountedBefore> {
    const { broker, nodes } = this.#context;
    const counted = broker.deadLetters.counts();
    if (nodes === undefined) return whenReady(counted, (dead) => ({ dead }));
    return Promise.all([counted, nodes()]).then(([dead, nodes]) => ({ dead, nodes }));
  }

  /** The numbers of now, with what was counted before. */
  measure(names: MeasuredNames, counted: CountedBefore): Measured {
    const { broker } = this.#context;
    const taken = new Map<object, readonly number[]>();
    const since = (counter: object, counts: readonly number[]) => {
      taken.set(counter, counts);
      const before = this.#counted.get(counter);
      return before === undefined ? [...counts] : counts.map((count, i) => count - before[i]!);
    };
    const drivers = new Map(broker.subscriptions.all().map((one) => [one.record.name, one]));
    const daemon = this.#daemon(drivers, counted, since);
    const topics = new Map<string, Values>();
    const there = new Set(broker.topics.names());
    for (const name of names.topics) {
      if (there.has(name)) topics.set(name, this.#topic(name, since));
    }
    const subscriptions = new Map<string, Values>();
    for (const name of names.subscriptions) {
      const driver = drivers.get(name);
      if (driver) subscriptions.set(name, this.#subscription(driver, counted, since));
    }
    const accept = () => taken.forEach((counts, counter) => this.#counted.set(counter, counts));
    return { daemon, topics, subscriptions, accept };
  }

  #daemon(
    drivers: ReadonlyMap<string, SubscriptionDriver>,
    { dead, nodes }: CountedBefore,
    since: Since,
  ): Values {
    const { broker, metrics, dataDir, connections } = this.#context;
    const counts = [broker.journals.events, metrics.refused];
    const [published, refused] = since(metrics, counts);
    const settled = [0, 0, 0];
    let [pending, leased, scheduled, deadLetters, events, bytes] = [0, 0, 0, 0, 0, 0];
    for (const driver of drivers.values()) {
      settledSince(driver.queue.counts.tally, since).forEach((count, i) => settled[i]! += count);
      const load = loadOf(broker, driver, nodes);
      pending += load.pending;
      leased += load.leased;
      scheduled += load.scheduled;
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

  #subscription(
    driver: SubscriptionDriver,
    { dead, nodes }: CountedBefore,
    since: Since,
  ): Values {
    driver.look();
    const { pending, leased, scheduled, positions } = loadOf(this.#context.broker, driver, nodes);
    const settled = settledSince(driver.queue.counts.tally, since);
    const letters = dead.get(driver.record.name) ?? 0;
    return [...settled, pending, leased, scheduled, letters, this.#ageOf(driver, positions)];
  }

  /** Of its oldest event, ms; 0 without one, NaN if it is not known. */
  #ageOf(driver: SubscriptionDriver, positions: Load["positions"]): number {
    const oldest = oldestPending(driver, this.#context.broker.meters, positions);
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
