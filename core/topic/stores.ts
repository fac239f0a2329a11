/**
 * Where topics live and when they are acknowledged: what of their options the broker's stores can
 * keep.
 */
import { ConflictError, UnsupportedError } from "../base/errors.ts";
import type { Durability } from "../event/durability.ts";
import type { AppendTarget } from "../store/journals.ts";
import { RoutedStore, type StoreShelf } from "../store/routed_store.ts";
import { type EventStore, isJournalStore, type JournalStore } from "../store/store.ts";
import { ThreeMethodStore } from "../store/basic_store.ts";
import type { TopicOptions } from "../event/topic_options.ts";

type Place = Pick<TopicOptions, "store" | "durability">;

/**
 * The places of a broker: its own store, wrapped where it has three methods only, and those of its
 * stores.
 */
export function topicStoresOf(
  { eventStore, stores }: { eventStore: EventStore; stores: StoreShelf | undefined },
  storeOf: (topic: string) => string | undefined,
): TopicStores {
  const own = isJournalStore(eventStore) ? eventStore : new ThreeMethodStore(eventStore);
  return new TopicStores(stores ? new RoutedStore(own, stores, storeOf) : own, stores);
}

/** The stores of a broker. */
export class TopicStores {
  /** All of them as one. */
  readonly store: JournalStore;
  readonly #routed: RoutedStore | undefined;
  readonly #default: Durability | undefined;

  /** `store`: the broker's own, or all of its stores as one. */
  constructor(store: JournalStore, stores?: StoreShelf) {
    this.store = store;
    this.#routed = store instanceof RoutedStore ? store : undefined;
    this.#default = stores?.durability;
  }

  /**
   * The store that a topic lives in, for good: one where it had events before, else as asked for,
   * else the default.
   */
  settle(name: string, asked: TopicOptions["store"]): TopicOptions["store"] {
    if (asked !== "default") return asked;
    return this.#routed?.kindWithEvents(name) ?? this.store.kind ?? "default";
  }

  /**
   * Throws for what cannot be kept: `UnsupportedError`, `ConflictError` where the topic's numbers
   * are elsewhere.
   */
  check(name: string, { store, durability }: Place): void {
    const own = this.store.kind;
    if (store !== "default" && store !== own && !this.#routed) {
      throw new UnsupportedError(`this broker has no ${store} store for topic ${name}`, {
        hint: "give the broker an eventStore of that kind",
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
      hint: `its numbers go on there: leave out --store, or take another name`,
      details: { topic: name, store: before },
    });
  }

  /** Opens a store that is not open yet; undefined when it is. */
  open(store: TopicOptions["store"]): Promise<void> | undefined {
    return store === "default" ? undefined : this.#routed?.open(store);
  }

  /** Opens the stores of all these topics. */
  async openAll(topics: readonly { options: Partial<Place> }[]): Promise<void> {
    const kinds = new Set(topics.map(({ options }) => options.store ?? "default"));
    for (const kind of kinds) await this.open(kind);
  }

  /** The durability of a topic, as it is in force. */
  durability({ store, durability }: Place): TopicOptions["durability"] {
    if (durability !== "default" || store === "memory") return durability;
    return this.#default ?? "default";
  }

  /** Where a topic's events go. */
  target(name: string, { durability }: Place): AppendTarget {
    const store = this.#routed?.of(name) ?? this.store;
    return durability === "default" ? { store } : { store, durability };
  }

  /** True when an event of the topic that is acknowledged survives a power cut. */
  isDurable(name: string, place: Place | undefined): boolean {
    const { store, durability } = this.target(
      name,
      place ?? { store: "default", durability: "default" },
    );
    if (durability === undefined || store.kind === "memory") return store.durable;
    return durability === "always";
  }
}
