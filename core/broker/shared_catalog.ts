/**
 * The catalog of a state that several nodes share: its topics, subscriptions, schemas and
 * redactions. Each node has all of it in memory and decides by it. When somebody else may have
 * changed something, this reads it again, and acts on the differences as if this node had made them.
 *
 * What is compared are two looks at the state, and the commits of this process count as looks: what
 * it has in memory besides, such as a topic that it is just making, is in neither. A commit that is
 * sent while the catalog is read may or may not be in what is read; it is added to it, and the
 * catalog is read once more, as somebody may have changed the same after it.
 *
 * Where the state is away, what is known stays in force. A change that is decided by it is compared
 * when it is stored (core/state/stale.ts), and so is what events were checked by.
 */
import type { SubscriptionManager } from "../delivery/manager.ts";
import {
  type CatalogChange,
  changesCatalog,
  diffCatalogs,
  type SharedCatalogSnapshot,
  withCatalogChanges,
} from "../state/catalog_diff.ts";
import type { GuardedState } from "../state/guarded_state.ts";
import type { ProgressRequest, SharedProgress, SharedState } from "../state/shared.ts";
import type { SharedCounts } from "../state/shared_counts.ts";
import type { CatalogRefresh } from "../state/stale.ts";
import type { RedactionRecord, StateChange, StateSnapshot } from "../state/state.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { SchemaGate } from "./schema_gate.ts";

/** What learns of the changes of others. */
export interface CatalogUsers {
  topics: TopicCatalog;
  gate: SchemaGate;
  subscriptions: SubscriptionManager;
  /** Events were redacted elsewhere, or will be. */
  redacted?(records: readonly RedactionRecord[]): void;
}

/** What it needs. */
export interface SharedCatalogContext {
  shared: SharedState;
  state: GuardedState;
  onError(error: unknown, context: string): void;
}

/** Keeps what this node knows of the catalog up to date. */
export class SharedCatalog implements CatalogRefresh {
  readonly #context: SharedCatalogContext;
  #users: CatalogUsers | undefined;
  #known: SharedCatalogSnapshot | undefined;
  /** What this process has stored since it looked last. */
  #kept: CatalogChange[] = [];
  /** How often it has begun to read. */
  #reads = 0;
  #isReading = false;
  /** The read that has not begun yet. */
  #next: Promise<void> | undefined;
  /** It is told of its users, or closed before that. */
  readonly #begun: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  /** Resolves when the last read that was asked for is done; none is before it has begun. */
  #last: Promise<void> = this.#begun.promise;
  #stopListening: (() => void) | undefined;
  #isClosed = false;

  constructor(context: SharedCatalogContext) {
    this.#context = context;
  }

  /** Reads for the first time; `snapshot` is what the users of the catalog were made from. */
  start(snapshot: StateSnapshot, users: CatalogUsers): Promise<void> {
    const { shared, state } = this.#context;
    this.#known = { ...snapshot, schemasRev: 0 };
    this.#users = users;
    this.#begun.resolve();
    state.onCommit((changes) => this.#sending(changes));
    this.#stopListening = shared.onCatalog(() => this.#refreshSoon());
    return this.refresh();
  }

  /** Resolves when this process knows all that the state said when this was called. */
  refresh(): Promise<void> {
    if (this.#next) return this.#next;
    // The read that is under way may have begun before what the caller asks for.
    const next = this.#next = this.#last.then(() => this.#read());
    this.#last = next.catch(() => {}); // those who wait for it get the error
    return next;
  }

  /** How far named subscriptions have got in a topic, whichever nodes deliver them. */
  progress(request: ProgressRequest): Promise<SharedProgress[]> {
    return this.#context.shared.progress(request);
  }

  /** The subscriptions of which a node that is there owns something: its consumers wait, or work. */
  async inUse(): Promise<Set<string>> {
    const counts = await this.#context.shared.counts?.() ?? new Map<string, SharedCounts>();
    const isOwned = ({ parts }: SharedCounts) => parts.some(({ node }) => node !== undefined);
    return new Set([...counts].flatMap(([name, one]) => isOwned(one) ? [name] : []));
  }

  /** Nobody waits for it. */
  #refreshSoon(): void {
    if (this.#isClosed) return;
    this.refresh().catch((error) => {
      if (!this.#isClosed) this.#context.onError(error, "what other nodes have changed");
    });
  }

  async #read(): Promise<void> {
    this.#next = undefined;
    this.#isReading = true;
    this.#reads++;
    try {
      await this.#learn();
    } finally {
      this.#isReading = false;
    }
  }

  async #learn(): Promise<void> {
    if (!this.#users) return; // it was closed before it began
    const { gate } = this.#users;
    const before = this.#kept.length;
    const read = await this.#context.shared.catalog();
    const now = () => withCatalogChanges(read, this.#kept.slice(before));
    const learn = await gate.learning(schemaChanges(this.#changesTo(now())));
    if (this.#isClosed) return;
    const after = now();
    const changes = this.#changesTo(after);
    this.#known = after;
    this.#kept = [];
    learn(schemaChanges(changes), after.schemasRev);
    this.#apply(changes);
  }

  #changesTo(after: SharedCatalogSnapshot): CatalogChange[] {
    return diffCatalogs(withCatalogChanges(this.#known!, this.#kept), after);
  }

  /** A topic is there before a subscription of it, and goes after those. */
  #apply(changes: readonly CatalogChange[]): void {
    const { topics, subscriptions, redacted } = this.#users!;
    const gone = new Set(changes.flatMap((one) => one.op === "topic.remove" ? [one.name] : []));
    for (const change of changes) {
      if (change.op !== "topic.put") continue;
      // One that was removed and made again is another one.
      if (gone.delete(change.record.name)) topics.forget(change.record.name);
      topics.learn(change.record);
    }
    for (const change of changes) {
      if (change.op === "subscription.remove") subscriptions.forget(change.name);
      else if (change.op === "subscription.put") subscriptions.learn(change.record);
    }
    for (const name of gone) topics.forget(name);
    const records = changes.flatMap((one) => one.op === "redaction.put" ? [one.record] : []);
    if (records.length > 0) redacted?.(records);
  }

  /** A commit of this process is sent. */
  #sending(changes: readonly StateChange[]): (() => void) | undefined {
    const own = changes.filter(changesCatalog);
    if (own.length === 0) return undefined;
    const reads = this.#isReading ? -1 : this.#reads;
    return () => {
      this.#kept.push(...own);
      // What was read meanwhile may be of before it, or of after somebody has changed it again.
      if (reads !== this.#reads) this.#refreshSoon();
    };
  }

  /** Learns nothing more; resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#begun.resolve();
    this.#stopListening?.();
    await this.#last;
  }
}

function schemaChanges(changes: readonly CatalogChange[]) {
  return changes.filter((change) =>
    change.op === "schema.put" || change.op === "schema.remove" || change.op === "schema.level"
  );
}
