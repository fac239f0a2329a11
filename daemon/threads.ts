/**
 * The writer threads. Each is started before it is needed, so that its code loads while the main
 * thread checks the data dir. Those that are started later run the same program, whatever has
 * become of its files (docs/adr/0034-held-programs.md).
 */
import { programFile } from "../core/base/program.ts";
import { WorkerClient } from "../core/worker/client.ts";
import { HeldPrograms } from "../core/worker/held_program.ts";

/** The programs of the threads. */
export const SCRIPTS = {
  state: programFile("daemon/state_worker.ts"),
  sqlite: programFile("daemon/journal_worker.ts"),
  file: programFile("daemon/file_worker.ts"),
};

/** Threads that have been started but not used yet, and the programs for others. */
export class Threads {
  readonly #begun = new Map<string, WorkerClient>();
  /** Undefined for a compiled binary, which contains its programs. */
  readonly #held = Deno.build.standalone ? undefined : new HeldPrograms();

  /** Starts one. It does nothing until it is called. */
  begin(script: URL): void {
    this.#begun.set(script.href, new WorkerClient(script));
  }

  /** Reads the programs of all threads that may be started later. */
  hold(): void {
    for (const script of Object.values(SCRIPTS)) {
      // The state's thread ends when idle and is started again; a store's is started once.
      const later = script === SCRIPTS.state || !this.#begun.has(script.href);
      if (later) this.#held?.hold(script);
    }
  }

  /** Where a thread that is started later loads its program from. */
  async program(script: URL): Promise<URL> {
    return await this.#held?.urlOf(script) ?? script;
  }

  /** Returns the thread that was started; another if it is in use or was never started. */
  async take(script: URL): Promise<WorkerClient> {
    const begun = this.#begun.get(script.href);
    this.#begun.delete(script.href);
    return begun ?? new WorkerClient(await this.program(script));
  }
}
