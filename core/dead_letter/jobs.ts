/**
 * Acts on many dead letters that the broker does by itself, in steps, at a rate if asked to: they
 * outlive the client that asked for them, and the process. What a job acts on is fixed when it
 * starts. A small one without a rate is done in one transaction, with its start.
 */
import type { Clock } from "../base/clock.ts";
import type { MaybePromise } from "../base/maybe_promise.ts";
import type { ActOptions } from "../event/audit.ts";
import { auditedJob } from "./audited_act.ts";
import { setPatientTimer } from "../base/standstill.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import type { DeadLetterJob, DeadLetterJobRequest } from "../protocol/dead_letter_jobs.ts";
import type { CatalogRefresh } from "../state/stale.ts";
import type { DeadLetterJobRecord, DeadLetterName, State, StateChange } from "../state/state.ts";
import type { DeadLetters } from "./dead_letters.ts";
import { jobEnded, jobInfo, jobName, noSuchJob } from "./job_record.ts";
import { type JobContext, JobRun } from "./job_run.ts";
import { KEPT_JOBS, partsOf, startOfJob } from "./job_start.ts";

/** What they need. */
export interface JobsContext {
  state: State;
  subscriptions: SubscriptionManager;
  clock: Clock;
  deadLetters: Pick<DeadLetters, "toRetry" | "toRemove" | "isRedacted">;
  /** Set if other nodes use the state, too. */
  shared?: CatalogRefresh | undefined;
  onError?: ((error: unknown, context: string) => void) | undefined;
}

/** What a process that hosts jobs does for them. */
export interface JobsHost {
  makeRoom<T>(work: () => Promise<T>): Promise<T>;
  ended(job: DeadLetterJob): void;
}

/** The jobs: those that run, and the last ones that ended. */
export interface DeadLetterJobs {
  /** Uses what the process has: called before {@link start}. */
  host(host: JobsHost): void;
  /** Goes on with what an earlier process began. */
  start(): Promise<void>;
  /** Stops them after the steps that are under way. */
  close(): Promise<void>;
  /** All of them, the newest first. */
  list(): MaybePromise<DeadLetterJob[]>;
  /** One of them, by its name. Throws or rejects with `NotFoundError`. */
  show(name: string): MaybePromise<DeadLetterJob>;
  /**
   * Starts a job; durable when it resolves. A small one without a rate is done by then. One that
   * matches nothing is not kept. Rejects with what a retry or a removal of the same would.
   */
  begin(request: DeadLetterJobRequest, how?: ActOptions): Promise<DeadLetterJob>;
  /** Ends one; what it has done stays done. Rejects with `ConflictError` if it has ended. */
  cancel(name: string, how?: ActOptions): Promise<DeadLetterJob>;
  /** Waits until it has ended, at most `waitMs`. */
  ended(
    name: string,
    options: { waitMs: number; signal: AbortSignal },
  ): Promise<DeadLetterJob>;
}

/** Those of a state that this process has for itself. */
export class LocalDeadLetterJobs implements DeadLetterJobs {
  readonly #context: JobsContext;
  readonly #runs = new Map<string, JobRun>();
  /** Those whose list was not complete when an earlier process ended: they never began. */
  readonly #unlisted: number[];
  #last = 0;
  #host: JobsHost | undefined;
  #isClosed = false;

  constructor(context: JobsContext, records: readonly DeadLetterJobRecord[]) {
    this.#context = context;
    this.#unlisted = records.filter(({ isListed }) => !isListed).map(({ number }) => number);
    for (const record of records) {
      this.#last = Math.max(this.#last, record.number);
      if (record.isListed) this.#add(record);
    }
  }

  host(host: JobsHost): void {
    this.#host = host;
  }

