/**
 * Subscriptions that a library's client made without a name (`unnamed-…`). The daemon keeps them as
 * it keeps the others, so that a restart makes no gap; one that nobody has asked for events in a
 * while belongs to a client that has died, and is removed. Where there are none, no timer runs.
 */
import type { Clock } from "../core/base/clock.ts";
import { setPatientTimer } from "../core/base/standstill.ts";
import { UNNAMED } from "../core/protocol/protocol.ts";

/** How long one may be left alone, ms. A client that is there asks at least every 30 s. */
const LEFT_ALONE_MS = 10 * 60_000;
/** How often they are looked at, ms. */
const LOOK_MS = 60_000;

/** What is needed of the subscriptions. */
export interface UnnamedSource {
  list(): { name: string; leased: number }[];
  remove(name: string): Promise<void>;
}

/** Removes unnamed subscriptions whose clients are gone. */
export class UnnamedSubscriptions {
  readonly #source: UnnamedSource;
  readonly #options: {
    clock: Clock;
    removed(name: string): void;
    onError(error: unknown): void;
  };
  readonly #seen = new Map<string, number>();
  #cancel: (() => void) | undefined;
  #pass: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    source: UnnamedSource,
    options: { clock: Clock; removed(name: string): void; onError(error: unknown): void },
  ) {
    this.#source = source;
    this.#options = options;
    // Those of a client that died while the daemon was away.
    for (const { name } of source.list()) this.seen(name);
  }

  /** Somebody asks for its events. */
  seen(name: string): void {
    if (!name.startsWith(UNNAMED)) return;
    this.#seen.set(name, this.#options.clock.monotonic());
    this.#arm();
  }

  #arm(): void {
    if (this.#stopped || this.#cancel || this.#seen.size === 0) return;
    // After a standstill its clients' requests are read first.
    this.#cancel = setPatientTimer(this.#options.clock, () => {
      this.#cancel = undefined;
      this.#pass = this.#look().catch((error) => this.#options.onError(error));
    }, LOOK_MS);
  }

  async #look(): Promise<void> {
    const there = new Map(this.#source.list().map((info) => [info.name, info]));
    for (const [name, at] of [...this.#seen]) {
      const info = there.get(name);
      if (!info) {
        this.#seen.delete(name);
      } else if (
        info.leased === 0 && this.#options.clock.monotonic() - at > LEFT_ALONE_MS
      ) {
        this.#seen.delete(name);
        await this.#source.remove(name);
        this.#options.removed(name);
      }
    }
    this.#arm();
  }

  /** Ends it; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#pass;
  }
}
