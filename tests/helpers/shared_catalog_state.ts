/**
 * A state and a store that several brokers share, in memory. Commits, looks at the catalog or the
 * claims, rows of retries and wake-ups take some turns each, as many as a test draws, and a test can
 * hold them.
 */
import "../../core/broker/shared_modules.ts";
import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../core/base/clock.ts";
import {
  type CatalogChange,
  changesCatalog,
  type SharedCatalogSnapshot,
  withCatalogChanges,
} from "../../core/state/catalog_diff.ts";
import { MemoryState } from "../../core/state/memory.ts";
import { rowsOfParts } from "../../core/state/part_rows.ts";
import type { ProgressRequest, SharedProgress, SharedState } from "../../core/state/shared.ts";
import { type BeforeRev, type SchemaRevs, StaleError } from "../../core/state/stale.ts";
import type { CommitOptions, State, StateChange, StateSnapshot } from "../../core/state/state.ts";
import { MemoryEventStore } from "../../core/store/memory.ts";
import type { StoreRequest } from "../../core/store/pack.ts";
import { withoutRefused } from "../../core/store/postgres/append_again.ts";
import type {
  Appended,
  AppendOptions,
  AppendOutcome,
  AppendRequest,
} from "../../core/store/store.ts";
import { nextTurn } from "./late_state.ts";
import { SharedClaims } from "./shared_claims.ts";
import { SharedJobRows } from "./shared_job_rows.ts";

/** What takes time. */
export type Step = "commit" | "catalog" | "catalog-answer" | "wake" | "claims" | "retry" | "append";

