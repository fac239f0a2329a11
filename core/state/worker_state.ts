/**
 * A SQLite state database whose commits run in a worker and whose reads run here, on a read-only
 * connection: a slow sync of an ack stalls nobody. Commits that arrive while one is under way go
 * down together, as one transaction.
 *
 * A worker weighs several MiB, so where nothing was committed for a while it ends; the next commit
 * begins another. The read-only connection stays, and with it the log and its index: what begins
 * finds all as it was left, and recovers nothing.
 */
import { type Clock, systemClock } from "../base/clock.ts";
import { NamedFiles } from "../base/named_files.ts";
import { CannotStoreError } from "../base/errors.ts";
import { IdleTimer } from "../base/idle_timer.ts";
import { WorkerClient } from "../worker/client.ts";
import { STATE_FORMAT } from "./migrations.ts";
import { SqliteState } from "./sqlite.ts";
import type {
  CommitOptions,
  DeadLetterFilter,
  DeadLetterPage,
  DeadLetterPageRequest,
  RetryRecord,
  State,
  StateChange,
  StateSnapshot,
} from "./state.ts";

/** What the worker is asked. */
export type StateCall =
  | { op: "open"; path: string; again?: number }
  | { op: "commit"; changes: StateChange[]; sync: boolean }
  | { op: "close" };

/** Why another worker does not begin. It is loaded from the program's source, as it is by then. */
const REPLACED =
  "where the program was replaced or removed while the daemon ran, start it again: evs daemon start";

interface Waiting {
  sync: boolean;
  changes: readonly StateChange[];
  resolve(): void;
  reject(error: unknown): void;
}

/** How a {@link WorkerState} is opened. */
export interface WorkerStateOptions {
  /** The worker: daemon/state_worker.ts. */
  script: URL;
  /** One that was begun already. */
  worker?: WorkerClient | undefined;
  clock?: Clock;
}

/** The state with its writer in a worker thread. */
export class WorkerState implements State {
  readonly #script: URL;
  readonly #path: string;
  readonly #reader: SqliteState;
  readonly #rest: IdleTimer;
  /** None while at rest. */
  #worker: WorkerClient | undefined;
  #waiting: Waiting[] = [];
  /** Commits under way, or the end of the worker: one after the other, never both. */
  #running: Promise<void> | undefined;
  /** Made when all of it is there. */
  readonly #named: NamedFiles;
  #failed = false;
  #generation = 0;
  /** What was kept when it was opened, until somebody asks or something is committed. */
  #loaded: StateSnapshot | undefined;

  private constructor(worker: WorkerClient, path: string, options: WorkerStateOptions) {
    this.#worker = worker;
    this.#path = path;
    this.#script = options.script;
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
      // Now: other stores may still be opening, in other threads.
      state.#loaded = state.#reader.load();
      state.#generation = state.#loaded.generation;
      return state;
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  /** What the state counted when it was opened. */
  get generation(): number {
    return this.#generation;
  }

  load(): StateSnapshot {
    const loaded = this.#loaded ?? this.#reader.load();
    this.#loaded = undefined;
    return loaded;
  }

  commit(changes: readonly StateChange[], { sync = true }: CommitOptions = {}): Promise<void> {
    if (changes.length === 0) return Promise.resolve();
    this.#loaded = undefined;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, sync, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // One turn: what is committed in the same tick shares the first transaction.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      const sync = batch.some((waiting) => waiting.sync);
      try {
        // A worker that begins would make what is gone anew.
        if (!this.#worker) this.#named.check();
        this.#worker ??= await begin(new WorkerClient(this.#script, { unbegun: REPLACED }), {
          op: "open",
          path: this.#path,
          again: STATE_FORMAT,
        });
        await this.#worker.call(
          {
            op: "commit",
            changes: batch.flatMap((waiting) => waiting.changes),
            sync,
          } satisfies StateCall,
        );
        if (sync) this.#named.check();
        for (const { resolve } of batch) resolve();
      } catch (error) {
        if (!(error instanceof CannotStoreError)) this.#failed = true;
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = undefined;
    this.#rest.note();
  }

  #rested(): void {
    // After a failure the worker stays, and refuses: another would trust a file that nobody has
    // read again.
    if (this.#running || !this.#worker || this.#failed) return;
    // Nobody catches what goes wrong here, so that the daemon ends with it (daemon/uncaught.ts).
    this.#running = this.#end(this.#worker);
  }

  async #end(worker: WorkerClient): Promise<void> {
    try {
      await worker.call({ op: "close" } satisfies StateCall);
      worker.terminate();
      this.#worker = undefined;
    } finally {
      // What was committed meanwhile begins another; where this one would not end it is asked, and
      // refuses.
      this.#running = this.#waiting.length > 0 ? this.#run() : undefined;
    }
  }

  retry(subscription: string, topic: string, id: string): RetryRecord | undefined {
    return this.#reader.retry(subscription, topic, id);
  }

  deadLetters(filter: DeadLetterFilter, page: DeadLetterPageRequest): DeadLetterPage {
    return this.#reader.deadLetters(filter, page);
  }

  countDeadLetters(filter: DeadLetterFilter): number {
    return this.#reader.countDeadLetters(filter);
  }

  deadLetterCounts(): Map<string, number> {
    return this.#reader.deadLetterCounts();
  }

  async close(): Promise<void> {
    this.#rest.stop();
    while (this.#running) await this.#running;
    if (!this.#worker) {
      // A reader leaves the log behind; whoever writes and is the last to close puts it into the
      // database.
      const writer = new SqliteState(this.#path, { again: STATE_FORMAT, lock: false });
      await this.#reader.close();
      writer.closeSync();
      return;
    }
    await this.#reader.close();
    await this.#worker.call({ op: "close" } satisfies StateCall);
    this.#worker.terminate();
  }
}

/** Has the worker open the database. */
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
