/**
 * Which node runs which job on dead letters, in the rows of the jobs. A node that runs some says so
 * every fifth of a TTL; a job of which nobody has for a TTL is over, by the database's clock, and is
 * taken by whoever looks first. What the former node still sends is refused by the row's epoch
 * (core/state/postgres/job_rows.ts).
 *
 * A row that is locked is passed by: a step of the job is under way, or its client was stopped in it,
 * which the server ends after some time.
 */
import type { Clock } from "../../base/clock.ts";
import { InternalError } from "../../base/errors.ts";
import type { Postgres, Query } from "../../postgres/connection.ts";
import { TryAgainError, UnknownOutcomeError } from "../../postgres/errors.ts";
import type { WakeUps } from "../../postgres/wake_ups.ts";
import { isDatabaseAway } from "../../protocol/database_url.ts";
import type { DeadLetterJobRecord } from "../../event/dead_letter_job.ts";
import type { ClaimedJob, JobClaim, JobOwner, SharedJobs, StoredJob } from "../shared_jobs.ts";
import { listed, lists } from "./table_lists.ts";
import { plainRow } from "./values.ts";

/** The kind of wake-ups that say so. */
const JOBS = "jobs";
/** Between looks while no job runs anywhere, ms. Wake-ups tell of one that begins. */
const IDLE_MS = 30_000;

const OWN = { number: "bigint", epoch: "bigint", waiting: "text" } as const;
const NAMED = { number: "bigint", epoch: "bigint" } as const;
const RUNS = "record::json ->> 'state' = 'running'";

const RENEW = `
  UPDATE evs.jobs AS one SET claimed_at = clock_timestamp(), waiting = own.waiting
  FROM (SELECT jobs.number, asked.waiting FROM evs.jobs JOIN ${listed(OWN, "asked")}
    USING (number, epoch) WHERE node = $4 ORDER BY number FOR UPDATE OF jobs SKIP LOCKED) AS own
  WHERE one.number = own.number`;
/** Not by a node that is to give all back. */
const TAKE = `
  UPDATE evs.jobs SET node = $1, epoch = epoch + 1, claimed_at = clock_timestamp(), waiting = NULL
  WHERE number IN (SELECT number FROM evs.jobs WHERE ${RUNS}
      AND evs.is_over(node, claimed_at,
        make_interval(secs => $2::text::double precision / 1000))
    ORDER BY number FOR UPDATE SKIP LOCKED)
  AND NOT EXISTS (SELECT 1 FROM evs.nodes WHERE nodes.node = $1 AND draining)`;
const RUNNING = `
  SELECT number, epoch, coalesce(node = $1, false) AS own, record FROM evs.jobs WHERE ${RUNS}
  ORDER BY number`;
const DRAINING = "SELECT draining FROM evs.nodes WHERE node = $1";
const RELEASE = `
  UPDATE evs.jobs SET node = NULL FROM ${listed(NAMED, "asked")}
  WHERE jobs.number = asked.number AND jobs.epoch = asked.epoch AND node = $3`;
const ALL = "SELECT record, waiting FROM evs.jobs ORDER BY number";

/** What they are looked at with. */
export interface JobClaimsContext {
  postgres: Pick<Postgres, "query">;
  /** Reads, for as long as reads wait for a server that is away. */
  read<T>(read: (query: Query) => Promise<T>): Promise<T>;
  wakeUps: Pick<WakeUps, "on" | "send">;
  clock: Clock;
  ttlMs: number;
  /** The name of this node; undefined as long as it is none. */
  node(): string | undefined;
  onError(error: unknown, context: string): void;
}

