/**
 * Whether the database answers, for those who ask how the daemon is. They get their answer at once:
 * while the database is away, what it said last.
 */
import type { Clock } from "../core/base/clock.ts";
import { CannotStoreError, EvsError } from "../core/base/errors.ts";
import { DATABASE_AWAY } from "../core/protocol/database_url.ts";
import type { ClusterInfo } from "../core/protocol/node.ts";
import type { Counted } from "./dead_counts.ts";

/** How long to wait for it, ms. */
const PATIENCE_MS = 2000;
/** The same for what cannot be told without it, ms. */
const LONGEST_MS = 10_000;

/** What {@link DatabaseReach} needs. */
export interface DatabaseReachOptions {
  clock: Clock;
  /** Where it is, for people. */
  place: string;
  /** Asks it something; rejects if it does not answer. */
  ask(): Promise<void>;
  /** Counts what is in it. */
  count(): Promise<Counted>;
  /** The nodes that share it. */
  cluster(): Promise<ClusterInfo>;
}

/** True of a standby that commits wait for. */
export function isSynchronous({ state }: ClusterInfo["standbys"][number]): boolean {
  return state === "sync" || state === "quorum";
}

/** The connection to the database, as seen by the last who asked. */
export class DatabaseReach {
  /** Why it cannot be used; undefined: it can. */
  #away: string | undefined;
  /** The nodes that share it, as of the last answer. */
  cluster: ClusterInfo | undefined;
  /** What a commit was good for since this daemon began, at best. */
  readonly #best = { durable: false, standby: false };
  readonly #options: DatabaseReachOptions;
  #counts: Counted = { of: new Map(), total: 0, open: 0 };
  #looking: Promise<void> | undefined;

  constructor(options: DatabaseReachOptions) {
    this.#options = options;
  }

  /** True if it answered when it was last asked. */
  get isThere(): boolean {
    return this.#away === undefined;
  }

  /**
   * Looks, and rejects if it does not answer: at once where nobody takes the connection. Whoever asks
   * for what is only there is told that it is away, and need not wait for it.
   */
  async require(): Promise<void> {
    await this.#inTime(this.#looking ??= this.#look(), LONGEST_MS);
    if (this.#away === undefined) return;
    throw new CannotStoreError(this.#away, {
      code: DATABASE_AWAY,
      hint: "start the server, or check the host and port; it goes on by itself",
    });
  }

  /** What is wrong with it: it is away, or promises less than before; undefined: nothing. */
  get problem(): string | undefined {
    return this.#away ?? this.#less;
  }

  /** What a commit is not good for any more. */
  get #less(): string | undefined {
    const { cluster, isThere } = this;
    if (!isThere || cluster === undefined) return undefined;
    const where = `PostgreSQL at ${this.#options.place}`;
    if (this.#best.durable && !cluster.durable) {
      return `${where} keeps what is acknowledged through no power cut any more: fsync, ` +
        "full_page_writes or synchronous_commit is off";
    }
    if (!this.#best.standby || cluster.standbys.some(isSynchronous)) return undefined;
    return `${where} has no synchronous standby any more: what is published waits for one, or is ` +
      "lost with the machine";
  }

  #note({ durable, standbys }: ClusterInfo): void {
    this.#best.durable ||= durable;
    this.#best.standby ||= standbys.some(isSynchronous);
  }

  /** Looks whether it answers; returns what is in it, or was. */
  async look(): Promise<Counted> {
    await this.#inTime(this.#looking ??= this.#look(), PATIENCE_MS);
    return this.#counts;
  }

  async #look(): Promise<void> {
    try {
      await this.#options.ask();
      [this.#counts, this.cluster] = await Promise.all([
        this.#options.count(),
        this.#options.cluster(),
      ]);
      this.#note(this.cluster);
      this.#away = undefined;
    } catch (error) {
      if (!(error instanceof EvsError)) throw error;
      this.#away = error.message;
    } finally {
      this.#looking = undefined;
    }
  }

  /** Waits, but not for long. */
  async #inTime(looking: Promise<void>, patience: number): Promise<void> {
    const { clock, place } = this.#options;
    const late = Promise.withResolvers<void>();
    const cancel = clock.setTimer(() => {
      this.#away ??= `PostgreSQL at ${place} does not answer`;
      late.resolve();
    }, patience);
    try {
      await Promise.race([looking, late.promise]);
    } finally {
      cancel();
    }
  }
}
