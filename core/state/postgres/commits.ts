/**
 * Commits to the state in PostgreSQL, one transaction at a time. Those that come in meanwhile share
 * the next one, so that many queues wait for one sync.
 *
 * Each transaction notes its number in the row of this state. When the connection is lost during
 * it, that row says whether it was kept; one that was not is tried again. Asking for the row shuts
 * out what was sent before and has not begun (evs.note_commit).
 */
import type { Clock } from "../../base/clock.ts";
import { CannotStoreError, ClosedError } from "../../base/errors.ts";
import type { Postgres, Query } from "../../postgres/connection.ts";
import { refusedBy } from "../../postgres/errors.ts";
import type { Fence } from "../fences.ts";
import type { CommitOptions, StateChange } from "../state.ts";
import { Batches, type BoundStatement } from "./batches.ts";
import { StaleError } from "../stale.ts";
import { catalogStatements, STALE } from "./catalog_changes.ts";
import { batchedStatements, needsPlan } from "./changes.ts";
import { DeadLetterPlan, type KnownGroups } from "./dead_letter_plan.ts";
import { fateOf } from "./fate.ts";
import { fencedError, holdFences } from "./held_fences.ts";
import { requestOf } from "./literal.ts";
import { plainRow } from "./values.ts";

/** Most changes that share a transaction, unless one commit has more. */
const MOST_CHANGES = 10_000;
/**
 * After so many commits a state takes another row: each leaves a dead one behind, which whoever looks
 * the row up passes over as long as an old transaction keeps it from being cleared away.
 */
const MOST_NOTED = 500;
/** Waits between attempts, ms. */
const FIRST_WAIT = 20;
const LONGEST_WAIT = 1000;

/** Reads in the transaction what it decides by; called again when that is tried again. */
type Decide = (query: Query) => Promise<readonly StateChange[]>;

interface Waiting {
  changes: readonly StateChange[];
  /** Has a transaction of its own. */
  decide?: Decide;
  fences: readonly Fence[];
  sync: boolean;
  /** By the monotonic clock: it waits no longer for a database that is away. */
  until: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Where and how to commit. */
export interface CommitsOptions {
  postgres: Postgres;
  /** Identifies this state among all that are open, at first. */
  writer: string;
  clock: Clock;
  /** How long a commit waits for a database that is away, ms. */
  patience: number;
}

/** The commits of one state. */
export class Commits {
  readonly #postgres: Postgres;
  #writer: string;
  readonly #clock: Clock;
  readonly #patience: number;
  /** The node that this process is, for fences that have a `rev`. */
  node = "";
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #number = 0;
  /** As it is noted in the row of this state. */
  #attempt = 0;
  #groups: KnownGroups | undefined;
  #closing: Promise<void> | undefined;
  #hurries = false;
  #wake: (() => void) | undefined;

  constructor({ postgres, writer, clock, patience }: CommitsOptions) {
    this.#postgres = postgres;
    this.#writer = writer;
    this.#clock = clock;
    this.#patience = patience;
  }

  /** Makes the row of this state. */
  async begin(): Promise<void> {
    await this.#ask();
  }