/** The jobs of a state in PostgreSQL. */
export class JobClaims implements SharedJobs {
  readonly #context: JobClaimsContext;
  readonly #listeners = new Set<() => void>();
  #owner: JobOwner | undefined;
  #stopListening: (() => void) | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #isAway = false;
  /** A job runs somewhere. */
  #isUsed = false;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(context: JobClaimsContext) {
    this.#context = context;
  }

  get node(): string {
    const node = this.#context.node();
    if (node === undefined) throw new InternalError("this process is no node");
    return node;
  }

  start(owner: JobOwner): void {
    if (this.#closed) return;
    this.#owner = owner;
    this.#stopListening = this.#context.wakeUps.on(JOBS, () => this.#heard());
    this.#look();
  }

  changed(): void {
    this.#context.wakeUps.send(JOBS, "changed");
    // Its own wake-up may come late, or not at all.
    this.#heard();
  }

  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #heard(): void {
    for (const listener of this.#listeners) listener();
    this.#look();
  }

  #look(): void {
    if (this.#closed || !this.#owner) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#cancelTimer?.();
    this.#again = false;
    this.#looking = this.#lookOnce(this.#owner).finally(() => {
      this.#looking = undefined;
      if (this.#closed) return;
      if (this.#again && !this.#isAway) return this.#look();
      const pause = this.#isUsed || this.#isAway ? this.#context.ttlMs / 5 : IDLE_MS;
      this.#cancelTimer = this.#context.clock.setTimer(() => this.#look(), pause);
    });
  }

  async #lookOnce(owner: JobOwner): Promise<void> {
    try {
      const own = owner.claims().map(({ number, epoch, waiting = null }) => {
        return { number, epoch, waiting };
      });
      if (own.length > 0) await this.#query(RENEW, [...lists(OWN, own), this.node]);
      await this.#query(TAKE, [this.node, String(this.#context.ttlMs)]);
      const rows = (await this.#query(RUNNING, [this.node])).map(plainRow);
      this.#isAway = false;
      this.#isUsed = rows.length > 0;
      const mine = rows.filter((row) => row["own"] === 1).map(({ number, epoch, record }) => {
        return { number, epoch, record: JSON.parse(record as string) } as ClaimedJob;
      });
      const isDraining = mine.length > 0 && await this.#isDraining();
      await owner.claimed(isDraining ? [] : mine, own);
      if (isDraining) await this.#release(mine);
    } catch (error) {
      // One that is away is looked for again; whoever needs it says so.
      if (!isDatabaseAway(error) && !this.#isAway) this.#failed(error, "the jobs of this node");
      this.#isAway = true;
    }
  }

  async #isDraining(): Promise<boolean> {
    const [row] = await this.#query(DRAINING, [this.node]);
    return row?.["draining"] === true;
  }

  async #release(claims: readonly JobClaim[]): Promise<void> {
    const named = claims.map(({ number, epoch }) => ({ number, epoch }));
    await this.#query(RELEASE, [...lists(NAMED, named), this.node]);
    this.#context.wakeUps.send(JOBS, "changed");
  }

  /** What meets another transaction, or of which nobody knows whether it was done, can be done again. */
  async #query(text: string, values: readonly unknown[]): Promise<Record<string, unknown>[]> {
    const run = () => this.#context.postgres.query("node", text, values);
    try {
      return await run();
    } catch (error) {
      if (error instanceof TryAgainError || error instanceof UnknownOutcomeError) {
        return await run();
      }
      throw error;
    }
  }

  all(): Promise<StoredJob[]> {
    return this.#context.read(async (query) => {
      const jobs = (await query(ALL)).map(plainRow).map(({ record, waiting }): StoredJob => ({
        record: JSON.parse(record as string) as DeadLetterJobRecord,
        ...(typeof waiting === "string" ? { waiting } : {}),
      }));
      return jobs.filter(({ record }) => record.isListed);
    });
  }

  #failed(error: unknown, context: string): void {
    if (!this.#closed) this.#context.onError(error, context);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer?.();
    this.#stopListening?.();
    this.#listeners.clear();
    await this.#looking;
    const own = this.#owner?.claims() ?? [];
    if (own.length === 0) return;
    try {
      await this.#release(own);
    } catch (error) {
      // What it ran is over after the TTL.
      if (!isDatabaseAway(error) && !(error instanceof UnknownOutcomeError)) throw error;
    }
  }
}
