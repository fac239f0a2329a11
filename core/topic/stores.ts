/**
 * Where topics are stored and when their events are acknowledged: which of their options the
 * broker's stores can honour.
 */
import { ConflictError, UnsupportedError } from "../base/errors.ts";
import { type Durability, strictest } from "../event/durability.ts";
import { dependsOnConsumers } from "../store/consumption.ts";
import type { AppendTarget } from "../store/journals.ts";
import { RoutedStore, type StoreShelf } from "../store/routed_store.ts";
import { type EventStore, isJournalStore, type JournalStore } from "../store/store.ts";
import { ThreeMethodStore } from "../store/basic_store.ts";
import type { TopicOptions } from "../event/topic_options.ts";

type Place = Pick<TopicOptions, "store" | "durability">;
type Asked = Place & Pick<TopicOptions, "keep" | "drop" | "deadRetention" | "deadMax">;

/**
 * The stores of a broker: its own, wrapped if it has only the three basic methods, plus the others
 * it was given.
 */
export function topicStoresOf(
  { eventStore, stores, deadLetterQueue }: {
    eventStore: EventStore;
    stores?: StoreShelf | undefined;
    deadLetterQueue?: { trim?: unknown } | undefined;
  },
  storeOf: (topic: string) => string | undefined,
): TopicStores {
  const own = isJournalStore(eventStore) ? eventStore : new ThreeMethodStore(eventStore);
  return new TopicStores(stores ? new RoutedStore(own, stores, storeOf) : own, {
    durability: stores?.durability,
    trims: deadLetterQueue === undefined || deadLetterQueue.trim !== undefined,
  });
}

/** The stores of a broker. */
export class TopicStores {
  /** All of them as a single store. */
  readonly store: JournalStore;
  readonly #routed: RoutedStore | undefined;
  readonly #default: Durability | undefined;
  /** Whether limits on dead letters can be applied. */
  readonly #trims: boolean;

  /** `store`: the broker's own store, or all of its stores as one. */
  constructor(
    store: JournalStore,
    { durability, trims = true }: { durability?: Durability | undefined; trims?: boolean } = {},
  ) {
    this.store = store;
    this.#trims = trims;
    this.#routed = store instanceof RoutedStore ? store : undefined;
    this.#default = durability;
  }

  /**
   * The store that a topic will always use: one that already has events of it, else the one asked
   * for, else the default.
   */
  settle(name: string, asked: TopicOptions["store"]): TopicOptions["store"] {
    if (asked !== "default") return asked;
    return this.#routed?.kindWithEvents(name) ?? this.store.kind ?? "default";
  }

  /** True if there are events of a topic, whether the topic exists or not. */
  hasEvents(name: string): boolean {
    const { firstSeq, lastSeq } = this.store.head(name);
    return firstSeq <= lastSeq;
  }

  /**
   * Throws if the options cannot be honoured: `UnsupportedError`, or `ConflictError` if the topic's
   * sequence is in another store.
   */
  check(name: string, { store, durability, ...rules }: Asked): void {
    if (dependsOnConsumers(rules) && this.store instanceof ThreeMethodStore) {
      throw new UnsupportedError(`the store of topic ${name} cannot wait for subscriptions`, {
        hint: "leave keep and drop out, or use a store that assigns sequence numbers",
        details: { topic: name },
      });
    }
    if (!this.#trims && rules.deadRetention + rules.deadMax > 0) {
      throw new UnsupportedError(`the dead-letter queue of topic ${name} has no limits`, {
        hint: "leave deadRetention and deadMax out, or give the queue a method trim",
        details: { topic: name },
      });
    }
    const own = this.store.kind;
    if (store !== "default" && store !== own && !this.#routed) {
      throw new UnsupportedError(`this broker has no ${store} store for topic ${name}`, {
        hint: "leave the store out, or give the broker an eventStore of that kind",
        details: { topic: name, store },
      });
    }
    if (durability !== "default" && store === "default") {
      throw new UnsupportedError(`the store of topic ${name} has no durability to choose`, {
        hint: "leave durability out",
        details: { topic: name, durability },
      });
    }
    const before = this.#routed?.kindWithEvents(name);
    if (before === undefined || before === store) return;
    throw new ConflictError(`the events of topic ${name} were in the ${before} store before`, {
      code: "topic/store-fixed",
      hint: `its sequence continues there: leave out --store, or choose another name`,
      details: { topic: name, store: before },
    });
  }

  /** Opens a store if it is not open yet; undefined if it is. */
  open(store: TopicOptions["store"]): Promise<void> | undefined {
    return store === "default" ? undefined : this.#routed?.open(store);
  }

  /** Opens the stores of all these topics. */
  async openAll(topics: readonly { options: Partial<Place> }[]): Promise<void> {
    const kinds = new Set(topics.map(({ options }) => options.store ?? "default"));
    for (const kind of kinds) await this.open(kind);
  }

  /** The durability in force for a topic. */
  durability({ store, durability }: Place): TopicOptions["durability"] {
    if (durability !== "default" || store === "memory") return durability;
    return this.#default ?? "default";
  }

  /** Where a topic's events are appended. */
  target(name: string, { durability }: Place): AppendTarget {
    const store = this.#routed?.of(name) ?? this.store;
    return durability === "default" ? { store } : { store, durability };
  }

  /**
   * Where events for all of these topics are appended, all or none, with the strictest of their
   * durabilities. Throws `UnsupportedError` if that cannot be promised.
   */
  groupTarget(topics: readonly { name: string; options: TopicOptions }[]): AppendTarget {
    const passing = topics.find(({ options }) => !options.persistent);
    if (passing) {
      throw notAtomic(`${passing.name} stores nothing`, {
        hint: "publish to it by itself, or make it persistent",
        topics: [passing.name],
      });
    }
    const targets = topics.map(({ name, options }) => this.target(name, options));
    const { store } = targets[0]!;
    const other = targets.findIndex((target) => target.store !== store);
    if (other > 0) {
      const [a, b] = [topics[0]!.name, topics[other]!.name];
      const kindOf = (at: number) => targets[at]!.store.kind ?? "default";
      throw notAtomic(`${a} is in the ${kindOf(0)} store and ${b} in the ${kindOf(other)} store`, {
        hint: "use topics of one store: evs topic create NAME --store " + kindOf(0),
        topics: [a, b],
      });
    }
    if (!store.atomic) {
      throw notAtomic("this broker's store takes events of one topic at a time", {
        hint: "use the SqliteEventStore or the FileEventStore",
        topics: topics.map(({ name }) => name),
      });
    }
    const own = store.durable ? "always" : this.#default ?? "os";
    const durability = strictest(targets.map((target) => target.durability ?? own));
    return targets.find((target) => (target.durability ?? own) === durability)!;
  }

  /** True if an acknowledged event of the topic survives a power cut. */
  isDurable(name: string, place: Place | undefined): boolean {
    const { store, durability } = this.target(
      name,
      place ?? { store: "default", durability: "default" },
    );
    if (durability === undefined || store.kind === "memory") return store.durable;
    return durability === "always";
  }
}

function notAtomic(
  why: string,
  { hint, topics }: { hint: string; topics: readonly string[] },
): UnsupportedError {
  return new UnsupportedError(
    `${why}: events for these topics cannot be stored all or none; nothing was stored`,
    { code: "store/not-atomic", hint, details: { topics } },
  );
}
