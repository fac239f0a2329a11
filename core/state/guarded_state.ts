/**
 * A state that stops being trusted once a commit has failed for a reason other than lack of space.
 * What a failed sync has stored is unknown, so everything after it is refused until the file is
 * opened and read again.
 */
import { asError, thrownText } from "../base/thrown.ts";
import { CannotStoreError, EvsError, InternalError, UnsupportedError } from "../base/errors.ts";
import { isPromise, type MaybePromise } from "../base/maybe_promise.ts";
import type { AuditQuery, AuditRecord } from "../event/audit.ts";
import type { Clock } from "../base/clock.ts";
import { FencedError } from "./fences.ts";
import { StaleError } from "./stale.ts";
import type { GroupRecord } from "./group_rules.ts";
import type { SharedState } from "./shared.ts";
import type { SharedAct, Transact } from "./shared_act.ts";
import type {
  BoundDeadLetterFilter,
  CommitOptions,
  DeadLetterGroupCount,
  DeadLetterKey,
  DeadLetterKeysRequest,
  DeadLetterName,
  DeadLetterPage,
  DeadLetterPageRequest,
  GroupTrendCount,
  RetryRecord,
  State,
  StateChange,
  StateSnapshot,
} from "./state.ts";

/** Changes of dead letters and their groups. */
const CHANGES_DEAD = /^(?:dead\.(?!ages)|group\.|event\.redact)/;

/** How long that is remembered which another process may have changed, ms. */
const REMEMBERED_MS = 500;

/**
 * A value that is read once and remembered until it may have changed. One that comes later is
 * remembered only if nothing was forgotten while it was on its way: it may be of before the change.
 * What is remembered is the value and never its promise, which would be handed to those who ask
 * after the change, and would go on refusing once a read has failed.
 */
class Remembered<T> {
  readonly #clock: Clock | undefined;
  #value: T | undefined;
  #readAt = 0;
  #times = 0;

  /** `clock`: somebody else changes it, too, and it is remembered for a moment. */
  constructor(clock: Clock | undefined) {
    this.#clock = clock;
  }

  read(read: () => MaybePromise<T>): MaybePromise<T> {
    // Before it is read: what it is of is at least as old.
    const now = this.#clock?.monotonic() ?? 0;
    if (this.#value !== undefined && now - this.#readAt < REMEMBERED_MS) return this.#value;
    const value = read();
    if (!isPromise(value)) return this.#remember(value, now);
    const times = this.#times;
    return value.then((come) => times === this.#times ? this.#remember(come, now) : come);
  }

  #remember(value: T, at: number): T {
    this.#readAt = at;
    return this.#value = value;
  }

  forget(): void {
    this.#value = undefined;
    this.#times++;
  }
}

/** Errors after which it is known that nothing of the commit was stored. */
function isHarmless(error: unknown): boolean {
  return error instanceof CannotStoreError || error instanceof FencedError ||
    error instanceof StaleError || error instanceof UnsupportedError;
}

/** Is told of a commit that is sent; returns what is called when it is kept. */
export type CommitListener = (changes: readonly StateChange[]) => (() => void) | undefined;

/** A state that refuses everything after its first failure. */
export class GuardedState implements State {
  readonly #state: State;
  readonly #failure = Promise.withResolvers<unknown>();
  #failed: unknown;
  #listener: CommitListener | undefined;
  /** Dead letters per subscription. */
  readonly #deadCounts: Remembered<Map<string, number>>;
  readonly #groups: Remembered<GroupRecord[]>;
  readonly #groupCounts: Remembered<DeadLetterGroupCount[]>;
  readonly #closedCounts: Remembered<Map<string, number>>;
  readonly transact?: Transact;

  /** `sharesState`: of the store of events, which other processes use, too. */
  constructor(state: State, { sharesState = false }: { readonly sharesState?: boolean } = {}) {
    this.#state = state;
    const { shared, transact } = sharesState ? state : {};
    if (transact) this.transact = (act) => this.#transact(transact, act);
    this.#deadCounts = new Remembered(shared?.clock);
    this.#groups = new Remembered(shared?.clock);
    this.#groupCounts = new Remembered(shared?.clock);
    this.#closedCounts = new Remembered(shared?.clock);
  }

  /** Resolves with the error after which nothing more is stored. */
  get failure(): Promise<unknown> {
    return this.#failure.promise;
  }

  /** That error; undefined if there was none. */
  get failed(): unknown {
    return this.#failed;
  }

