/**
 * A state that stops being trusted once a commit has failed for a reason other than lack of space.
 * What a failed sync has stored is unknown, so everything after it is refused until the file is
 * opened and read again.
 */
import { asError, thrownText } from "../base/thrown.ts";
import { CannotStoreError, EvsError, InternalError } from "../base/errors.ts";
import type { AuditQuery, AuditRecord } from "../event/audit.ts";
import type { GroupRecord } from "./group_rules.ts";
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

/** A state that refuses everything after its first failure. */
export class GuardedState implements State {
  readonly #state: State;
  readonly #failure = Promise.withResolvers<unknown>();
  #failed: unknown;
  /** Dead letters per subscription; undefined after some were added or removed. */
  #deadCounts: Map<string, number> | undefined;
  /** The same of their groups; undefined after those may have changed, too. */
  #groups: GroupRecord[] | undefined;
  #groupCounts: DeadLetterGroupCount[] | undefined;
  #closedCounts: Map<string, number> | undefined;

  constructor(state: State) {
    this.#state = state;
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

  load(): StateSnapshot {
    return this.#state.load();
  }

  async commit(changes: readonly StateChange[], options?: CommitOptions): Promise<void> {
    if (this.#failed !== undefined) throw refusal(this.#failed);
    try {
      await this.#state.commit(changes, options);
      if (changes.some(({ op }) => CHANGES_DEAD.test(op))) {
        this.#deadCounts = this.#closedCounts = undefined;
        this.#groups = this.#groupCounts = undefined;
      }
    } catch (thrown) {
      throw this.#refused(thrown);
    }
  }

  async scrub(): Promise<void> {
    if (this.#failed !== undefined) throw refusal(this.#failed);
    try {
      await this.#state.scrub?.();
    } catch (thrown) {
      throw this.#refused(thrown);
    }
  }

  /** What the caller is told; anything but lack of space is final. */
  #refused(thrown: unknown): EvsError {
    const error = asError(thrown);
    if (!(error instanceof CannotStoreError)) {
      this.#failed ??= error;
      this.#failure.resolve(error);
    }
    return refusal(error);
  }

  retry(subscription: string, topic: string, id: string): RetryRecord | undefined {
    return this.#state.retry(subscription, topic, id);
  }

  scheduledLine(number: number): Uint8Array | undefined {
    return this.#state.scheduledLine(number);
  }

  deadLetters(filter: BoundDeadLetterFilter, page: DeadLetterPageRequest): DeadLetterPage {
    return this.#state.deadLetters(filter, page);
  }

  countDeadLetters(filter: BoundDeadLetterFilter): number {
    return this.#state.countDeadLetters(filter);
  }

  deadLetterKeys(request: DeadLetterKeysRequest): DeadLetterKey[] {
    return this.#state.deadLetterKeys(request);
  }

  jobPart(job: number, part: number): DeadLetterName[] | undefined {
    return this.#state.jobPart(job, part);
  }

  audit(query: AuditQuery): AuditRecord[] {
    return this.#state.audit(query);
  }

  deadLetterCounts(): Map<string, number> {
    return this.#deadCounts ??= this.#state.deadLetterCounts();
  }

  deadLetterGroups(): GroupRecord[] {
    return this.#groups ??= this.#state.deadLetterGroups();
  }

  deadLetterGroupCounts(): DeadLetterGroupCount[] {
    return this.#groupCounts ??= this.#state.deadLetterGroupCounts();
  }

  closedDeadLetterCounts(): Map<string, number> {
    return this.#closedCounts ??= this.#state.closedDeadLetterCounts();
  }

  deadLetterTrend(end: number): GroupTrendCount[] {
    return this.#state.deadLetterTrend(end);
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