/** What a database has. */
export class SharedMemory {
  readonly #memory = new MemoryState();
  readonly #listeners = new Set<() => void>();
  readonly events: SharedEvents = new SharedEvents(this);
  readonly jobs: SharedJobRows = new SharedJobRows(() => this.#memory.load().jobs);
  /** Who delivers what. */
  readonly claims: SharedClaims = new SharedClaims({
    parts: 16,
    rows: (subscription, parts) => rowsOfParts(this.#memory.load(), { subscription, parts }),
    take: () => this.take("claims"),
  });
  #schemasRev = 0;
  /** How many steps are under way. */
  #steps = 0;
  #nodes = 0;
  /** Turns of the event loop that a step takes, before and after it is done. */
  turns: (step: Step) => number = () => 1;
  /** Held steps wait for this. */
  readonly holds = new Map<Step, Promise<void>>();
  /** The time that all nodes go by. */
  readonly clock: Clock;

  constructor({ clock = systemClock }: { clock?: Clock } = {}) {
    this.clock = clock;
  }

  /** A state for one broker, which has this name among the nodes. */
  node(name = `node-${++this.#nodes}`): State {
    return nodeOf(this, this.#memory, name);
  }

  /** All rows, as they are now. */
  rows(): StateSnapshot {
    return this.#memory.load();
  }

  /** Lets steps of a kind wait; returns what lets them go on. */
  hold(step: Step): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.holds.set(step, promise);
    return () => {
      this.holds.delete(step);
      resolve();
    };
  }

  /** Takes the time of a step. */
  async take(step: Step): Promise<void> {
    this.#steps++;
    for (let left = this.turns(step); left > 0; left--) await nextTurn();
    await this.holds.get(step);
    this.#steps--;
  }

  /** Resolves when nothing is under way, and nothing follows from what was. */
  async quiet(): Promise<void> {
    for (let turns = 0; turns < 10; turns++) {
      if (this.#steps > 0) turns = 0;
      await nextTurn();
    }
  }

  /** What is stored now. */
  catalog(): SharedCatalogSnapshot {
    return { ...this.#memory.load(), schemasRev: this.#schemasRev };
  }

  /** Stores all of it, or nothing: in one turn, like a transaction. */
  async store(
    changes: readonly StateChange[],
    { fences = [] }: CommitOptions = {},
  ): Promise<void> {
    this.claims.check(fences);
    if (this.#isStale(changes)) throw new StaleError();
    const stored = this.#memory.commit(changes);
    for (const change of changes) {
      const revs = revsOf(change);
      if (revs) this.#schemasRev = revs.rev;
      if (change.op === "subscription.remove") this.claims.seize(change.name);
      if (change.op === "topic.remove" && change.events) void this.events.removeTopic(change.name);
    }
    await stored;
    for (const listener of this.#listeners) void this.take("wake").then(listener);
  }

  /** Each change is compared with what those before it have made. */
  #isStale(changes: readonly StateChange[]): boolean {
    let catalog = this.catalog();
    let last: SchemaRevs | undefined;
    return changes.filter(changesCatalog).some((change) => {
      const revs = revsOf(change);
      // All changes of the schemas that are decided together say the same.
      const isOfLast = revs !== undefined && revs.before === last?.before && revs.rev === last.rev;
      last = revs ?? last;
      const isStale = !isOfLast && isStaleIn(catalog, change);
      catalog = withCatalogChanges(catalog, [change]);
      return isStale;
    });
  }

  /** Calls a listener after each commit. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** How far subscriptions have got by what is stored. */
export function progressIn(
  snapshot: StateSnapshot,
  { topic, from, subscriptions }: ProgressRequest,
): SharedProgress[] {
  return snapshot.subscriptions.filter(({ name }) => subscriptions.includes(name))
    .map(({ name: subscription, parts: count = 1 }) => {
      const parts = Array.from({ length: count }, (_, part) => part);
      const { cursors } = rowsOfParts(snapshot, { subscription, parts });
      const nexts = parts.map((part) =>
        cursors.find((one) => one.topic === topic && (one.parts! & 1 << part) !== 0)?.next ?? 0
      );
      const seqs = snapshot.retries.filter((one) => one.subscription === subscription)
        .filter((one) => one.topic === topic && one.seq >= from).map(({ seq }) => seq);
      return { subscription, next: Math.min(...nexts, ...seqs) };
    });
}

function revsOf(change: StateChange): SchemaRevs | undefined {
  return "revs" in change ? change.revs : undefined;
}

function isStaleIn(
  { topics, subscriptions, schemasRev }: SharedCatalogSnapshot,
  change: CatalogChange,
): boolean {
  const revs = revsOf(change);
  if (revs) return revs.before !== schemasRev;
  switch (change.op) {
    case "topic.put":
      return isOther(topics, change.record.name, change.before);
    case "topic.remove":
      return isOther(topics, change.name, change.before);
    case "subscription.put":
      return isOther(subscriptions, change.record.name, change.before);
    case "subscription.remove":
      return isOther(subscriptions, change.name, change.before);
    default:
      return false;
  }
}

function isOther(
  records: readonly { name: string; rev?: number }[],
  name: string,
  before: BeforeRev | undefined,
): boolean {
  if (before === undefined) return false;
  const there = records.find((one) => one.name === name);
  return before === "none" ? there !== undefined : there === undefined || there.rev !== before;
}

/** A state for one broker: reads what all have. */
function nodeOf(shared: SharedMemory, memory: MemoryState, name: string): State {
  const own: Pick<State, "load" | "commit" | "close" | "retry" | "forgets"> & {
    shared: SharedState;
  } = {
    forgets: false,
    shared: {
      clock: shared.clock,
      coordinator: () => shared.claims.coordinator(name),
      async loadQueue(subscription, parts) {
        await shared.take("claims");
        return shared.claims.load(subscription, parts);
      },
      progress: (request) => Promise.resolve(progressIn(memory.load(), request)),
      jobs: shared.jobs.of(name),
      removedDeadLetters: () => Promise.resolve(memory.load().removedDeadLetters),
      onCatalog: (listener) => shared.listen(listener),
      async catalog() {
        await shared.take("catalog");
        const catalog = shared.catalog();
        await shared.take("catalog-answer");
        return catalog;
      },
    },
    load: () => memory.load(),
    async retry(...of: Parameters<State["retry"]>) {
      await shared.take("retry");
      return await memory.retry(...of);
    },
    async commit(changes, options) {
      await shared.take("commit");
      await shared.store(changes, options);
      await shared.take("commit");
    },
    close: () => Promise.resolve(),
  };
  return new Proxy(memory as State, {
    get(target, name) {
      if (name in own) return Reflect.get(own, name);
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Events that all brokers see. */
export class SharedEvents extends MemoryEventStore {
  readonly sharesState = true;
  readonly mergesItself = true;
  readonly #of: SharedMemory;
  readonly #listeners = new Set<(appended: Appended) => void>();
  /** How often an append was checked again. */
  rechecks = 0;

  constructor(of: SharedMemory) {
    super();
    this.#of = of;
  }

  onAppended(listener: (appended: Appended) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  override async append(
    given: readonly StoreRequest[],
    { groups = [], recheck }: AppendOptions = {},
  ): Promise<AppendOutcome[]> {
    const outcomes: AppendOutcome[] = [];
    let requests = [...given] as AppendRequest[];
    let places = requests.map((_, place) => place);
    let rest = [...groups];
    await this.#of.take("append");
    for (let times = 1; this.#isStale(requests); times++) {
      assert.ok(recheck, "what was checked can be checked again");
      assert.ok(times < 100, "it is checked again by what is so now");
      this.rechecks++;
      const refusals = await recheck(requests);
      const left = withoutRefused({ requests, groups: rest, refusals });
      for (const [i, outcome] of left.refused) outcomes[places[i]!] = outcome;
      places = left.places.map((i) => places[i]!);
      ({ requests, groups: rest } = left);
      await this.#of.take("append");
    }
    const stored = await super.append(requests, { groups: rest });
    for (const [i, outcome] of stored.entries()) {
      outcomes[places[i]!] = outcome;
      if (!outcome.ok || outcome.count === 0) continue;
      const { firstSeq, lastSeq } = outcome;
      const { topic } = requests[i]!;
      for (const listener of this.#listeners) listener({ topic, firstSeq, lastSeq });
    }
    return outcomes;
  }

  #isStale(requests: readonly AppendRequest[]): boolean {
    const { topics, schemasRev } = this.#of.catalog();
    return requests.some(({ topic, under }) =>
      under !== undefined && (topics.find(({ name }) => name === topic)?.rev !== under.topic ||
        (under.schemas ?? schemasRev) !== schemasRev)
    );
  }

  /** One broker that is closed leaves them to the others. */
  override close(): Promise<void> {
    return Promise.resolve();
  }
}