  /** Resolves when it is durable; if it rejects, nothing was kept. */
  commit(
    changes: readonly StateChange[],
    { sync = true, fences = [] }: CommitOptions = {},
  ): Promise<void> {
    if (!this.#closing && changes.length === 0 && fences.length === 0) return Promise.resolve();
    return this.#enqueue({ changes, fences, sync });
  }

  /** Commits changes and what `decide` decides, in the transaction in which it reads. */
  async act<T>(
    changes: readonly StateChange[],
    decide: (query: Query) => Promise<{ changes: readonly StateChange[]; result: T }>,
  ): Promise<T> {
    let decided: { changes: readonly StateChange[]; result: T } | undefined;
    const changesOf = async (query: Query) => (decided = await decide(query)).changes;
    await this.#enqueue({ changes, fences: [], sync: true, decide: changesOf });
    return decided!.result;
  }

  #enqueue(commit: Omit<Waiting, "until" | "resolve" | "reject">): Promise<void> {
    if (this.#closing) return Promise.reject(closed());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const until = this.#clock.monotonic() + this.#patience;
    this.#waiting.push({ ...commit, until, resolve, reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** From now on nothing waits for a database that is away. */
  hurry(): void {
    this.#hurries = true;
    this.#wake?.();
  }

  /** Waits for what is under way, unless the database is away, and forgets this state's row. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.hurry();
    await this.#running;
    try {
      const sql = "DELETE FROM evs.state_commits WHERE writer = $1";
      await this.#postgres.query("state", sql, [this.#writer]);
    } catch (error) {
      // The row is removed when it is old (PostgresState.open).
      if (fateOf(error) === "final") throw error;
    }
  }

  async #run(): Promise<void> {
    // What is committed in this turn shares the transaction.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#settle(this.#take());
    this.#running = undefined;
  }

  #take(): Waiting[] {
    let count = 0;
    const end = this.#waiting.findIndex(({ changes, decide }, n) => {
      count += changes.length;
      return n > 0 && (count > MOST_CHANGES || decide !== undefined || this.#waiting[0]!.decide);
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }

  async #settle(commits: readonly Waiting[]): Promise<void> {
    try {
      await this.#store(commits);
      for (const { resolve } of commits) resolve();
    } catch (error) {
      this.#groups = undefined;
      // One that cannot be kept must not take the others with it.
      const isOwn = commits.length === 1 || error instanceof CannotStoreError ||
        error instanceof ClosedError;
      if (!isOwn) { for (const one of commits) await this.#settle([one]); }
      else for (const { reject } of commits) reject(error);
    }
  }

  /** Stores all of them or nothing. */
  async #store(commits: readonly Waiting[]): Promise<void> {
    let number: number | undefined;
    const until = Math.max(...commits.map(({ until }) => until));
    let isLast = false;
    for (let wait = FIRST_WAIT;; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      try {
        number ??= await this.#nextNumber();
        return await this.#transaction(commits, number);
      } catch (error) {
        this.#groups = undefined;
        const fate = fateOf(error);
        if (fate === "final") throw await this.#fenced(error, commits);
        if (fate === "unknown" && await this.#isKept(number, error)) return;
        const isLate = this.#clock.monotonic() >= until;
        // However long it took to ask: the server has just answered, so it is tried once more.
        if (this.#hurries || isLast || (isLate && fate !== "unknown")) {
          throw notStored(error, this.#postgres);
        }
        isLast = isLate;
        await this.#pause(wait, error);
      }
    }
  }

  /** The number of the next commit, in a row that has not had too many. */
  async #nextNumber(): Promise<number> {
    if (this.#number >= MOST_NOTED) {
      const before = this.#writer;
      const writer = crypto.randomUUID();
      const [row] = await this.#postgres.query("state", TAKE, [writer, before]);
      this.#attempt = (plainRow(row!) as { attempt: number }).attempt;
      this.#writer = writer;
      this.#number = 0;
    }
    return ++this.#number;
  }

  async #transaction(commits: readonly Waiting[], number: number): Promise<void> {
    const given = commits.flatMap(({ changes }) => changes);
    const first = this.#firstStatements(commits, number);
    const { decide } = commits[0]!;
    if (!decide && !needsPlan(given)) {
      await this.#postgres.query("state", requestOf([...first, ...batchedStatements(given)]));
      return;
    }
    this.#groups = await this.#postgres.transaction("state", async (query) => {
      for (const { text, values } of first) await query(text, values);
      const changes = decide ? [...given, ...await decide(query)] : given;
      if (!needsPlan(changes)) {
        if (changes.length > 0) await query(requestOf(batchedStatements(changes)));
        return this.#groups;
      }
      const batches = new Batches();
      const plan = await DeadLetterPlan.begin(query, { changes, batches, known: this.#groups });
      await query(requestOf(batchedStatements(changes, { batches, plan })));
      return plan.known;
    });
  }

  /** An error of what a commit was decided from as ours, with what is over; any other as it is. */
  async #fenced(error: unknown, commits: readonly Waiting[]): Promise<unknown> {
    const refused = refusedBy(error);
    if (refused === STALE) return new StaleError();
    if (refused !== FENCED) return error;
    const fences = commits.flatMap(({ fences }) => fences);
    const query: Query = (text, values) => this.#postgres.query("state", text, values);
    return await fencedError(query, { fences, node: this.node });
  }

