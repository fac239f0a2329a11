/** What a state in PostgreSQL offers to the processes that share it. */
import { defined } from "../../base/defined.ts";
import type { Clock } from "../../base/clock.ts";
import type { Postgres, Query } from "../../postgres/connection.ts";
import { type Patience, patiently } from "../../postgres/patience.ts";
import { WakeUps } from "../../postgres/wake_ups.ts";
import type { RemovedDeadLetters } from "../../event/removed_dead_letters.ts";
import type { SharedCatalogSnapshot } from "../catalog_diff.ts";
import type { PartRows } from "../coordinator.ts";
import type {
  CoordinatorOptions,
  ProgressRequest,
  SharedProgress,
  SharedState,
} from "../shared.ts";
import { CatalogWatch } from "./catalog_watch.ts";
import { DatabaseClock } from "./database_clock.ts";
import { JobClaims } from "./job_claims.ts";
import { NODE_TTL_MS, PostgresNode } from "./node.ts";
import type { SharedCounts } from "../shared_counts.ts";
import type { ScheduleHost } from "../scheduler.ts";
import { readCounts } from "./counts.ts";
import { isProcessedUpTo } from "./processed.ts";
import type { NodeTally } from "./node_share.ts";
import { readProgress } from "./progress.ts";
import type { RetriesRequest, StoredRetries } from "../shared_retries.ts";
import { readRetries } from "./retry_pages.ts";
import { readQueue } from "./queue_rows.ts";
import { PostgresSchedule } from "./schedule.ts";
import { readRemoved, readSharedCatalog } from "./snapshot.ts";

/** What is said of this node when the state is opened. */
export type NodeOptions = Pick<CoordinatorOptions, "host" | "ttlMs"> & {
  /** Those that this process has already. */
  wakeUps?: WakeUps;
};

/** A node as it knows itself. */
export interface NodeFacts {
  /** Parts of subscriptions that it owns. */
  owned: number;
  /** How long ago it said last that it is there, ms; undefined: it has not yet. */
  beatAge: number | undefined;
  tally: Readonly<NodeTally>;
  /** To the database, of the state alone. */
  connections: number;
  /** How long a wake-up took when that was measured last, ms; undefined: none came back. */
  wakeUpDelay: number | undefined;
}

/** The shared half of a state in PostgreSQL. */
export class SharedPostgres implements SharedState {
  readonly #postgres: Postgres;
  readonly #waiting: Patience;
  readonly #time: DatabaseClock;
  readonly #wakeUps: WakeUps;
  /** The connection for wake-ups is another's, too. */
  readonly #isGuest: boolean;
  readonly #watch: CatalogWatch;
  readonly jobs: JobClaims;
  /** Told of the node that this process is. */
  readonly #named: (node: string) => void;
  readonly #options: Omit<NodeOptions, "wakeUps">;
  #node: PostgresNode | undefined;
  /** For failures that no caller waits for. */
  #onError: CoordinatorOptions["onError"] = () => {};
  /** How long a wake-up took, ms, and when that was measured. */
  readonly #delay: { at: number; ms: number | undefined } = { at: -Infinity, ms: undefined };
  /** The last read of counts, and when it began. */
  #counts: { at: number; counts: Promise<ReadonlyMap<string, SharedCounts>> } | undefined;

