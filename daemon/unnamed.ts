/**
 * Subscriptions that a library client created without a name (`unnamed-…`). The daemon keeps them
 * like any others, so that a restart causes no gap. One that nobody has asked for events for a
 * while belongs to a client that died, and is removed. If there are none, no timer runs.
 */
import type { Clock } from "../core/base/clock.ts";
import { setPatientTimer } from "../core/base/standstill.ts";
import { UNNAMED } from "../core/protocol/constants.ts";

/** How long one may go unused, ms. A live client asks at least every 30 s. */
const LEFT_ALONE_MS = 10 * 60_000;
/** How often to check them, ms. */
const LOOK_MS = 60_000;

/** What is needed of the subscriptions. */
export interface UnnamedSource {
  list(): { name: string; leased: number }[];
  remove(name: string): Promise<void>;
  /** Those that clients of any node have asked for just now. Absent: there is one daemon. */
  inUse?(): Promise<ReadonlySet<string>>;
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
    // Those of a client that died while the daemon was down.
    for (const { name } of source.list()) this.seen(name);
  }

  /** A client asked for its events. */
  seen(name: string): void {
    if (!name.startsWith(UNNAMED)) return;
    this.#seen.set(name, this.#options.clock.monotonic());
    this.#arm();
  }

  #arm(): void {
    if (this.#stopped || this.#cancel || this.#seen.size === 0) return;
    // After a standstill, pending requests of its clients are read first.
    this.#cancel = setPatientTimer(this.#options.clock, () => {
      this.#cancel = undefined;
      this.#pass = this.#look().catch((error) => this.#options.onError(error))
        .then(() => this.#arm());
    }, LOOK_MS);
  }

  async #look(): Promise<void> {
    if (this.#source.inUse) { for (const name of await this.#source.inUse()) this.seen(name); }
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
  }

  /** Stops it; resolves when nothing is in progress. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#pass;
  }
}