  /**
   * What comes before the changes: the mode, the catalog, the fences, the number. The catalog first:
   * a pause holds it while it waits for claims, so nobody may wait for it while he holds claims.
   */
  #firstStatements(commits: readonly Waiting[], number: number): BoundStatement[] {
    const fences = commits.flatMap(({ fences }) => fences);
    return [
      ...(commits.some(({ sync }) => sync) ? [] : [NO_SYNC]),
      ...catalogStatements(commits.flatMap(({ changes }) => changes)),
      ...holdFences(fences, this.node),
      { text: NOTE, values: [this.#writer, number, this.#attempt] },
    ];
  }

  /**
   * Asks until the database answers: to say of something that was kept that it was not would have
   * it done twice.
   */
  async #isKept(number: number | undefined, unknown: unknown): Promise<boolean> {
    if (number === undefined) return false; // nothing of it was sent
    for (let wait = FIRST_WAIT;; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      try {
        return await this.#ask() === number;
      } catch (error) {
        // That the disk is full now says nothing of what was sent before.
        const passes = error instanceof CannotStoreError || fateOf(error) !== "final";
        if (this.#hurries || !passes) throw unknown;
        await this.#pause(wait, error);
      }
    }
  }

  /** The number of the last commit that was kept. */
  async #ask(): Promise<number> {
    const [row] = await this.#postgres.query("state", ASK, [this.#writer]);
    const { number, attempt } = plainRow(row!) as { number: number; attempt: number };
    this.#attempt = attempt;
    return number;
  }

  /** Waits for a database that is away; those behind that have waited long enough are told. */
  async #pause(ms: number, error: unknown): Promise<void> {
    const now = this.#clock.monotonic();
    const late = this.#waiting.filter(({ until }) => until <= now);
    this.#waiting = this.#waiting.filter(({ until }) => until > now);
    for (const { reject } of late) reject(notStored(error, this.#postgres));
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.setTimer(resolve, ms);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

const NO_SYNC = { text: "SELECT set_config('synchronous_commit', 'off', true)", values: [] };
const NOTE = "SELECT evs.note_commit($1, $2, $3)";
/**
 * Locks the row, and so waits for a transaction of this writer that the server is still at; one that
 * has not begun by then fails, however late it arrives.
 */
const ASK = `
  INSERT INTO evs.state_commits AS one (writer, number, attempt, at) VALUES ($1, 0, 0, now())
  ON CONFLICT (writer) DO UPDATE SET attempt = one.attempt + 1, at = now()
  RETURNING number, attempt`;
/** The same for a new row; what still arrives for the old one is refused: there is none. */
const TAKE = `WITH gone AS (DELETE FROM evs.state_commits WHERE writer = $2) ${ASK}`;
/** The SQLSTATE of evs.hold_claims and evs.hold_claims_2. */
const FENCED = "EVF01";

function notStored(cause: unknown, { place }: Postgres): CannotStoreError {
  if (cause instanceof CannotStoreError) return cause;
  return new CannotStoreError(`PostgreSQL at ${place} did not commit this; nothing was stored`, {
    cause,
    hint: "try again; the server's log says what it was busy with",
  });
}

function closed(): ClosedError {
  return new ClosedError("the state is closed");
}
