/**
 * The existing topics: their names and options, kept in the state database. Their events are in the
 * store. A removed topic leaves its last seq behind there, and continues from it when it is created
 * again.
 */
import type { TopicInfo } from "../protocol/protocol.ts";
import type { Clock } from "../base/clock.ts";
import { ConflictError, NotFoundError, UnsupportedError } from "../base/errors.ts";
import type { ActOptions } from "../event/audit.ts";
import { audited } from "../state/audited.ts";
import { type BeforeRev, type CatalogRefresh, decideAgain, newRev } from "../state/stale.ts";
import type { State, StateChange, TopicRecord } from "../state/state.ts";
import type { JournalStore } from "../store/store.ts";
import { TopicLocks } from "./locks.ts";
import type { TopicStores } from "./stores.ts";
import { didYouMean } from "../base/suggest.ts";
import {
  assertTopicName,
  checkTopicOptions,
  compilePattern,
  defaultTopicOptions,
  type TopicOptions,
} from "../event/topic_options.ts";

/** What a catalog needs. */
export interface CatalogContext {
  state: State;
  store: JournalStore;
  clock: Clock;
  places: TopicStores;
  /** Resolves when all that was published to a topic, and does not wait, is stored or refused. */
  settled(topic: string): Promise<void>;
  /** Whether publishing may create a topic. */
  autoCreate: boolean;
  topics: readonly TopicRecord[];
  /** Set if other nodes change the topics, too. */
  shared?: CatalogRefresh | undefined;
}

/** The topics and their options. */
export class TopicCatalog {
  /** Held by whoever needs a topic to stay, or to stand still. */
  readonly locks: TopicLocks = new TopicLocks();
  readonly #context: CatalogContext;
  readonly #topics = new Map<string, TopicRecord>();
  /** Topics being created: in force at once, durable once the promise resolves. */
  readonly #pending = new Map<string, Promise<TopicRecord>>();
  /** By topic: ends with the last change of its options that was asked for. */
  readonly #updates = new Map<string, Promise<void>>();
  readonly #listeners = new Set<(record: TopicRecord) => void>();
  readonly #removed = new Set<(name: string) => void>();
  /** Records that other nodes have stored. */
  readonly #learned = new WeakSet<TopicRecord>();

  constructor(context: CatalogContext) {
    this.#context = context;
    // Records that share an options object also share the resolved options.
    let before: { given: TopicOptions; settled: TopicOptions } | undefined;
    for (const record of context.topics) {
      const { name, options: given } = record;
      if (before?.given === given) {
        this.#topics.set(name, { ...record, options: before.settled });
        continue;
      }
      const settled = this.#settled(record);
      this.#topics.set(name, settled);
      const asked = given.store ?? defaultTopicOptions.store;
      // `default` is resolved per topic name.
      before = asked === "default" ? undefined : { given, settled: settled.options };
    }
  }

  /** A topic's store is fixed when it is created; a later change of the default moves nothing. */
  #settled(record: TopicRecord): TopicRecord {
    const options = { ...defaultTopicOptions, ...record.options };
    return {
      ...record,
      options: { ...options, store: this.#context.places.settle(record.name, options.store) },
    };
  }

  get(name: string): TopicRecord | undefined {
    return this.#topics.get(name);
  }

