/**
 * Whoever reads the handlers' output: `evs consume … -- cat | head -1`. When it has gone, a handler
 * that fails because of that has failed no event.
 */
import { ClosedPipe } from "../terminal/output.ts";
import type { ConsumerSettlement } from "../../core/client/consumer/settlement.ts";
import type { HandlerRun } from "./exit_code.ts";

/** What an {@link OutputReader} is given. */
export interface OutputReaderOptions {
  /** Takes output that a batch's handler wrote for us to pass on; throws `ClosedPipe`. */
  write(chunk: Uint8Array): Promise<void>;
  /** Whether nobody reads any more; undefined where that cannot be known. */
  isGone(): Promise<boolean | undefined>;
  /** Told once: the consumer ends, and gives back what it has. */
  onGone(): void;
}

/** Knows whether the handlers' output is read. */
export class OutputReader {
  readonly #options: OutputReaderOptions;
  #gone = false;

  constructor(options: OutputReaderOptions) {
    this.#options = options;
  }

  /**
   * Passes output on; what nobody reads is let go, so that its handler can end. Tells whether it
   * was taken.
   */
  async write(chunk: Uint8Array): Promise<boolean> {
    if (this.#gone) return false;
    try {
      await this.#options.write(chunk);
      return true;
    } catch (error) {
      if (!(error instanceof ClosedPipe)) throw error;
      this.#leave();
      return false;
    }
  }

  /**
   * Looks for the reader where an attempt has failed: without one the consumer ends before it is
   * counted.
   */
  async look(run: HandlerRun, settlements: readonly ConsumerSettlement[]): Promise<void> {
    if (this.#gone || !settlements.some(({ kind }) => kind === "nack")) return;
    const killed = run.kind === "ended" && run.signal === "SIGPIPE";
    if (await this.#options.isGone() ?? killed) this.#leave();
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#options.onGone();
  }
}
