/**
 * A progress line on a terminal's stderr for long work. It appears only if the work takes long, is
 * drawn at most five times a second, and is removed before anything else is printed; Ctrl-C leaves
 * a clean line behind.
 */
import type { Output } from "./output.ts";
import { escapeText } from "./escape.ts";
import { ExitCode } from "../../core/base/errors.ts";

const FIRST_AFTER_MS = 500;
const EVERY_MS = 200;
const CLEAR = "\r\x1b[K";

/** A line that changes. */
export class Progress implements Disposable {
  #output: Output;
  #now: () => number;
  #next: number;
  #shown = false;
  #onInterrupt: (() => void) | undefined;

  constructor(options: { output: Output; enabled: boolean; now: () => number }) {
    this.#output = options.output;
    this.#now = options.now;
    this.#next = options.enabled ? options.now() + FIRST_AFTER_MS : Infinity;
  }

  /** Call it as often as you like; `text` is called only when it will be drawn. */
  update(text: () => string): void {
    const now = this.#now();
    if (now < this.#next) return;
    this.#next = now + EVERY_MS;
    if (!this.#shown) this.#watchInterrupt();
    this.#shown = true;
    this.#output.writeSync(CLEAR + escapeText(text()));
  }

  /** Removes the line. */
  clear(): void {
    if (!this.#shown) return;
    this.#shown = false;
    this.#output.writeSync(CLEAR);
    if (this.#onInterrupt !== undefined) Deno.removeSignalListener("SIGINT", this.#onInterrupt);
    this.#onInterrupt = undefined;
  }

  [Symbol.dispose](): void {
    this.clear();
    this.#next = Infinity;
  }

  #watchInterrupt(): void {
    this.#onInterrupt = () => {
      this.clear();
      Deno.exit(ExitCode.Interrupted);
    };
    Deno.addSignalListener("SIGINT", this.#onInterrupt);
  }
}
