/**
 * A SQLite event store whose writes run in a worker, while reads use a read-only connection in this
 * thread: a slow sync stalls no read and no other connection. What the reads need to know about a
 * topic comes back with every write.
 */
import type { DatabaseSync } from "node:sqlite";
import { type Event, toEvent } from "../../event/event.ts";
import { systemClock } from "../../base/clock.ts";
import { WorkerClient } from "../../worker/client.ts";
import { GONE } from "../sqlite/checked_rows.ts";
import type { Damage, Found } from "../damage.ts";
import { buffersOf, pack, type PackedRequest, type StoreRequest } from "../pack.ts";
import { SqliteReader } from "../sqlite/reader.ts";
import type { Durability } from "../../event/durability.ts";
import { openEventDatabase } from "../sqlite/event_database.ts";
import type { TopicRow } from "../sqlite/topics.ts";
import type { AppendOptions, AppendOutcome, EventQuery, JournalStore } from "../store.ts";
import { ForwardingStore } from "../forwarding_store.ts";
import type { EventReader } from "../reader.ts";

/** A request to the worker. */
export type StoreCall =
  | { op: "open"; path: string; durability: Durability; dedupWindow?: number }
  | { op: "append"; requests: PackedRequest[]; durability?: Durability; early: boolean }
  | { op: "seekAge"; topic: string; age: number }
  | { op: "truncate"; topic: string; seq: number }
  | { op: "raise"; topic: string; lastSeq: number }
  | { op: "removeTopic"; topic: string }
  | { op: "damaged"; found: Found }
  | { op: "acceptDamage" }
  | { op: "close" };

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
  /** Called once for each damage, including damage known from before. */
  onDamage?: (damage: Damage) => void;
}

/** A SQLite store whose writer runs in a worker thread. */
export class WorkerEventStore extends ForwardingStore implements JournalStore {
  readonly kind = "sqlite";
  readonly durable: boolean;
  readonly #worker: WorkerClient;
  readonly #database: DatabaseSync;
  readonly #topics = new Map<string, TopicRow>();
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
    super();
    this.#onDamage = onDamage ?? (() => {});
    this.durable = durability === "always";
    this.#worker = worker;
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
        { op: "open", path, durability, dedupWindow: options.dedupWindow } satisfies StoreCall,
      );
      const store = new WorkerEventStore(worker, path, {
        durability,
        onDamage: options.onDamage,
      });
      store.#learn(answer);
      return store;
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  async append(
    requests: readonly StoreRequest[],
    { durability, onWritten }: AppendOptions = {},
  ): Promise<AppendOutcome[]> {
    const packed = requests.map(pack);
    const early = onWritten !== undefined;
    const answer = await this.#worker.call<StoreAnswer>(
      { op: "append", requests: packed, durability, early } satisfies StoreCall,
      { transfer: packed.flatMap(buffersOf), onReady: onWritten },
    );
    this.#learn(answer);
    return answer.result as AppendOutcome[];
  }

  protected readerOf(): EventReader {
    return this.#reader;
  }

  topics(): string[] {
    return this.#reader.topics();
  }

  async seekAge(topic: string, age: number): Promise<number> {
    const answer = await this.#worker.call<StoreAnswer>(
      { op: "seekAge", topic, age } satisfies StoreCall,
    );
    return answer.result as number;
  }

  async truncate(topic: string, seq: number): Promise<number> {
    const answer = await this.#worker.call<StoreAnswer>(
      { op: "truncate", topic, seq } satisfies StoreCall,
    );
    this.#learn(answer);
    return answer.result as number;
  }

  async raise(topic: string, lastSeq: number): Promise<void> {
    this.#learn(
      await this.#worker.call<StoreAnswer>({ op: "raise", topic, lastSeq } satisfies StoreCall),
    );
  }

  async removeTopic(topic: string): Promise<void> {
    this.#learn(
      await this.#worker.call<StoreAnswer>({ op: "removeTopic", topic } satisfies StoreCall),
    );
  }

  getEvents(topic: string, options: EventQuery = {}): Promise<Event[]> {
    return Promise.resolve(this.#reader.getEvents(topic, options).map((stored) => toEvent(stored)));
  }

  async close(): Promise<void> {
    this.#database.close();
    await this.#worker.call({ op: "close" } satisfies StoreCall);
    this.#worker.terminate();
  }

  #learn(answer: StoreAnswer): void {
    for (const row of answer.topics) this.#topics.set(row.name, row);
    if (!answer.damage) return;
    const known = new Set(this.#damage.map(keyOf));
    this.#damage = answer.damage;
    for (const damage of answer.damage) if (!known.has(keyOf(damage))) this.#onDamage(damage);
  }

  /** The damage found so far; see `evs doctor`. */
  damage(): readonly Damage[] {
    return [...this.#damage, ...this.#pending.values()];
  }

  /** Accepts the damage found so far: it no longer degrades the store's health. */
  async acceptDamage(): Promise<void> {
    this.#learn(await this.#worker.call<StoreAnswer>({ op: "acceptDamage" } satisfies StoreCall));
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
    this.#worker.call<StoreAnswer>({ op: "damaged", found } satisfies StoreCall)
      // A dead worker fails the next append, and the daemon with it; this is reported again after
      // the restart.
      .then((answer) => {
        this.#learn(answer);
        if (found.what === GONE) this.#reported.delete(key);
      }, () => this.#reported.delete(key))
      .then(() => this.#pending.delete(key));
  }
}

function keyOf({ topic, firstSeq, lastSeq, what }: Found): string {
  return `${topic}\n${firstSeq}\n${lastSeq}\n${what}`;
}
