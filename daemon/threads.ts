/**
 * The threads that write. Each is begun before it is needed: its code loads while this one looks at
 * the data dir.
 */
import { WorkerClient } from "../core/worker/client.ts";

/** The programs of the threads. */
export const SCRIPTS = {
  state: new URL("./state_worker.ts", import.meta.url),
  sqlite: new URL("./journal_worker.ts", import.meta.url),
  file: new URL("./file_worker.ts", import.meta.url),
};

/** Threads that nobody has taken yet. */
export class Threads {
  readonly #begun = new Map<string, WorkerClient>();

  /** Begins one. It does nothing until it is called. */
  begin(script: URL): void {
    this.#begun.set(script.href, new WorkerClient(script));
  }

  /** The one that was begun; undefined when it was taken, or never begun. */
  take(script: URL): WorkerClient | undefined {
    const begun = this.#begun.get(script.href);
    this.#begun.delete(script.href);
    return begun;
  }
}
