/**
 * Appends, each stored once although connections are lost.
 *
 * The producer's row has the number of its last append and the answer to it, written in the same
 * transaction as the events. When the outcome of an append is unknown, the row tells. Asking also
 * raises the row's epoch: an append of before that still lies in a buffer somewhere is refused when
 * it arrives.
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import { CannotStoreError, type EvsError } from "../../base/errors.ts";
import type { Postgres, Role } from "../../postgres/connection.ts";
import { refusedBy, TryAgainError, UnknownOutcomeError } from "../../postgres/errors.ts";
import { pause } from "../../postgres/patience.ts";
import { isDatabaseAway } from "../../protocol/database_url.ts";

/** What a producer needs. */
export interface ProducerOptions {
  postgres: Postgres;
  clock?: Clock;
  /** How long an append tries again while the server is away, ms. */
  patience: number;
  /** Names its row; unique among all nodes. */
  name?: string;
  /** The connections that it uses; by default those for appends. */
  role?: Role;
}

/** SQLSTATEs that `evs.append_1` raises. */
const [UNKNOWN_PRODUCER, OLD_EPOCH] = ["EV001", "EV002"];
const [FIRST_WAIT_MS, LONGEST_WAIT_MS] = [20, 1000];
/**
 * A producer takes a row of another name after so many appends: each leaves a dead row behind, which
 * whoever looks the row up passes over as long as an old transaction keeps it from being cleared away.
 */
const MOST_APPENDS = 500;
/** After this long without an append, the row of a producer is of no more use. */
const FORGET_AFTER = "1 day";
const PARAMETERS = Array.from({ length: 34 }, (_, i) => `$${i + 1}`).join(", ");
const APPEND = `SELECT evs.append_1(${PARAMETERS}) AS answer`;

/** One writer of appends, one at a time. */
export class Producer {
  readonly #postgres: Postgres;
  readonly #clock: Clock;
  readonly #patience: number;
  #name: string;
  /** The row that was used before, to be deleted. */
  #before: string | null = null;
  readonly #role: Role;
  readonly #closed = new AbortController();
  #epoch: number | undefined;
  #batch = 0;

  constructor(
    { postgres, clock = systemClock, patience, name, role = "append" }: ProducerOptions,
  ) {
    this.#postgres = postgres;
    this.#clock = clock;
    this.#patience = patience;
    this.#name = name ?? crypto.randomUUID();
    this.#role = role;
  }

  /** Ends the waiting for a server that is away. */
  close(): void {
    this.#closed.abort();
  }

  /**
   * Calls `evs.append_1` with these values behind its first three, and returns its answer. Rejects
   * with `CannotStoreError` if nothing was stored, or (`store/outcome-unknown`) if the server does
   * not come back in time to tell.
   */
  append(values: readonly unknown[]): Promise<string> {
    return this.call(APPEND, values);
  }

  /**
   * The same for a statement that calls another function which takes the same first three, refuses
   * as `evs.append_1` does, and notes its answer as that does.
   */
  async call(statement: string, values: readonly unknown[]): Promise<string> {
    const until = this.#clock.monotonic() + this.#patience;
    if (this.#batch >= MOST_APPENDS) this.#takeAnother();
    const batch = ++this.#batch;
    /** Whether this append may have been stored. */
    let inDoubt = false;
    for (let wait = FIRST_WAIT_MS;; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
      try {
        if (this.#epoch === undefined) {
          const stored = await this.#begin(batch);
          if (stored !== undefined) return stored;
          inDoubt = false;
        }
        return await this.#call(statement, [this.#name, this.#epoch, batch, ...values]);
      } catch (error) {
        if (error instanceof UnknownOutcomeError && this.#epoch !== undefined) inDoubt = true;
        if (!this.#passes(error)) throw error;
        const left = until - this.#clock.monotonic();
        if (left <= 0 || this.#closed.signal.aborted) {
          throw refusal(error as EvsError, { place: this.#postgres.place, inDoubt });
        }
        await pause(this.#clock, Math.min(wait, left), this.#closed.signal);
      }
    }
  }

  /** True for errors after which the same append may be sent again. */
  #passes(error: unknown): boolean {
    const refused = refusedBy(error);
    if (
      error instanceof UnknownOutcomeError || refused === UNKNOWN_PRODUCER || refused === OLD_EPOCH
    ) {
      this.#epoch = undefined; // asked for anew, before anything else is sent
      return true;
    }
    return error instanceof TryAgainError || isDatabaseAway(error);
  }

  async #call(statement: string, values: readonly unknown[]): Promise<string> {
    const [row] = await this.#postgres.query<{ answer: string }>(this.#role, statement, values);
    return row!.answer;
  }

  /** What still arrives for the old row is refused: there is none. */
  #takeAnother(): void {
    this.#before = this.#name;
    this.#name = crypto.randomUUID();
    this.#epoch = undefined;
    this.#batch = 0;
  }

  /** Begins a new epoch; returns the answer to this append if it is stored already. */
  async #begin(batch: number): Promise<string | undefined> {
    const [row] = await this.#postgres.query<{ epoch: number; batch: number; answer: string }>(
      this.#role,
      `WITH gone AS (DELETE FROM evs.producers WHERE producer = $2)
       INSERT INTO evs.producers AS p (producer) VALUES ($1)
       ON CONFLICT (producer) DO UPDATE SET epoch = p.epoch + 1, seen = now()
       RETURNING epoch, batch, answer`,
      [this.#name, this.#before],
    );
    this.#epoch = row!.epoch;
    return row!.batch === batch ? row!.answer : undefined;
  }
}

/** Deletes the rows of producers that are gone. */
export async function forgetProducers(postgres: Postgres): Promise<void> {
  await postgres.query(
    "state",
    `DELETE FROM evs.producers WHERE seen < now() - interval '${FORGET_AFTER}'`,
  );
}

function refusal(
  cause: EvsError,
  { place, inDoubt }: { place: string; inDoubt: boolean },
): CannotStoreError {
  if (!inDoubt) {
    return cause instanceof CannotStoreError
      ? cause
      : new CannotStoreError(cause.message, { cause });
  }
  return new CannotStoreError(
    `PostgreSQL at ${place} went away during an append, which is stored or not: ${cause.message}`,
    {
      code: "store/outcome-unknown",
      hint: "publish again with the same id: what is stored already is not stored twice",
      cause,
    },
  );
}
