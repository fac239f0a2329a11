/**
 * A SQLite state database whose commits run in a worker, while reads use a read-only connection in
 * this thread: a slow sync of an ack delays nobody. Commits that arrive while one is under way
 * share the next transaction.
 *
 * A worker takes several MiB, so it is ended after a while without commits; the next commit starts
 * another. The read-only connection stays, and with it the log and its index, so a new worker finds
 * everything as it was left and recovers nothing.
 */
import { type Clock, systemClock } from "../base/clock.ts";
import { NamedFiles } from "../base/named_files.ts";
import { CannotStoreError } from "../base/errors.ts";
import { IdleTimer } from "../base/idle_timer.ts";
import { WorkerClient } from "../worker/client.ts";
import { PageScrubber } from "../store/sqlite/scrub.ts";
import { STATE_FORMAT } from "./migrations.ts";
import { refuseFences } from "./fences.ts";
import type { GroupRecord } from "./group_rules.ts";
import { SqliteState } from "./sqlite.ts";
import type { AuditQuery, AuditRecord } from "../event/audit.ts";
import type {
  BoundDeadLetterFilter,
  CommitOptions,
  DeadLetterGroupCount,
  DeadLetterKey,
  DeadLetterKeysRequest,
  DeadLetterName,
  DeadLetterPage,
  DeadLetterPageRequest,
  GroupTrendCount,
  RetryRecord,
  State,
  StateChange,
  StateSnapshot,
} from "./state.ts";

/** A request to the worker. */
export type StateCall =
  | { op: "open"; path: string; again?: number }
  | { op: "commit"; changes: StateChange[]; sync: boolean }
  | { op: "scrub"; step: "begin" | "end" }
  | { op: "close" };

/**
 * Explains why a new worker does not start if it is loaded from the program's source, which may
 * have changed.
 */
const REPLACED =
  "where the program was replaced or removed while the daemon ran, start it again: evs daemon start";

interface Waiting {
  op: "commit" | "scrub";
  sync: boolean;
  changes: readonly StateChange[];
  resolve(): void;
  reject(error: unknown): void;
}

/** How a {@link WorkerState} is opened. */
export interface WorkerStateOptions {
  /** The worker: daemon/state_worker.ts. */
  script: URL;
  /** A worker that was already started. */
  worker?: WorkerClient | undefined;
  /**
   * Where later workers are loaded from; by default from the script, as it is by then. Called again
   * for each of them.
   */
  again?: () => Promise<URL>;
  /** Called after commits. */
  onCommit?: () => void;
  clock?: Clock;
}

/** The state with its writer in a worker thread. */
export class WorkerState implements State {
  readonly #script: URL;
  readonly #again: (() => Promise<URL>) | undefined;
  readonly #onCommit: (() => void) | undefined;
  readonly #path: string;
  readonly #reader: SqliteState;
  readonly #rest: IdleTimer;
  /** Undefined while idle. */
  #worker: WorkerClient | undefined;
  #waiting: Waiting[] = [];
  /** Running commits, or the end of the worker: one after the other, never both. */
  #running: Promise<void> | undefined;
  /** Created once all files exist. */
  readonly #named: NamedFiles;
  readonly #scrubber: PageScrubber;
  #failed = false;
  #generation = 0;
  /** The snapshot from opening, until it is requested or something is committed. */
  #loaded: StateSnapshot | undefined;