  async start(): Promise<void> {
    if (this.#unlisted.length > 0) {
      await this.#context.state.commit([{ op: "job.forget", numbers: this.#unlisted }]);
    }
    for (const run of this.#runs.values()) {
      if (run.record.state === "running" && !this.#isClosed) run.begin();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(Array.from(this.#runs.values(), (run) => run.stop()));
  }

  list(): DeadLetterJob[] {
    return [...this.#runs.values()]
      .map(({ record, waiting }) => jobInfo(record, waiting))
      .reverse();
  }

  show(name: string): DeadLetterJob {
    const { record, waiting } = this.#require(name);
    return jobInfo(record, waiting);
  }

  async begin(
    request: DeadLetterJobRequest,
    { act }: ActOptions = {},
  ): Promise<DeadLetterJob> {
    const { record: found, entries, isSmall } = await startOfJob(request, { act }, this.#context);
    if (entries.length === 0) return jobInfo(found);
    const record = { ...found, number: ++this.#last };
    const run = new JobRun(record, this.#runContext());
    await this.#makeRoom(() =>
      isSmall ? run.step(entries, { act }) : this.#store(record, { entries, act })
    );
    this.#runs.set(jobName(record), run);
    this.#forgetOld();
    if (run.record.state === "running" && !this.#isClosed) run.begin();
    return jobInfo(run.record);
  }

  async cancel(name: string, how: ActOptions = {}): Promise<DeadLetterJob> {
    const run = this.#require(name);
    if (!await run.cancel(how)) throw jobEnded(run.record);
    return jobInfo(run.record);
  }

  async ended(
    name: string,
    { waitMs, signal }: { waitMs: number; signal: AbortSignal },
  ): Promise<DeadLetterJob> {
    const run = this.#require(name);
    if (run.record.state === "running" && waitMs > 0 && !signal.aborted) {
      const over = Promise.withResolvers<void>();
      const cancel = setPatientTimer(this.#context.clock, over.resolve, waitMs);
      signal.addEventListener("abort", () => over.resolve(), { once: true });
      await Promise.race([run.over, over.promise]);
      cancel();
    }
    return jobInfo(run.record, run.waiting);
  }

  /** The list in parts, and then that it is complete. */
  async #store(
    record: DeadLetterJobRecord,
    { entries, act }: ActOptions & { entries: readonly DeadLetterName[] },
  ): Promise<void> {
    const { state } = this.#context;
    const unlisted: StateChange = { op: "job.put", record: { ...record, isListed: false } };
    for (const one of partsOf(entries)) {
      const changes: StateChange[] = [{ op: "job.part", job: record.number, ...one }];
      await state.commit(one.part === 0 ? [unlisted, ...changes] : changes, { sync: false });
    }
    await state.commit([{ op: "job.put", record }, ...auditedJob("job.start", record, { act })]);
  }

  #add(record: DeadLetterJobRecord): void {
    this.#runs.set(jobName(record), new JobRun(record, this.#runContext()));
  }

  #makeRoom<T>(work: () => Promise<T>): Promise<T> {
    return this.#host?.makeRoom(work) ?? work();
  }

  #runContext(): JobContext {
    const { state, subscriptions, clock, deadLetters, onError } = this.#context;
    return {
      state,
      subscriptions,
      clock,
      isRedacted: (record) => deadLetters.isRedacted(record),
      makeRoom: (work) => this.#makeRoom(work),
      atEnd: ({ number }) => {
        const numbers = this.#old(number);
        return numbers.length === 0 ? [] : [{ op: "job.forget", numbers }];
      },
      ended: (record) => {
        this.#forgetOld();
        this.#host?.ended(jobInfo(record));
      },
      onError: (error, context) => onError?.(error, context),
    };
  }

  /** Those that are no longer kept once this one has ended, too. */
  #old(ending?: number): number[] {
    const ended = [...this.#runs.values()]
      .map(({ record }) => record)
      .filter(({ state, number }) => state !== "running" && number !== ending)
      .map(({ number }) => number);
    const kept = KEPT_JOBS - (ending === undefined ? 0 : 1);
    return ended.slice(0, Math.max(0, ended.length - kept));
  }

  #forgetOld(): void {
    const old = new Set(this.#old());
    for (const [name, { record }] of this.#runs) {
      if (old.has(record.number)) this.#runs.delete(name);
    }
  }

  #require(name: string): JobRun {
    const run = this.#runs.get(name);
    if (run === undefined) throw noSuchJob(name);
    return run;
  }
}
