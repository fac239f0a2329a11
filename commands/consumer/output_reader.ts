/**
 * Watches the reader of the handlers' output: `evs consume … -- cat | head -1`. Once the reader has
 * gone, a handler that fails because of that has not failed its event.
 */
import { ClosedPipe } from "../terminal/output.ts";
import type { ConsumerSettlement } from "../../core/client/consumer/settlement.ts";
import type { HandlerRun } from "./exit_code.ts";

/** The options of an {@link OutputReader}. */
export interface OutputReaderOptions {
  /** Writes the output of a batch handler; throws `ClosedPipe`. */
  write(chunk: Uint8Array): Promise<void>;
  /** Whether the reader has gone; undefined if that cannot be determined. */
  isGone(): Promise<boolean | undefined>;
  /** Called once: the consumer stops and returns its events. */
  onGone(): void;
}

/** Knows whether somebody reads the handlers' output. */
export class OutputReader {
  readonly #options: OutputReaderOptions;
  #gone = false;

  constructor(options: OutputReaderOptions) {
    this.#options = options;
  }

  /**
   * Passes output on. Output that nobody reads is discarded, so that its handler can finish.
   * Returns whether it was accepted.
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
   * Checks for the reader after a failed attempt: without a reader, the consumer stops before the
   * attempt is counted.
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