  constructor(
    postgres: Postgres,
    { named, node, ...waiting }: Patience & {
      node: NodeOptions;
      named(node: string): void;
    },
  ) {
    const { wakeUps, ...options } = node;
    this.#options = options;
    this.#postgres = postgres;
    this.#waiting = waiting;
    this.#time = new DatabaseClock(waiting.clock);
    this.#wakeUps = wakeUps ?? new WakeUps(postgres.target, { clock: waiting.clock });
    this.#isGuest = wakeUps !== undefined;
    this.#named = named;
    this.#watch = new CatalogWatch({
      clock: waiting.clock,
      wakeUps: this.#wakeUps,
      read: () => this.#read(readSharedCatalog),
      count: async () => (await postgres.query<{ rev: number }>("read", COUNT))[0]!.rev,
    });
    this.jobs = this.#jobClaims();
  }

  #jobClaims(): JobClaims {
    return new JobClaims({
      postgres: this.#postgres,
      read: (read) => this.#read(read),
      wakeUps: this.#wakeUps,
      clock: this.#waiting.clock,
      ttlMs: this.#options.ttlMs ?? NODE_TTL_MS,
      node: () => this.#node?.node,
      onError: (error, context) => this.#onError(error, context),
    });
  }

  get clock(): Clock {
    return this.#time;
  }

  /** Sets the clock by the database's. */
  async open(): Promise<void> {
    await this.#time.measure(async () => {
      const [row] = await this.#postgres.query<{ now: number }>("read", TIME);
      return row!;
    });
    // The last step: one that could not be opened is not closed.
    if (this.#isGuest) this.#wakeUps.share();
  }

  coordinator(options: CoordinatorOptions): PostgresNode {
    this.#node ??= new PostgresNode({
      ...defined(this.#options),
      ...options,
      postgres: this.#postgres,
      wakeUps: this.#wakeUps,
      time: this.#time,
      load: (subscription, parts) => this.loadQueue(subscription, parts),
    });
    this.#onError = options.onError;
    this.#named(this.#node.node);
    return this.#node;
  }

  catalog(): Promise<SharedCatalogSnapshot> {
    return this.#watch.read();
  }

  onCatalog(listener: () => void): () => void {
    return this.#watch.listen(listener);
  }

  loadQueue(subscription: string, parts?: readonly number[]): Promise<PartRows> {
    return this.#read((query) => readQueue(query, { subscription, parts }));
  }

  removedDeadLetters(): Promise<RemovedDeadLetters[]> {
    return this.#read(readRemoved);
  }

  progress(request: ProgressRequest): Promise<SharedProgress[]> {
    return this.#read((query) => readProgress(query, request));
  }

  schedule(host: ScheduleHost): PostgresSchedule {
    const { clock, patience, signal } = this.#waiting;
    const wakeUps = this.#wakeUps;
    const waiting = { clock, patience, ...(signal ? { signal } : {}) };
    return new PostgresSchedule({ ...waiting, postgres: this.#postgres, wakeUps, host });
  }

  /** Read once for all who ask within a second. */
  counts(): Promise<ReadonlyMap<string, SharedCounts>> {
    const now = this.#waiting.clock.monotonic();
    if (this.#counts && now - this.#counts.at < COUNTED_MS) return this.#counts.counts;
    const ttlMs = this.#options.ttlMs ?? NODE_TTL_MS;
    const counts = this.#read((query) => readCounts(query, { ttlMs }));
    this.#counts = { at: now, counts };
    // One that could not be read is not handed to others.
    counts.catch(() => this.#counts = undefined);
    return counts;
  }

  isProcessed(subscription: string, topic: string, seq: number): Promise<boolean> {
    return this.#read((query) => isProcessedUpTo(query, { subscription, topic, seq }));
  }

  retries(request: RetriesRequest): Promise<StoredRetries> {
    return this.#read((query) => readRetries(query, request));
  }

  /** What this process is as a node, for metrics; undefined: it is none. */
  facts(): NodeFacts | undefined {
    const node = this.#node;
    if (node === undefined) return undefined;
    this.#measureDelay();
    const listens = !this.#isGuest && this.#wakeUps.isConnected;
    const connections = this.#postgres.connected + (listens ? 1 : 0);
    const { owned, beatAge, tally } = node;
    return { owned, beatAge, tally, connections, wakeUpDelay: this.#delay.ms };
  }

  /** Nobody waits for it: who asks next is told. */
  #measureDelay(): void {
    const now = this.#waiting.clock.monotonic();
    if (now - this.#delay.at < DELAY_MS) return;
    this.#delay.at = now;
    void this.#wakeUps.delay().then((ms) => this.#delay.ms = ms);
  }

  /** Sends a wake-up to all nodes, if this process is one. */
  wake(kind: string, item: string): void {
    if (this.#node) this.#wakeUps.send(kind, item);
  }

  #read<T>(read: (query: Query) => Promise<T>): Promise<T> {
    return patiently(() => momentOf(this.#postgres, read), this.#waiting);
  }

  /** Gives all back; before the connections are closed. */
  async close(): Promise<void> {
    await this.#watch.close();
    await this.jobs.close();
    await this.#node?.close();
    await this.#wakeUps.close();
  }
}

const COUNT = "SELECT rev FROM evs.counters WHERE name = 'catalog'";
/** How long counts are as good as new, ms. */
const COUNTED_MS = 1000;
/** How long the delay of a wake-up is. */
const DELAY_MS = 10_000;
const TIME = "SELECT extract(epoch FROM clock_timestamp())::double precision * 1000 AS now";

/** What is there at one moment. */
export function momentOf<T>(postgres: Postgres, read: (query: Query) => Promise<T>): Promise<T> {
  return postgres.transaction("read", async (query) => {
    await query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
    return await read(query);
  });
}
