/**
 * A SQLite event store whose writes run in a worker, while reads use a read-only connection in this
 * thread: a slow sync stalls no read and no other connection. What the reads need to know about a
 * topic comes back with every write.
 */
import type { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../base/clock.ts";
import { WorkerClient } from "../../worker/client.ts";
import { GONE } from "../sqlite/checked_rows.ts";
import type { Damage, Found } from "../damage.ts";
import { SqliteReader } from "../sqlite/reader.ts";
import type { Durability } from "../../event/durability.ts";
import { openEventDatabase } from "../sqlite/event_database.ts";
import type { TopicRow } from "../sqlite/topics.ts";
import type { JournalStore } from "../store.ts";
import { WorkerStore, type WriterCall } from "./worker_store.ts";

/** A request to the worker. */
export type StoreCall =
  | {
    op: "open";
    path: string;
    durability: Durability;
    dedupWindow?: number;
    /** The path of the space reserve. */
    reserve?: string | undefined;
  }
  | WriterCall
  | { op: "damaged"; found: Found }
  | { op: "acceptDamage" }
  | { op: "keepRoom"; keeps: boolean };

/** The worker's answer: the result, and the topics that it touched. */
export interface StoreAnswer {
  result: unknown;
  topics: TopicRow[];
  /** The known damage, if it may have changed. */
  damage?: readonly Damage[];
}

/** How a {@link WorkerEventStore} is opened. */
export interface WorkerStoreOptions {
  /** The worker: daemon/journal_worker.ts. */
  script: URL;
  /** A worker that was already started. */
  worker?: WorkerClient | undefined;
  durability?: Durability;
  dedupWindow?: number;
  /** The path of the space reserve; absent: none is kept. */
  reserve?: string | undefined;
  /** Called once for each damage, including damage known from before. */
  onDamage?: (damage: Damage) => void;
}

/** A SQLite store whose writer runs in a worker thread. */
export class WorkerEventStore extends WorkerStore<StoreAnswer> implements JournalStore {
  readonly kind = "sqlite";
  readonly #database: DatabaseSync;
  /** Topics as the writer told of them last. */
  readonly #told = new Map<string, TopicRow>();
  /** The same for readers, without what is being deleted. */
  readonly #topics = new Map<string, TopicRow>();
  /**
   * What is being deleted: events of a topic below a seq. Readers see the database as it is, so
   * those may be gone before the writer's answer is here; a reader would pass over them and tell
   * nobody.
   */
  readonly #deletions = new Set<{ topic: string; seq: number }>();
  readonly #reader: SqliteReader;
  readonly #onDamage: (damage: Damage) => void;
  /** Damage found here that the worker has not confirmed yet. */
  readonly #pending = new Map<string, Damage>();
  readonly #reported = new Set<string>();
  #damage: readonly Damage[] = [];

  private constructor(
    worker: WorkerClient,
    path: string,
    { durability, onDamage }: { durability: Durability; onDamage?: (damage: Damage) => void },
  ) {
    super(worker, durability);
    this.#onDamage = onDamage ?? (() => {});
    this.#database = openEventDatabase(path, { readOnly: true });
    this.#reader = new SqliteReader(this.#database, {
      topics: this.#topics,
      report: (found) => this.#report(found),
    });
  }

  /** Starts the worker on the database at `path`. */
  static async open(path: string, options: WorkerStoreOptions): Promise<WorkerEventStore> {
    const durability = options.durability ?? "always";
    const worker = options.worker ?? new WorkerClient(options.script);
    try {
      const answer = await worker.call<StoreAnswer>(
        {
          op: "open",
          path,
          durability,
          dedupWindow: options.dedupWindow,
          reserve: options.reserve,
        } satisfies StoreCall,
      );
      const store = new WorkerEventStore(worker, path, {
        durability,
        onDamage: options.onDamage,
      });
      store.learn(answer);
      return store;
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  protected override readerOf(): SqliteReader {
    return this.#reader;
  }

  async keepRoom(keeps: boolean): Promise<void> {
    await this.worker.call({ op: "keepRoom", keeps } satisfies StoreCall);
  }

  override async close(): Promise<void> {
    this.#database.close();
    await super.close();
  }

  protected override learn(answer: StoreAnswer): void {
    for (const row of answer.topics) {
      this.#told.set(row.name, row);
      this.#show(row.name);
    }
    if (!answer.damage) return;
    const known = new Set(this.#damage.map(keyOf));
    this.#damage = answer.damage;
    for (const damage of answer.damage) if (!known.has(keyOf(damage))) this.#onDamage(damage);
  }

  override truncate(topic: string, seq: number): Promise<number> {
    return this.#deletingBelow(topic, { seq, work: () => super.truncate(topic, seq) });
  }

  override removeTopic(topic: string): Promise<void> {
    const seq = (this.#told.get(topic)?.lastSeq ?? 0) + 1;
    return this.#deletingBelow(topic, { seq, work: () => super.removeTopic(topic) });
  }

  async #deletingBelow<T>(
    topic: string,
    { seq, work }: { seq: number; work: () => Promise<T> },
  ): Promise<T> {
    const deletion = { topic, seq };
    this.#deletions.add(deletion);
    this.#show(topic);
    try {
      return await work();
    } finally {
      // If the writer refused, everything is there again.
      this.#deletions.delete(deletion);
      this.#show(topic);
    }
  }

  #show(topic: string): void {
    const row = this.#told.get(topic);
    if (row === undefined) return;
    let { firstSeq } = row;
    for (const { topic: name, seq } of this.#deletions) {
      if (name === topic) firstSeq = Math.max(firstSeq, Math.min(seq, row.lastSeq + 1));
    }
    this.#topics.set(topic, firstSeq > row.firstSeq ? { ...row, firstSeq } : row);
  }

  /** The damage found so far; see `evs doctor`. */
  damage(): readonly Damage[] {
    return [...this.#damage, ...this.#pending.values()];
  }

  /** Accepts the damage found so far: it no longer degrades the store's health. */
  async acceptDamage(): Promise<void> {
    this.learn(await this.worker.call<StoreAnswer>({ op: "acceptDamage" } satisfies StoreCall));
  }

  /** Sends damage found by a read to the register, which the worker keeps. */
  #report(found: Found): void {
    const key = keyOf(found);
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    // Missing events may have been deleted by retention; the worker knows.
    if (found.what !== GONE) {
      this.#pending.set(key, { ...found, foundAt: systemClock.now(), accepted: false });
    }
    this.worker.call<StoreAnswer>({ op: "damaged", found } satisfies StoreCall)
      // A dead worker fails the next append, and the daemon with it; this is reported again after
      // the restart.
      .then((answer) => {
        this.learn(answer);
        if (found.what === GONE) this.#reported.delete(key);
      }, () => this.#reported.delete(key))
      .then(() => this.#pending.delete(key));
  }
}

function keyOf({ topic, firstSeq, lastSeq, what }: Found): string {
  return `${topic}\n${firstSeq}\n${lastSeq}\n${what}`;
}
