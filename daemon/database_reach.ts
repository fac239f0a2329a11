/**
 * Whether the database answers, for those who ask how the daemon is. They get their answer at once:
 * while the database is away, what it said last.
 */
import type { Clock } from "../core/base/clock.ts";
import { EvsError } from "../core/base/errors.ts";
import type { ClusterInfo } from "../core/protocol/node.ts";
import type { DeadCounts } from "./dead_counts.ts";

/** How long to wait for it, ms. */
const PATIENCE_MS = 2000;

/** What {@link DatabaseReach} needs. */
export interface DatabaseReachOptions {
  clock: Clock;
  /** Where it is, for people. */
  place: string;
  /** Asks it something; rejects if it does not answer. */
  ask(): Promise<void>;
  /** Counts the dead letters in it. */
  count(): PromiseLike<DeadCounts> | DeadCounts;
  /** The nodes that share it. */
  cluster(): Promise<ClusterInfo>;
}

/** The connection to the database, as seen by the last who asked. */
export class DatabaseReach {
  /** Why it cannot be used; undefined: it can. */
  problem: string | undefined;
  /** The nodes that share it, as of the last answer. */
  cluster: ClusterInfo | undefined;
  readonly #options: DatabaseReachOptions;
  #counts: DeadCounts = { of: new Map(), total: 0, open: 0 };
  #looking: Promise<void> | undefined;

  constructor(options: DatabaseReachOptions) {
    this.#options = options;
  }

  /** Looks whether it answers; returns what is in it, or was. */
  async look(): Promise<DeadCounts> {
    await this.#inTime(this.#looking ??= this.#look());
    return this.#counts;
  }

  async #look(): Promise<void> {
    try {
      await this.#options.ask();
      [this.#counts, this.cluster] = await Promise.all([
        this.#options.count(),
        this.#options.cluster(),
      ]);
      this.problem = undefined;
    } catch (error) {
      if (!(error instanceof EvsError)) throw error;
      this.problem = error.message;
    } finally {
      this.#looking = undefined;
    }
  }

  /** Waits, but not for long. */
  async #inTime(looking: Promise<void>): Promise<void> {
    const { clock, place } = this.#options;
    const late = Promise.withResolvers<void>();
    const cancel = clock.setTimer(() => {
      this.problem ??= `PostgreSQL at ${place} does not answer`;
      late.resolve();
    }, PATIENCE_MS);
    try {
      await Promise.race([looking, late.promise]);
    } finally {
      cancel();
    }
  }
}
