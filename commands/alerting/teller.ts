/**
 * Runs the command of an `evs alert` for each begin and end: some at the same time, those of one
 * condition one after another. One that fails is run again, later and later, until it succeeds.
 */
import type { Clock } from "../../core/base/clock.ts";
import { formatDuration } from "../../core/base/units.ts";
import { backoffDelay, defaultBackoff } from "../../core/event/backoff.ts";
import { type HandlerRun, settlementOf } from "../consumer/exit_code.ts";
import { KILL_GRACE_MS, type RunningHandler, startHandler } from "../consumer/handler.ts";
import type { HandlerGuard } from "../consumer/handler_guard.ts";
import { alertVariables, type Notice } from "./notice.ts";
import type { Untold } from "./untold.ts";

/** How many commands run at the same time. */
export const CONCURRENCY = 4;
/** How long commands may go on once nobody wants any more of them, ms. */
const STOP_GRACE_MS = 10_000;

/** What a {@link Teller} works with. */
export interface TellerOptions {
  untold: Untold;
  command: readonly string[];
  /** The caller's; the facts are added to it. */
  environment: Readonly<Record<string, string>>;
  timeoutMs: number | undefined;
  /** Whether a command that failed is run again. */
  retries: boolean;
  /** One was told, and is not among the untold any more. */
  onTold: () => void;
  /** Where its output goes, both kinds. */
  output: (chunk: Uint8Array) => void | Promise<void>;
  say: (text: string) => void;
  guard: HandlerGuard;
  clock: Clock;
  random?: () => number;
}

/** Tells what is untold. */
export class Teller {
  readonly #options: TellerOptions;
  readonly #running = new Map<string, RunningHandler>();
  /** How often the next one of a condition has failed. */
  readonly #failures = new Map<string, number>();
  /** Conditions whose next attempt comes later, and what cancels that. */
  readonly #waiting = new Map<string, () => void>();
  /** Resolved when something has ended. */
  #changed = Promise.withResolvers<void>();
  #stops = 0;
  #cancelKill = () => {};

  constructor(options: TellerOptions) {
    this.#options = options;
  }

  /** Starts what can be started. */
  go(): void {
    for (const key of this.#options.untold.keys) {
      if (this.#stops > 0 || this.#running.size >= CONCURRENCY) return;
      if (!this.#running.has(key) && !this.#waiting.has(key)) this.#start(key);
    }
  }

  /** Resolves when nothing runs, and nothing can be started: with retries, when all is told. */
  async settled(): Promise<void> {
    while (this.#running.size > 0 || (this.#waits && this.#stops === 0)) {
      await this.#changed.promise;
    }
    this.#cancelKill();
  }

  get #waits(): boolean {
    return this.#options.retries && this.#waiting.size > 0;
  }

  /**
   * Starts nothing more. The first call lets those that run go on for a while, the second one sends
   * them SIGTERM, the third SIGKILL.
   */
  stop(): void {
    this.#stops++;
    for (const cancel of this.#waiting.values()) cancel();
    this.#cancelKill();
    if (this.#stops === 1) this.#endLater(STOP_GRACE_MS, 2);
    if (this.#stops === 2) this.#endLater(KILL_GRACE_MS, 3);
    if (this.#stops > 1) this.#kill(this.#stops === 2 ? "SIGTERM" : "SIGKILL");
    this.#change();
  }

  #endLater(ms: number, stops: number): void {
    this.#cancelKill = this.#options.clock.setTimer(() => {
      if (this.#running.size > 0 && this.#stops < stops) this.stop();
    }, ms);
  }

  #kill(signal: Deno.Signal): void {
    for (const handler of this.#running.values()) handler.kill(signal);
  }

  #start(key: string): void {
    const { untold, command, environment, timeoutMs, guard, clock, output } = this.#options;
    const facts = untold.head(key)!;
    const attempt = (this.#failures.get(key) ?? 0) + 1;
    const env = { ...environment };
    for (const [name, value] of Object.entries(alertVariables(facts, attempt))) {
      if (value === undefined) delete env[name];
      else env[name] = value.replaceAll("\0", "");
    }
    const handler = startHandler({
      command,
      input: new TextEncoder().encode(`${JSON.stringify({ ...facts, attempt })}\n`),
      env,
      timeoutMs,
      stdout: output,
      stderr: output,
      guard,
      clock,
    });
    this.#running.set(key, handler);
    void handler.outcome.then((run) => this.#ended(key, { facts, attempt, run }));
  }

  #ended(
    key: string,
    { facts, attempt, run }: { facts: Notice; attempt: number; run: HandlerRun },
  ): void {
    const { untold, command, onTold } = this.#options;
    this.#running.delete(key);
    const failure = failureOf(run, command);
    if (failure === undefined) {
      this.#failures.delete(key);
      untold.shift(key);
      onTold();
    } else this.#failed(key, { facts, attempt, failure });
    this.go();
    this.#change();
  }

  #failed(
    key: string,
    { facts, attempt, failure }: { facts: Notice; attempt: number; failure: string },
  ): void {
    const { retries, say, clock, random } = this.#options;
    this.#failures.set(key, attempt);
    const what = `${key} ${facts.state === "begin" ? "began" : "ended"}`;
    if (this.#stops > 0 || !retries) {
      say(`the command failed to tell that ${what}: ${failure}; the next evs alert tells it`);
      this.#waiting.set(key, () => {});
      return;
    }
    const ms = Math.max(100, backoffDelay(defaultBackoff, attempt, random));
    say(
      `the command failed to tell that ${what} (attempt ${attempt}): ${failure}; again in ${
        formatDuration(ms)
      }`,
    );
    this.#waiting.set(
      key,
      clock.setTimer(() => {
        this.#waiting.delete(key);
        this.go();
        this.#change();
      }, ms),
    );
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}

/** Why a command has not told; undefined if it has. Pure. */
export function failureOf(run: HandlerRun, command: readonly string[]): string | undefined {
  const settlement = settlementOf(run, command);
  if (settlement.kind === "ack") return undefined;
  return settlement.kind === "pause" ? settlement.reason : settlement.failure.error;
}
