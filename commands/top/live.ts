/**
 * The live screen: reads the daemon again and again, takes keys, shows what comes of both. All
 * decisions are in pure functions (state, keys, screen); here is what happens in which order.
 */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { FullScreen, systemTerminal, type TerminalPort } from "../terminal/full_screen.ts";
import { KeyDecoder } from "../terminal/key_decoder.ts";
import { signalCode } from "../terminal/signals.ts";
import { type Action, typedCommand } from "./actions.ts";
import { type KeyEffect, press, withText } from "./keys.ts";
import { perform } from "./perform.ts";
import { screen, trendsShown } from "./screen.ts";
import { type Asked, Source } from "./source.ts";
import { initialState, keepChosen, lostTouch, received, type TopState } from "./state.ts";

/** Escape also begins the bytes of other keys; if nothing follows for so long, it was Escape, ms. */
const ESCAPE_MS = 100;
/** Rows that are asked for beyond the screen, so that scrolling shows some at once. */
const SPARE_ROWS = 40;
/** Sorted by rate, which only we know, all of the first so many are needed. */
const RATE_ROWS = 1000;

/** What the flags say. */
export interface LiveOptions extends Pick<TopState, "everyMs" | "sort" | "filter" | "place"> {
  /** Default: this process's. */
  port?: TerminalPort;
}

/** Shows the screen until somebody ends it. Throws, before it shows anything, without a daemon. */
export async function runLive(context: EvsContext, options: LiveOptions): Promise<void> {
  const { port = systemTerminal, ...flags } = options;
  const live = new Live(context, flags);
  await live.run(port);
}

class Live {
  readonly #context: EvsContext;
  #source: Source | undefined;
  #state: TopState;
  #screen: FullScreen | undefined;
  readonly #keys = new KeyDecoder();
  #cancelEscape = () => {};
  readonly #ended = Promise.withResolvers<number>();
  readonly #abort = new AbortController();
  /** Ends the pause before the next reading. */
  #wake = () => {};

  constructor(context: EvsContext, flags: Omit<LiveOptions, "port">) {
    this.#context = context;
    this.#state = initialState({ ...flags, size: { columns: 80, rows: 24 } });
  }

  async run(port: TerminalPort): Promise<void> {
    const client = await this.#context.client();
    this.#source = new Source(client, this.#context.clock);
    this.#state = received(this.#state, await this.#source.read(this.#asked()));
    await using taken = new FullScreen({
      port,
      colour: this.#context.paint.enabled,
      events: {
        typed: (bytes) => this.#guarded(() => this.#typed(bytes)),
        resized: (size) => this.#guarded(() => this.#become({ ...this.#state, size })),
        signalled: (signal) => this.#ended.resolve(signalCode(signal)),
        failed: (error) => this.#ended.reject(error),
      },
    });
    this.#screen = taken;
    try {
      this.#become({ ...this.#state, size: taken.size });
      this.#readOn().catch((error) => this.#ended.reject(error));
      this.#context.exitCode = await this.#ended.promise;
    } finally {
      this.#abort.abort();
      this.#wake();
      this.#cancelEscape();
    }
  }

  /** An error in a callback ends the program as any other does. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#ended.reject(error);
    }
  }

  #become(state: TopState): void {
    this.#state = state;
    this.#screen?.show(screen(state));
  }

  #asked(): Asked {
    const { sort, filter, size, chosen } = this.#state;
    const limit = sort === "rate"
      ? RATE_ROWS
      : chosen.subscriptions.index + 2 * size.rows + SPARE_ROWS;
    return { sort, filter, limit: Math.min(limit, 10_000), trendsOf: trendsShown(this.#state) };
  }

  /** Reads until the end. Where the daemon does not answer, the screen says so. */
  async #readOn(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      await this.#pause();
      if (signal.aborted) return;
      const asked = this.#asked();
      try {
        const reading = await this.#source!.read(asked, { signal });
        this.#become(received(this.#state, reading));
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof EvsError)) throw error;
        const since = this.#context.clock.now();
        this.#become(lostTouch(this.#state, { since, message: error.message }));
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#context.clock.setTimer(resolve, this.#state.everyMs);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  #typed(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return this.#ended.resolve(signalCode("SIGHUP"));
    this.#cancelEscape();
    for (const key of this.#keys.feed(bytes)) this.#press(key);
    if (!this.#keys.pending) return;
    this.#cancelEscape = this.#context.clock.setTimer(() => {
      this.#guarded(() => this.#keys.flush().forEach((key) => this.#press(key)));
    }, ESCAPE_MS);
  }

  #press(key: string): void {
    const { state, effect } = press(this.#state, key);
    this.#become(keepChosen(state));
    if (effect !== undefined) this.#carryOut(effect);
  }

  #carryOut(effect: KeyEffect): void {
    switch (effect.kind) {
      case "quit":
        return this.#ended.resolve(ExitCode.Ok);
      case "read":
        return this.#wake();
      case "redraw":
        return this.#screen?.redraw();
      case "act":
        this.#act(effect.action).catch((error) => this.#ended.reject(error));
    }
  }

  async #act(action: Action): Promise<void> {
    try {
      const outcome = await perform(await this.#context.client(), action);
      if (outcome.kind === "text") {
        const { title, lines } = outcome;
        const command = typedCommand(action, this.#state.place);
        this.#become(withText(this.#state, { title, command, lines }));
      } else {
        this.#become({ ...this.#state, notice: { text: outcome.text, failed: false } });
      }
    } catch (error) {
      if (!(error instanceof EvsError)) throw error;
      const hint = error.hint === undefined ? "" : ` (${error.hint})`;
      this.#become({ ...this.#state, notice: { text: `${error.message}${hint}`, failed: true } });
    }
    this.#wake();
  }
}
