/**
 * Standard output and standard error, always written completely.
 *
 * A write may accept less than it was given; the rest follows. A closed pipe is not an error: `evs
 * tail | head` ends quietly ({@link ClosedPipe}). Streams are written without blocking the event
 * loop, so that Ctrl-C works even while the reader of the pipe is blocked. A file has no reader, so
 * it is written synchronously, without a detour through another thread.
 */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { osReason } from "../../core/base/thrown.ts";

/** What an {@link Output} writes to; `Deno.stdout` is one. */
export interface Sink {
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
  isTerminal(): boolean;
  /** Characters per line of the terminal, if known. */
  columns?(): number | undefined;
  /** True for a file: it accepts everything at once, and there is no reader to wait for. */
  isFile?(): boolean;
}

/** This process's standard output. */
export const standardOutput: Sink = {
  write: (bytes) => Deno.stdout.write(bytes),
  writeSync: (bytes) => Deno.stdout.writeSync(bytes),
  isTerminal: () => Deno.stdout.isTerminal(),
  columns() {
    try {
      return Deno.consoleSize().columns;
    } catch {
      // A terminal without a size, such as a serial line: nothing is cut.
      return undefined;
    }
  },
  isFile() {
    try {
      return Deno.statSync("/dev/stdout").isFile;
    } catch {
      // Not supported on this system: use the way that always works.
      return false;
    }
  },
};

/** The reader of our output has gone: end quietly, with 0. */
export class ClosedPipe extends Error {
  override name = "ClosedPipe";
}

const encoder = new TextEncoder();

/** A stream to write to. */
export class Output {
  #sink: Sink;
  #terminal: boolean | undefined;
  #file: boolean | undefined;
  /** For standard error: output that cannot be written is discarded. */
  #lossy: boolean;

  constructor(sink: Sink, options: { lossy?: boolean } = {}) {
    this.#sink = sink;
    this.#lossy = options.lossy ?? false;
  }

  /** True for a terminal. */
  get isTerminal(): boolean {
    return this.#terminal ??= this.#sink.isTerminal();
  }

  /** True for a file: its contents are written when {@link write} returns. */
  get isFile(): boolean {
    return this.#file ??= this.#sink.isFile?.() ?? false;
  }

  /** The width of the terminal; undefined if there is none or it is unknown. */
  get columns(): number | undefined {
    if (!this.isTerminal) return undefined;
    // A terminal whose size was never set, as `docker exec -t` creates it, reports 0.
    return this.#sink.columns?.() || undefined;
  }

  /** Writes all of it; waits while the reader is slow. */
  async write(data: Uint8Array | string): Promise<void> {
    if (this.isFile) return this.writeSync(data);
    let rest = typeof data === "string" ? encoder.encode(data) : data;
    while (rest.length > 0) {
      try {
        rest = rest.subarray(await this.#sink.write(rest));
      } catch (error) {
        if (!isFull(error)) return this.#failed(error);
        // Somebody made this pipe non-blocking, and it is full.
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  }

  /** The same, synchronously, for a few bytes. */
  writeSync(data: Uint8Array | string): void {
    let rest = typeof data === "string" ? encoder.encode(data) : data;
    while (rest.length > 0) {
      try {
        rest = rest.subarray(this.#sink.writeSync(rest));
      } catch (error) {
        if (!isFull(error)) return this.#failed(error);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
  }

  #failed(error: unknown): void {
    if (this.#lossy) return;
    if (error instanceof Deno.errors.BrokenPipe) throw new ClosedPipe();
    throw new EvsError(
      { code: "output/failed", status: 500, exit: ExitCode.CannotStore },
      `standard output cannot be written: ${osReason(error)}`,
      { cause: error },
    );
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Deno.errors.WouldBlock;
}