  private constructor(worker: WorkerClient, path: string, options: WorkerStateOptions) {
    this.#worker = worker;
    this.#path = path;
    this.#scrubber = new PageScrubber(path);
    this.#script = options.script;
    this.#again = options.again;
    this.#onCommit = options.onCommit;
    this.#reader = new SqliteState(path, { readOnly: true });
    this.#named = new NamedFiles([path, `${path}-wal`]);
    this.#rest = new IdleTimer({
      clock: options.clock ?? systemClock,
      rested: () => this.#rested(),
    });
    this.#rest.note();
  }

  /** Starts the worker on the database at `path`. */
  static async open(path: string, options: WorkerStateOptions): Promise<WorkerState> {
    const begun = options.worker ?? new WorkerClient(options.script);
    const worker = await begin(begun, { op: "open", path });
    try {
      const state = new WorkerState(worker, path, options);
      // Load now: other stores may still be opening in other threads.
      state.#loaded = state.#reader.load();
      state.#generation = state.#loaded.generation;
      return state;
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  /** The state's generation when it was opened. */
  get generation(): number {
    return this.#generation;
  }

  load(): StateSnapshot {
    const loaded = this.#loaded ?? this.#reader.load();
    this.#loaded = undefined;
    return loaded;
  }

  commit(
    changes: readonly StateChange[],
    { sync = true, fences }: CommitOptions = {},
  ): Promise<void> {
    if (changes.length === 0) return Promise.resolve();
    this.#loaded = undefined;
    return new Promise((resolve, reject) => {
      refuseFences(fences);
      this.#waiting.push({ op: "commit", changes, sync, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  scrub(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ op: "scrub", changes: [], sync: true, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** The next of the waiting ones that share a transaction. */
  #next(): Waiting[] {
    const [first, ...rest] = this.#waiting;
    const others = rest.findIndex(({ op }) => op !== first!.op);
    return this.#waiting.splice(0, others < 0 ? Infinity : others + 1);
  }

  async #run(): Promise<void> {
    // Yield once, so that commits of the same tick share the first transaction.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#next();
      const sync = batch.some((waiting) => waiting.sync);
      try {
        this.#worker ??= await this.#beginAgain();
        if (batch[0]!.op === "scrub") await this.#scrub(this.#worker);
        else {
          const changes = batch.flatMap((waiting) => waiting.changes);
          await this.#worker.call({ op: "commit", changes, sync } satisfies StateCall);
        }
        if (sync) this.#named.check();
        for (const { resolve } of batch) resolve();
      } catch (error) {
        if (!(error instanceof CannotStoreError)) this.#failed = true;
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = undefined;
    this.#rest.note();
    this.#onCommit?.();
  }

  /**
   * Overwrites in this thread: the file must stay open as long as this thread reads the database,
   * and a worker closes its files when it ends.
   */
  async #scrub(worker: WorkerClient): Promise<void> {
    await worker.call({ op: "scrub", step: "begin" } satisfies StateCall);
    try {
      this.#scrubber.overwrite();
    } finally {
      await worker.call({ op: "scrub", step: "end" } satisfies StateCall);
    }
  }

  async #beginAgain(): Promise<WorkerClient> {
    const program = await this.#again?.();
    // A new worker would recreate missing files.
    this.#named.check();
    const worker = program === undefined
      ? new WorkerClient(this.#script, { unbegun: REPLACED })
      : new WorkerClient(program);
    return await begin(worker, { op: "open", path: this.#path, again: STATE_FORMAT });
  }

  #rested(): void {
    // After a failure the worker stays and refuses: a new one would trust a file that was not read
    // again.
    if (this.#running || !this.#worker || this.#failed) return;
    // Deliberately not caught: an error here ends the daemon (daemon/uncaught.ts).
    this.#running = this.#end(this.#worker);
  }

  async #end(worker: WorkerClient): Promise<void> {
    try {
      await worker.call({ op: "close" } satisfies StateCall);
      worker.terminate();
      this.#worker = undefined;
    } finally {
      // Commits that arrived meanwhile start a new worker. If this one could not be ended, it gets
      // them and refuses.
      this.#running = this.#waiting.length > 0 ? this.#run() : undefined;
    }
  }

  retry(subscription: string, topic: string, id: string): RetryRecord | undefined {
    return this.#reader.retry(subscription, topic, id);
  }

  scheduledLine(number: number): Uint8Array | undefined {
    return this.#reader.scheduledLine(number);
  }

  deadLetters(filter: BoundDeadLetterFilter, page: DeadLetterPageRequest): DeadLetterPage {
    return this.#reader.deadLetters(filter, page);
  }

  countDeadLetters(filter: BoundDeadLetterFilter): number {
    return this.#reader.countDeadLetters(filter);
  }

  deadLetterKeys(request: DeadLetterKeysRequest): DeadLetterKey[] {
    return this.#reader.deadLetterKeys(request);
  }

  jobPart(job: number, part: number): DeadLetterName[] | undefined {
    return this.#reader.jobPart(job, part);
  }

  audit(query: AuditQuery): AuditRecord[] {
    return this.#reader.audit(query);
  }

  deadLetterCounts(): Map<string, number> {
    return this.#reader.deadLetterCounts();
  }

  deadLetterGroups(): GroupRecord[] {
    return this.#reader.deadLetterGroups();
  }

  deadLetterGroupCounts(): DeadLetterGroupCount[] {
    return this.#reader.deadLetterGroupCounts();
  }

  closedDeadLetterCounts(): Map<string, number> {
    return this.#reader.closedDeadLetterCounts();
  }

  deadLetterTrend(end: number): GroupTrendCount[] {
    return this.#reader.deadLetterTrend(end);
  }

  async close(): Promise<void> {
    this.#rest.stop();
    while (this.#running) await this.#running;
    if (!this.#worker) {
      // A reader leaves the log behind; a writer that closes last moves it into the database.
      const writer = new SqliteState(this.#path, { again: STATE_FORMAT, lock: false });
      await this.#reader.close();
      writer.closeSync();
      return this.#scrubber.close();
    }
    await this.#reader.close();
    await this.#worker.call({ op: "close" } satisfies StateCall);
    this.#scrubber.close();
    this.#worker.terminate();
  }
}

/** Tells the worker to open the database. */
async function begin(
  worker: WorkerClient,
  call: Extract<StateCall, { op: "open" }>,
): Promise<WorkerClient> {
  try {
    await worker.call(call);
    return worker;
  } catch (error) {
    worker.terminate();
    throw error;
  }
}