  /** Returns the topic, or throws `NotFoundError` suggesting the closest names. */
  require(name: string): TopicRecord {
    const record = this.#topics.get(assertTopicName(name));
    if (record) return record;
    throw new NotFoundError("topic", `there is no topic ${name}`, {
      hint: didYouMean(name, this.#topics.keys()) ?? "evs topic list shows the topics",
      details: { topic: name },
    });
  }

  /** The names of all topics, in no particular order. */
  names(): string[] {
    return [...this.#topics.keys()];
  }

  /** All topics, by name. */
  list(): TopicRecord[] {
    return [...this.#topics.values()].sort((a, b) => a.name < b.name ? -1 : 1);
  }

  /** The names of the topics that match a name or pattern. */
  match(pattern: string): string[] {
    const matches = compilePattern(pattern);
    return this.list().map(({ name }) => name).filter(matches);
  }

  /**
   * Creates a topic; durable when it resolves. Throws `ConflictError` if it exists with other
   * options.
   */
  create(
    name: string,
    options: Partial<TopicOptions> = {},
    how: ActOptions = {},
  ): Promise<{ record: TopicRecord; created: boolean }> {
    return this.locks.share(name, async () => {
      const { shared } = this.#context;
      // Another node may have removed it.
      if (shared && this.#topics.has(name)) await shared.refresh();
      // Without a pause: somebody who publishes might make it in between.
      const pending = this.pending(name);
      const there = pending ? await pending : this.#topics.get(name);
      if (!there) {
        const record = await this.define(name, options, how);
        return { record, created: !this.isLearned(record) };
      }
      this.assertAgrees(name, options);
      return { record: there, created: false };
    });
  }

  /** Throws `ConflictError` if the existing topic has other options. */
  assertAgrees(name: string, options: Partial<TopicOptions>): void {
    const there = this.require(name);
    const differs = differences(there.options, wanted(options));
    if (differs.length === 0) return;
    throw new ConflictError(
      `the topic ${name} already exists, with another ${differs.join(", ")}`,
      {
        code: "topic/exists",
        hint: differs.includes("store")
          ? `a topic's store is fixed: create another topic, then evs replay ${name} --into it`
          : `evs topic update ${name} changes it`,
        details: { topic: name, differs, options: there.options },
      },
    );
  }

  /**
   * Creates a topic that does not exist. It is in force at once, and durable when the promise
   * resolves; with the topic of another node that was faster, if that agrees.
   */
  define(
    name: string,
    options: Partial<TopicOptions> = {},
    { act }: ActOptions = {},
  ): Promise<TopicRecord> {
    const { state, clock, places, shared } = this.#context;
    const record = this.#settled({
      name: assertTopicName(name),
      options: { ...defaultTopicOptions, ...checkTopicOptions(defined(options)) },
      createdAt: clock.now(),
      ...this.#revOf(),
    });
    this.#check(record);
    this.#topics.set(name, record);
    const also = audited(act, { act: "topic.create", topic: name, details: { options } });
    const commit = () => state.commit([{ op: "topic.put", record }, ...also]);
    const opening = places.open(record.options.store);
    const stored = shared
      ? this.#defineShared(record, { options, also, opening })
      : (opening ? opening.then(commit) : commit()).then(() => record);
    // Registered first, so it runs right before the reactions of those who wait: they all continue
    // before anyone else can find the topic no longer pending. They also get to see a failure; if
    // nobody waits, nobody needs to.
    stored.then(() => this.#pending.delete(name), () => {
      this.#pending.delete(name);
      if (this.#topics.get(name) === record) this.#topics.delete(name);
    });
    this.#pending.set(name, stored);
    for (const listener of this.#listeners) listener(record);
    return stored;
  }

  /** Stores a topic, unless another node makes it first. */
  async #defineShared(
    record: TopicRecord,
    { options, also, opening }: {
      options: Partial<TopicOptions>;
      also: readonly StateChange[];
      opening: Promise<void> | undefined;
    },
  ): Promise<TopicRecord> {
    const { state, shared } = this.#context;
    const { name, rev } = record;
    await opening;
    return await decideAgain(shared, async () => {
      const there = this.#topics.get(name);
      if (there !== undefined && there.rev !== rev) {
        this.assertAgrees(name, options);
        return there;
      }
      this.#topics.set(name, record);
      await state.commit([{ op: "topic.put", record, before: "none" }, ...also]);
      // One that was removed before it was stored may have been learned meanwhile.
      if (this.#topics.get(name)?.rev !== rev) this.#topics.set(name, record);
      return record;
    });
  }

  /** Another node has made or changed a topic. */
  learn(given: TopicRecord): void {
    const record = this.#settled(given);
    const there = this.#topics.get(record.name);
    if (there?.rev === record.rev) return;
    this.#learned.add(record);
    this.#topics.set(record.name, record);
    if (there === undefined) { for (const listener of this.#listeners) listener(record); }
  }

  /** True for a record that another node has stored. */
  isLearned(record: TopicRecord): boolean {
    return this.#learned.has(record);
  }

  /** Another node has removed a topic. */
  forget(name: string): void {
    if (!this.#topics.delete(name)) return;
    for (const listener of this.#removed) listener(name);
  }

  #check({ name, options }: TopicRecord): void {
    const { places, shared } = this.#context;
    places.check(name, options);
    if (shared && !options.persistent) throw localOnly(name);
  }

  /** Another node may just have made it. */
  #lookFor(name: string): Promise<void> | undefined {
    return this.#topics.has(name) ? undefined : this.#context.shared?.refresh();
  }

  /** What a record that is stored has besides, where others store some, too. */
  #revOf(): Pick<TopicRecord, "rev"> {
    return this.#context.shared ? { rev: newRev() } : {};
  }

  /** What a change of a record names, where others change it, too. */
  #beforeOf({ rev = 0 }: TopicRecord): { before?: BeforeRev } {
    return this.#context.shared ? { before: rev } : {};
  }

  /** The topic, while it is not yet durable. */
  pending(name: string): Promise<TopicRecord> | undefined {
    return this.#pending.get(name);
  }

  /** The topic, created now if missing. `NotFoundError` if publishing may not create topics. */
  ensure(name: string): Promise<TopicRecord> {
    const pending = this.#pending.get(name);
    if (pending) return pending;
    const record = this.#topics.get(name);
    if (record) return Promise.resolve(record);
    if (this.#context.autoCreate) return this.define(name);
    return Promise.reject(this.#missing(name));
  }

  /** The topic as it is, or as {@link ensure} would create it. Creates nothing. */
  planned(name: string): TopicRecord {
    return this.#topics.get(name) ?? this.#settled({
      name: assertTopicName(name),
      options: defaultTopicOptions,
      createdAt: this.#context.clock.now(),
    });
  }

  #missing(name: string): NotFoundError {
    return new NotFoundError(
      "topic",
      `there is no topic ${name}, and publishing may not create it`,
      {
        hint: didYouMean(name, this.#topics.keys()) ?? `evs topic create ${name}`,
        details: { topic: name },
      },
    );
  }

  /** Changes options; durable when it resolves. */
  update(
    name: string,
    options: Partial<TopicOptions>,
    how: ActOptions = {},
  ): Promise<TopicRecord> {
    const update = () => this.#update(name, options, how);
    return this.locks.share(
      name,
      () => this.#inTurn(name, () => decideAgain(this.#context.shared, update)),
    );
  }

  /** One change at a time: each leaves what it does not change as the one before has left it. */
  async #inTurn<T>(name: string, change: () => Promise<T>): Promise<T> {
    const before = this.#updates.get(name);
    const done = before ? before.then(change) : change();
    const ended = done.then(() => {}, () => {}); // the caller gets the error
    this.#updates.set(name, ended);
    try {
      return await done;
    } finally {
      if (this.#updates.get(name) === ended) this.#updates.delete(name);
    }
  }

  async #update(
    name: string,
    options: Partial<TopicOptions>,
    { act }: ActOptions,
  ): Promise<TopicRecord> {
    await this.#pending.get(name);
    const looking = this.#lookFor(name);
    if (looking) await looking;
    const before = this.require(name);
    const changed = wanted(options);
    if (changed.store !== undefined && changed.store !== before.options.store) {
      throw new ConflictError(
        `topic ${name} lives in the ${before.options.store} store, and stays there`,
        {
          code: "topic/store-fixed",
          hint:
            `to move it: evs topic create NEW --store ${changed.store}, then evs replay ${name} --into NEW`,
          details: { topic: name, store: before.options.store },
        },
      );
    }
    const record = { ...before, options: { ...before.options, ...changed }, ...this.#revOf() };
    this.#check(record);
    await this.#context.state.commit([
      { op: "topic.put", record, ...this.#beforeOf(before) },
      ...audited(act, { act: "topic.update", topic: name, details: { options: changed } }),
    ]);
    if (this.#topics.has(name)) this.#topics.set(name, record);
    return record;
  }

  /**
   * Removes a topic and its events for good, when what was published to it before is stored. Dead
   * letters and retries keep their own copies. What is published to it meanwhile is published when
   * it is removed.
   */
  async remove(name: string, how: ActOptions = {}): Promise<void> {
    await this.#pending.get(name);
    const { shared } = this.#context;
    const looking = this.#lookFor(name);
    if (looking) await looking;
    this.require(name);
    await this.locks.exclusive(
      name,
      () =>
        shared ? decideAgain(shared, () => this.#removeShared(name, how)) : this.#remove(name, how),
    );
  }

  /**
   * Everything in one transaction: otherwise another node could store an event in between, and
   * acknowledge it, which would then be removed.
   */
  async #removeShared(name: string, { act }: ActOptions): Promise<void> {
    const { settled, state, store } = this.#context;
    await settled(name);
    await store.refresh?.([name]);
    const { events, lastSeq } = this.info(name);
    await state.commit([
      { op: "topic.remove", name, events: true, ...this.#beforeOf(this.require(name)) },
      ...audited(act, { act: "topic.remove", topic: name, details: { events, lastSeq } }),
    ]);
    this.forget(name);
    await store.removedElsewhere?.(name);
  }

  async #remove(name: string, { act }: ActOptions): Promise<void> {
    await this.#context.settled(name);
    const { events, lastSeq } = this.info(name);
    // The record goes last: no start finds events of a topic that it does not know.
    await this.#context.store.removeTopic(name);
    await this.#context.state.commit([
      { op: "topic.remove", name },
      ...audited(act, { act: "topic.remove", topic: name, details: { events, lastSeq } }),
    ]);
    this.forget(name);
  }

  /**
   * Makes a topic that does not exist, but has events: the state that knew it was lost. Undefined
   * if there is nothing to do.
   */
  recreate(name: string): Promise<TopicRecord> | undefined {
    if (this.#topics.has(name) || !this.#context.places.hasEvents(name)) return undefined;
    return Promise.try(() => this.define(name));
  }

  /** Describes a topic. */
  info(name: string): Omit<TopicInfo, "rates"> {
    const { options, createdAt } = this.require(name);
    const { firstSeq, lastSeq, bytes } = this.#context.store.head(name);
    return {
      name,
      ...options,
      store: options.persistent ? options.store : "none",
      durability: this.#context.places.durability(options),
      events: Math.max(0, lastSeq - firstSeq + 1),
      bytes,
      firstSeq,
      lastSeq,
      createdAt,
    };
  }

  /** Calls `listener` for every topic that is created. Returns a function that stops it. */
  onCreate(listener: (record: TopicRecord) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` with the name of every topic that was removed. */
  onRemove(listener: (name: string) => void): void {
    this.#removed.add(listener);
  }
}

/** The options asked for; a store of `default` asks for nothing. */
function wanted(options: Partial<TopicOptions>): Partial<TopicOptions> {
  const { store, ...rest } = checkTopicOptions(defined(options));
  return store === undefined || store === "default" ? rest : { ...rest, store };
}

function defined(options: Partial<TopicOptions>): Partial<TopicOptions> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function differences(have: TopicOptions, want: Partial<TopicOptions>): string[] {
  return Object.entries(want)
    .filter(([field, value]) => have[field as keyof TopicOptions] !== value)
    .map(([field]) => field);
}

function localOnly(topic: string): UnsupportedError {
  return new UnsupportedError(
    `${topic} would not store its events, which the other nodes could not see then`,
    {
      code: "topic/local-only",
      hint: "leave out --ephemeral (persistent: false), and limit the topic: --max-events 1000",
      details: { topic },
    },
  );
}