  get forgets(): boolean {
    return this.#state.forgets ?? false;
  }

  get shared(): SharedState | undefined {
    return this.#state.shared;
  }

  /**
   * Calls `listener` with the changes of each commit that is sent, and what it returned when that
   * commit is kept.
   */
  onCommit(listener: CommitListener): void {
    this.#listener = listener;
  }

  load(): StateSnapshot {
    return this.#state.load();
  }

  async commit(changes: readonly StateChange[], options?: CommitOptions): Promise<void> {
    if (this.#failed !== undefined) throw refusal(this.#failed);
    const kept = this.#listener?.(changes);
    try {
      await this.#state.commit(changes, options);
      kept?.();
      if (changes.some(({ op }) => CHANGES_DEAD.test(op))) this.#forget();
    } catch (thrown) {
      throw this.#refused(thrown);
    }
  }

  /** What it rejects with is no failure of the state: it says what was found, and that is final. */
  async #transact<T>(transact: Transact, act: SharedAct<T>): Promise<T> {
    if (this.#failed !== undefined) throw refusal(this.#failed);
    let kept: (() => void) | undefined;
    try {
      const result = await transact({
        ...act,
        decide: async (rows) => {
          const decision = await act.decide(rows);
          kept = this.#listener?.([...act.first ?? [], ...decision.changes]);
          return decision;
        },
      });
      kept?.();
      return result;
    } finally {
      this.#forget();
    }
  }

  #forget(): void {
    this.#deadCounts.forget();
    this.#closedCounts.forget();
    this.#groups.forget();
    this.#groupCounts.forget();
  }

  async scrub(): Promise<void> {
    if (this.#failed !== undefined) throw refusal(this.#failed);
    try {
      await this.#state.scrub?.();
    } catch (thrown) {
      throw this.#refused(thrown);
    }
  }

  /** What the caller is told; final if it is not known what was stored. */
  #refused(thrown: unknown): EvsError {
    const error = asError(thrown);
    if (!isHarmless(error)) {
      this.#failed ??= error;
      this.#failure.resolve(error);
    }
    return refusal(error);
  }

  retry(
    subscription: string,
    topic: string,
    id: string,
  ): MaybePromise<RetryRecord | undefined> {
    return this.#state.retry(subscription, topic, id);
  }

  scheduledLine(number: number): MaybePromise<Uint8Array | undefined> {
    return this.#state.scheduledLine(number);
  }

  deadLetters(
    filter: BoundDeadLetterFilter,
    page: DeadLetterPageRequest,
  ): MaybePromise<DeadLetterPage> {
    return this.#state.deadLetters(filter, page);
  }

  countDeadLetters(filter: BoundDeadLetterFilter): MaybePromise<number> {
    return this.#state.countDeadLetters(filter);
  }

  deadLetterKeys(request: DeadLetterKeysRequest): MaybePromise<DeadLetterKey[]> {
    return this.#state.deadLetterKeys(request);
  }

  jobPart(job: number, part: number): MaybePromise<DeadLetterName[] | undefined> {
    return this.#state.jobPart(job, part);
  }

  audit(query: AuditQuery): MaybePromise<AuditRecord[]> {
    return this.#state.audit(query);
  }

  deadLetterCounts(): MaybePromise<Map<string, number>> {
    return this.#deadCounts.read(() => this.#state.deadLetterCounts());
  }

  deadLetterGroups(): MaybePromise<GroupRecord[]> {
    return this.#groups.read(() => this.#state.deadLetterGroups());
  }

  deadLetterGroupCounts(): MaybePromise<DeadLetterGroupCount[]> {
    return this.#groupCounts.read(() => this.#state.deadLetterGroupCounts());
  }

  closedDeadLetterCounts(): MaybePromise<Map<string, number>> {
    return this.#closedCounts.read(() => this.#state.closedDeadLetterCounts());
  }

  deadLetterTrend(end: number): MaybePromise<GroupTrendCount[]> {
    return this.#state.deadLetterTrend(end);
  }

  closing(): void {
    this.#state.closing?.();
  }

  close(): Promise<void> {
    return this.#state.close();
  }
}

function refusal(cause: unknown): EvsError {
  if (cause instanceof EvsError) return cause;
  const why = thrownText(cause);
  return new InternalError(`the state failed and stores nothing more: ${why}`, {
    cause,
    hint: "read the log (evs daemon logs), fix the cause, and start the daemon again",
  });
}
