/**
 * A SQLite state database whose commits run in a worker and whose reads run here, on a read-only connection: a slow sync
 * of an ack stalls nobody. Commits that arrive while one is under way go down together, as one transaction.
 */
import { WorkerClient } from "../worker/client.ts";
import { SqliteState } from "./sqlite.ts";
import type {
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
  | { op: "open"; path: string }
  | { op: "commit"; changes: StateChange[] }
  | { op: "close" };

interface Waiting {
  changes: readonly StateChange[];
  resolve(): void;
  reject(error: unknown): void;
}

/** The state as the daemon keeps it; see the head of this file. */
export class WorkerState implements State {
  readonly #worker: WorkerClient;
  readonly #reader: SqliteState;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  private constructor(worker: WorkerClient, path: string) {
    this.#worker = worker;
    this.#reader = new SqliteState(path, { readOnly: true });
  }

  /** Starts the worker at `script` (daemon/state_worker.ts) on the database at `path`. */
  static async open(path: string, options: { script: URL }): Promise<WorkerState> {
    const worker = new WorkerClient(options.script);
    try {
      await worker.call({ op: "open", path } satisfies StateCall);
      return new WorkerState(worker, path);
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  load(): StateSnapshot {
    return this.#reader.load();
  }

  commit(changes: readonly StateChange[]): Promise<void> {
    if (changes.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // One turn: what is committed in the same tick shares the first transaction.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      try {
        await this.#worker.call(
          {
            op: "commit",
            changes: batch.flatMap((waiting) => waiting.changes),
          } satisfies StateCall,
        );
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = undefined;
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
    while (this.#running) await this.#running;
    await this.#reader.close();
    await this.#worker.call({ op: "close" } satisfies StateCall);
    this.#worker.terminate();
  }
}
