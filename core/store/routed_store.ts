/**
 * Several stores as one: each topic lives in one of them, permanently. Reads go to the topic's
 * store; appends go to that store's journals (core/store/journals.ts).
 */
import { assertObject } from "../base/options.ts";
import type { StoreKind } from "../event/topic_options.ts";
import { UnsupportedError } from "../base/errors.ts";
import type { Event } from "../event/event.ts";
import type { Damage } from "./damage.ts";
import type { Durability } from "../event/durability.ts";
import { ForwardingStore } from "./forwarding_store.ts";
import { MemoryEventStore } from "./memory.ts";
import type { StoreRequest } from "./pack.ts";
import type { EventReader } from "./reader.ts";
import {
  type Appended,
  type AppendOptions,
  type AppendOutcome,
  canRedact,
  type EventQuery,
  type JournalStore,
  type RedactRequest,
} from "./store.ts";

/** The stores that a broker may use beside its default. */
export interface StoreShelf {
  /** The durability of topics that do not set their own. */
  durability: Durability;
  /** The stores that are already open: every one that has events. May include the default. */
  opened: readonly JournalStore[];
  /** Opens another store. */
  open(kind: StoreKind): Promise<JournalStore>;
}

/** Several stores as one, routed by topic. */
export class RoutedStore extends ForwardingStore<EventReader> implements JournalStore {
  readonly durable: boolean;
  /** Absent, like that of the stores. */
  refresh?: (topics?: readonly string[]) => Promise<void>;
  readonly #default: JournalStore;
  readonly #stores = new Map<string, JournalStore>();
  readonly #opening = new Map<string, Promise<JournalStore>>();
  readonly #others: StoreShelf;
  readonly #absent = new MemoryEventStore();
  readonly #kindOf: (topic: string) => string | undefined;

  /** `kindOf`: the kind of store that a topic lives in; undefined for an unknown topic. */
  constructor(
    store: JournalStore,
    others: StoreShelf,
    kindOf: (topic: string) => string | undefined,
  ) {
    super();
    this.#default = store;
    this.#others = others;
    this.#kindOf = kindOf;
    this.durable = store.durable;
    for (const opened of [...others.opened, store]) {
      if (opened.kind !== undefined) this.#stores.set(opened.kind, opened);
    }
    this.#opened();
  }

  /** Another store is open. */
  #opened(): void {
    const stores = this.#all().filter((store) => store.refresh);
    if (stores.length === 0) return;
    this.refresh = async (topics) => {
      await Promise.all(stores.map((store) => {
        const its = topics?.filter((topic) => this.of(topic) === store);
        return its?.length === 0 ? undefined : store.refresh!(its);
      }));
    };
  }

  /** The listener hears of the stores that are open now. */
  onAppended(listener: (appended: Appended) => void): () => void {
    const removals = this.#all().map((store) => store.onAppended?.(listener));
    return () => removals.forEach((remove) => remove?.());
  }

  get kind(): StoreKind | undefined {
    return this.#default.kind;
  }

  /** The kind of store that has or had events of a topic; undefined if none has. */
  kindWithEvents(topic: string): StoreKind | undefined {
    for (const store of this.#stores.values()) {
      if (store.head(topic).lastSeq > 0) return store.kind;
    }
    return undefined;
  }

  /** Resolves when the store of that kind is open. */
  async open(kind: StoreKind): Promise<void> {
    if (this.#stores.has(kind)) return;
    const opening = this.#opening.get(kind) ?? this.#others.open(kind);
    this.#opening.set(kind, opening);
    try {
      this.#stores.set(kind, await opening);
      this.#opened();
    } finally {
      this.#opening.delete(kind);
    }
  }

  /** The store that a topic lives in. One that was removed has left its last seq in its store. */
  of(topic: string): JournalStore {
    const kind = this.#kindOf(topic) ?? this.kindWithEvents(topic) ?? "default";
    // A store that is still being opened has nothing to read: those with events were open from the
    // start.
    return this.#stores.get(kind) ?? (kind === "default" ? this.#default : this.#absent);
  }

  append(
    requests: readonly StoreRequest[],
    options?: AppendOptions,
  ): Promise<AppendOutcome[]> {
    const [store, ...others] = new Set(requests.map(({ topic }) => this.of(topic)));
    if (store && others.length === 0) return store.append(requests, options);
    // All or nothing is something that only a single store can promise.
    return Promise.reject(new UnsupportedError("one append goes to one store"));
  }

  protected readerOf(topic: string): EventReader {
    return this.of(topic);
  }

  topics(): string[] {
    return this.#all().flatMap((store) => store.topics());
  }

  async seekAge(topic: string, age: number): Promise<number | undefined> {
    return await this.of(topic).seekAge?.(topic, age);
  }

  truncate(topic: string, seq: number): Promise<number> {
    return this.of(topic).truncate(topic, seq);
  }

  async redact(topic: string, request: RedactRequest): Promise<boolean> {
    const store = this.of(topic);
    if (store.redact) return await store.redact(topic, request);
    throw new UnsupportedError(`the store of ${topic} cannot redact events`);
  }

  canRedact(topic: string): boolean {
    return canRedact(this.of(topic), topic);
  }

  async raise(topic: string, lastSeq: number): Promise<void> {
    await this.of(topic).raise?.(topic, lastSeq);
  }

  keepsNumbers(topic: string): boolean {
    const store = this.of(topic);
    return store.keepsNumbers?.(topic) ?? store.raise !== undefined;
  }

  removeTopic(topic: string): Promise<void> {
    return this.of(topic).removeTopic(topic);
  }

  override async saveEvent(event: Event): Promise<void> {
    await this.of(assertObject(event, "an event").topic).saveEvent(event);
  }

  getEvents(topic: string, options?: EventQuery): Promise<Event[]> {
    return this.of(topic).getEvents(topic, options);
  }

  override deleteEvents(topic: string, beforeTimestamp: number): Promise<number> {
    return this.of(topic).deleteEvents(topic, beforeTimestamp);
  }

  async keepRoom(keeps: boolean): Promise<void> {
    for (const store of this.#all()) await store.keepRoom?.(keeps);
  }

  damage(): readonly Damage[] {
    return this.#all().flatMap((store) => store.damage?.() ?? []);
  }

  async acceptDamage(): Promise<void> {
    for (const store of this.#all()) await store.acceptDamage?.();
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#opening.values()); // their openers get the errors
    for (const store of this.#all()) await store.close();
  }

  #all(): JournalStore[] {
    return [...new Set([...this.#stores.values(), this.#default])];
  }
}
