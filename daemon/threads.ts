/**
 * The writer threads. Each is started before it is needed, so that its code loads while the main
 * thread checks the data dir.
 */
import { programFile } from "../core/base/program.ts";
import { WorkerClient } from "../core/worker/client.ts";

/** The programs of the threads. */
export const SCRIPTS = {
  state: programFile("daemon/state_worker.ts"),
  sqlite: programFile("daemon/journal_worker.ts"),
  file: programFile("daemon/file_worker.ts"),
};

/** Threads that have been started but not used yet. */
export class Threads {
  readonly #begun = new Map<string, WorkerClient>();

  /** Starts one. It does nothing until it is called. */
  begin(script: URL): void {
    this.#begun.set(script.href, new WorkerClient(script));
  }

  /**
   * Returns the thread that was started; undefined if it is already in use or was never started.
   */
  take(script: URL): WorkerClient | undefined {
    const begun = this.#begun.get(script.href);
    this.#begun.delete(script.href);
    return begun;
  }
}
