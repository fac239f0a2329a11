/**
 * The writer threads. Each is started before it is needed, so that its code loads while the main
 * thread checks the data dir.
 */
import { WorkerClient } from "../core/worker/client.ts";

/** The programs of the threads. */
export const SCRIPTS = {
  state: new URL("./state_worker.ts", import.meta.url),
  sqlite: new URL("./journal_worker.ts", import.meta.url),
  file: new URL("./file_worker.ts", import.meta.url),
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
