/**
 * The whole terminal for one program, and back as it was: another screen, no cursor, no line
 * editing. It ends with the program however that ends, also with Ctrl-C, a signal, an error or a
 * terminal that goes away; Ctrl-Z gives the terminal back until `fg`.
 */
import type { CellRow } from "./cells.ts";
import { diffRows, type Size } from "./screen_diff.ts";

/** What a {@link FullScreen} needs of the process; injected for tests. */
export interface TerminalPort {
  write(bytes: Uint8Array): Promise<number>;
  writeSync(bytes: Uint8Array): number;
  read(buffer: Uint8Array): Promise<number | null>;
  /** Takes keys as they are typed and without echo, or back. Signals of keys stay. */
  setRaw(on: boolean): void;
  /** Undefined if it does not know. */
  size(): Size | undefined;
  /** Calls `handler` for a signal instead of what it does by default, until it is undone. */
  on(signal: Deno.Signal, handler: () => void): () => void;
  /** What Ctrl-Z does by default. */
  stop(): void;
}

/** This process's terminal. */
export const systemTerminal: TerminalPort = {
  write: (bytes) => Deno.stdout.write(bytes),
  writeSync: (bytes) => Deno.stdout.writeSync(bytes),
  read: (buffer) => Deno.stdin.read(buffer),
  setRaw: (on) => on ? Deno.stdin.setRaw(true, { cbreak: true }) : Deno.stdin.setRaw(false),
  size() {
    try {
      return Deno.consoleSize();
    } catch {
      return undefined; // a serial line has no size
    }
  },
  on(signal, handler) {
    Deno.addSignalListener(signal, handler);
    return () => Deno.removeSignalListener(signal, handler);
  },
  stop: () => Deno.kill(Deno.pid, "SIGTSTP"),
};

/** The other screen, no cursor, rows that do not wrap, and pasted text marked as such. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h";
/** The reverse; a frame that was cut off in the middle ends, too. */
const LEAVE = "\x1b[?2026l\x1b[m\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l";
/** A terminal that has no size, as `docker exec -t` makes them, reports 0. */
const DEFAULT_SIZE: Size = { columns: 80, rows: 24 };
/** A terminal that takes nothing any more must not keep the program from ending, ms. */
const LONGEST_WRITE_MS = 1000;
/** A stop takes effect at once; where there is no shell that could go on with it, never. */
const STOP_MS = 200;

const encoder = new TextEncoder();

/** What happens to it. */
export interface ScreenEvents {
  /** Bytes that were typed; undefined: the terminal has gone. */
  typed(bytes: Uint8Array | undefined): void;
  /** It has another size now, or all of it has to be drawn again. */
  resized(size: Size): void;
  /** A signal asks the program to end. */
  signalled(signal: Deno.Signal): void;
  /** It cannot be written to. */
  failed(error: unknown): void;
}

/** The terminal, as long as it is taken. */
export class FullScreen implements AsyncDisposable {
  readonly #port: TerminalPort;
  readonly #events: ScreenEvents;
  readonly #colour: boolean;
  readonly #undo: (() => void)[] = [];
  #unstop: (() => void) | undefined;
  #isUp = false;
  /** The rows that the terminal shows; undefined if that is not known. */
  #shown: readonly CellRow[] | undefined;
  #wanted: readonly CellRow[] | undefined;
  #writing: Promise<void> | undefined;
  #continued = () => {};
  /** Bytes written in frames so far. */
  written = 0;

  /** Takes the terminal. */
  constructor(options: { port: TerminalPort; events: ScreenEvents; colour: boolean }) {
    this.#port = options.port;
    this.#events = options.events;
    this.#colour = options.colour;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) {
      this.#undo.push(this.#port.on(signal, () => this.#events.signalled(signal)));
    }
    this.#undo.push(this.#port.on("SIGWINCH", () => this.redraw()));
    this.#undo.push(this.#port.on("SIGCONT", () => this.#goOn()));
    this.#watchStop();
    this.#watchErrors();
    this.#up();
    void this.#readKeys();
  }

  /** Its size now. */
  get size(): Size {
    const { columns, rows } = this.#port.size() ?? DEFAULT_SIZE;
    return columns > 0 && rows > 0 ? { columns, rows } : DEFAULT_SIZE;
  }

  /** Shows rows; of rows that come faster than the terminal takes them, only the last. */
  show(rows: readonly CellRow[]): void {
    this.#wanted = rows;
    this.#writing ??= this.#write().finally(() => this.#writing = undefined);
  }

  /** Draws everything again. */
  redraw(): void {
    this.#shown = undefined;
    this.#events.resized(this.size);
  }

  async #write(): Promise<void> {
    while (this.#wanted !== undefined && this.#isUp) {
      const rows = this.#wanted;
      this.#wanted = undefined;
      const text = diffRows(this.#shown, rows, { size: this.size, colour: this.#colour });
      this.#shown = rows;
      let rest = encoder.encode(text);
      this.written += rest.length;
      try {
        while (rest.length > 0) rest = rest.subarray(await this.#port.write(rest));
      } catch (error) {
        return this.#events.failed(error);
      }
    }
  }

  async #readKeys(): Promise<void> {
    const buffer = new Uint8Array(4096);
    try {
      for (;;) {
        const count = await this.#port.read(buffer);
        this.#events.typed(count === null ? undefined : buffer.slice(0, count));
        if (count === null) return;
      }
    } catch {
      // The terminal has gone: reading from it fails.
      this.#events.typed(undefined);
    }
  }

  #up(): void {
    if (this.#isUp) return;
    this.#port.setRaw(true);
    this.#isUp = true;
    this.#shown = undefined;
    this.#say(ENTER);
  }

  /** Gives the terminal back. */
  #down(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#say(LEAVE);
    try {
      this.#port.setRaw(false);
    } catch {
      // It has gone, so there is nothing to set.
    }
  }

  #say(text: string): void {
    try {
      for (let rest = encoder.encode(text); rest.length > 0;) {
        rest = rest.subarray(this.#port.writeSync(rest));
      }
    } catch {
      // The same: the program ends, or hears of it when it shows something.
    }
  }

  #watchStop(): void {
    this.#unstop = this.#port.on("SIGTSTP", () => void this.#stop());
  }

  /** Ctrl-Z: the shell gets the terminal, until it goes on with us. */
  async #stop(): Promise<void> {
    await this.#written();
    this.#down();
    this.#unstop?.();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#continued = resolve;
    this.#port.stop();
    const timer = setTimeout(resolve, STOP_MS);
    await promise;
    clearTimeout(timer);
    this.#watchStop();
    if (!this.#isUp) this.#goOn();
  }

  /** The shell has given the terminal back, after Ctrl-Z or a stop from elsewhere. */
  #goOn(): void {
    this.#continued();
    if (this.#isUp) this.#port.setRaw(true);
    else this.#up();
    this.redraw();
  }

  /** Waits for the frame that is being written. */
  async #written(): Promise<void> {
    this.#wanted = undefined;
    if (this.#writing === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, LONGEST_WRITE_MS);
    await Promise.race([this.#writing, promise]);
    clearTimeout(timer);
  }

  /** An error that nobody handles ends the program: its message belongs on the usual screen. */
  #watchErrors(): void {
    const down = () => this.#down();
    for (const type of ["error", "unhandledrejection", "unload"]) {
      globalThis.addEventListener(type, down);
      this.#undo.push(() => globalThis.removeEventListener(type, down));
    }
  }

  /** Gives the terminal back for good. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#written();
    this.#down();
    this.#unstop?.();
    for (const undo of this.#undo) undo();
  }
}
