/**
 * Runs one job: step by step through its list, each step with how far the job is in one transaction,
 * so that nothing is done twice or left out, whenever the process ends.
 */
import { InternalError, isDiskFull, NotFoundError } from "../base/errors.ts";
import { turn } from "../base/in_turns.ts";
import { paceInChunks, parseRate } from "../base/rate.ts";
import { thrownText } from "../base/thrown.ts";
import type { ActOptions } from "../event/audit.ts";
import type { ActRows } from "../state/shared_act.ts";
import type { DeadLetterJobRecord, DeadLetterName } from "../state/state.ts";
import { auditedJob } from "./audited_act.ts";
import { cancelled, jobName } from "./job_record.ts";
import { type StepContext, stepJob } from "./job_step.ts";

/** Entries in one part of a job's list, and the most that one step goes through. */
export const PART = 1000;
/** On a full disk, a job tries again after this long, ms. */
const AGAIN_MS = 5000;
/** Where several nodes share the jobs, the longest rest between two steps without a rate, ms. */
const LONGEST_REST_MS = 500;

/** What a job needs. */
export interface JobContext extends StepContext {
  /** Runs a step; finds room for it if the disk is full. */
  makeRoom<T>(work: () => Promise<T>): Promise<T>;
  /** The job has ended. */
  ended(record: DeadLetterJobRecord): void;
  onError(error: unknown, context: string): void;
}

/** What a run needs besides, where several nodes share the jobs. */
export interface SharedRun {
  /**
   * Holds the job in the transaction of a step; returns it as it is stored. Rejects with
   * {@link JobLostError} if it is not this node's any more, or is not where `job` is.
   */
  hold(rows: ActRows, job: DeadLetterJobRecord): Promise<DeadLetterJobRecord>;
  /** Learns what others have changed. */
  refresh(): Promise<void>;
  /** A step was refused: whatever becomes of the job, it is not by this run. */
  lost(): void;
}

/** A job is run by another node, or was ended by one: nothing of the step was stored. */
export class JobLostError extends Error {}

/** One job that runs. */
export class JobRun {
  /** As it is stored. */
  record: DeadLetterJobRecord;
  /** Why it does not get on. */
  waiting: string | undefined;
  readonly #context: JobContext;
  readonly #shared: SharedRun | undefined;
  readonly #over = Promise.withResolvers<void>();
  #list: { part: number; entries: readonly DeadLetterName[] } | undefined;
  /** No step begins: it is being cancelled, or its process ends. */
  #stopped = false;
  /** Its process ends. */
  #closed = false;
  #wake: () => void = () => {};
  #running: Promise<void> | undefined;
  #cancelling: Promise<boolean> | undefined;

  constructor(record: DeadLetterJobRecord, context: JobContext, shared?: SharedRun) {
    this.record = record;
    this.#context = context;
    this.#shared = shared;
  }

  /** Resolves when it has ended: done or cancelled. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Goes on with what is left. */
  begin(): void {
    this.#running = this.#run().catch((error) => {
      this.waiting = thrownText(error);
      this.#context.onError(error, `the job ${jobName(this.record)}`);
    });
  }

  /** Stops for good after the step that is under way; a later process can go on. */
  async stop(): Promise<void> {
    this.#closed = true;
    await this.#pause();
  }

  async #pause(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
  }

  /** Ends it; what is done stays done. False if it ended by itself. */
  cancel(how: ActOptions): Promise<boolean> {
    return this.#cancelling ??= this.#cancel(how).finally(() => this.#cancelling = undefined);
  }

  async #cancel(how: ActOptions): Promise<boolean> {
    await this.#pause();
    if (this.record.state !== "running") return false;
    const { clock, state, makeRoom, atEnd } = this.#context;
    const record = cancelled(this.record, clock.now());
    try {
      const also = [...auditedJob("job.cancel", record, how), ...atEnd(record)];
      await makeRoom(() => state.commit([{ op: "job.put", record }, ...also]));
    } catch (error) {
      if (!this.#closed) {
        this.#stopped = false;
        this.begin();
      }
      throw error;
    }
    this.#became(record);
    return true;
  }

  async #run(): Promise<void> {
    const { clock, makeRoom } = this.#context;
    const { size: most, eachMs } = paceOf(this.record);
    let size = most;
    let due = clock.monotonic() + this.#owedMs(most * eachMs);
    while (await this.#mayStep(due)) {
      const began = clock.monotonic();
      try {
        const entries = await this.#next(size);
        const dueNext = due + entries.length * eachMs;
        await makeRoom(() => this.step(entries, { dueNext }));
        this.waiting = undefined;
        size = Math.min(most, size * 2);
        due = Math.max(dueNext, clock.monotonic() + this.#restMs(began));
      } catch (error) {
        if (!await this.#goesOnAfter(error)) return;
        if (isGone(error)) continue;
        if (isDiskFull(error) && size > 1) size = Math.max(1, size >> 2);
        else {
          this.waiting = isDiskFull(error) ? "the disk is full" : thrownText(error);
          due = clock.monotonic() + AGAIN_MS;
        }
      }
    }
  }

  /** How long the first step has to wait for those of an earlier process. */
  #owedMs(most: number): number {
    const { dueAt } = this.record;
    if (dueAt === undefined) return 0;
    // Whatever the clock says, no more than a step takes by its rate.
    return Math.max(0, Math.min(most, dueAt - this.#context.clock.now()));
  }

  /** Whoever owns what a step has changed reads it again, and gets on before the next one. */
  #restMs(began: number): number {
    if (!this.#shared) return 0;
    return Math.min(LONGEST_REST_MS, this.#context.clock.monotonic() - began);
  }

  /** False if this is no longer run here; throws what a later process has to try again. */
  async #goesOnAfter(error: unknown): Promise<boolean> {
    if (error instanceof JobLostError) {
      this.#stopped = true;
      this.#shared!.lost();
      return false;
    }
    // A subscription was removed meanwhile: the step finds that out when it begins again.
    if (isGone(error)) {
      await this.#shared?.refresh();
      return true;
    }
    if (isDiskFull(error)) return true;
    // Nothing restarts because of one job; nobody else takes it, either, while this node is there.
    if (!this.#shared) throw error;
    const text = thrownText(error);
    if (this.waiting !== text) this.#context.onError(error, `the job ${jobName(this.record)}`);
    return true;
  }

  /** Waits until the next step is due; false if there is none. */
  async #mayStep(due: number): Promise<boolean> {
    const goesOn = () => !this.#stopped && this.record.state === "running";
    if (!goesOn()) return false;
    const { clock } = this.#context;
    const ms = due - clock.monotonic();
    if (ms <= 0) await turn();
    else {
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimer(resolve, ms);
        this.#wake = () => (cancel(), resolve());
      });
    }
    return goesOn();
  }

  /** The next entries of the list, at most `size` and not beyond the end of a part. */
  async #next(size: number): Promise<readonly DeadLetterName[]> {
    const { number, at } = this.record;
    const part = Math.floor(at / PART);
    if (this.#list?.part !== part) {
      const entries = await this.#context.state.jobPart(number, part);
      // Its end takes the list away, which another node may have brought.
      if (entries === undefined && this.#shared) throw new JobLostError();
      if (entries === undefined) throw new InternalError(`part ${part} of its list is missing`);
      this.#list = { part, entries };
    }
    const from = at % PART;
    return this.#list.entries.slice(from, from + size);
  }

  /** Goes through these, which are next: see {@link stepJob}. `dueNext`: when the next step is due. */
  async step(
    entries: readonly DeadLetterName[],
    { act, dueNext }: ActOptions & { dueNext?: number } = {},
  ): Promise<void> {
    const { clock } = this.#context;
    const isPaced = this.record.rate !== undefined && dueNext !== undefined;
    const paceMs = isPaced ? Math.max(0, dueNext - clock.monotonic()) : undefined;
    const hold = this.#shared && ((rows: ActRows) => this.#shared!.hold(rows, this.record));
    this.#became(await stepJob(this.record, { entries, act, paceMs, hold }, this.#context));
  }

  #became(record: DeadLetterJobRecord): void {
    this.record = record;
    if (record.state === "running") return;
    this.waiting = undefined;
    this.#over.resolve();
    this.#context.ended(record);
  }
}

/** How many at a time, and how long each one takes by the rate. */
function paceOf({ rate: text }: DeadLetterJobRecord): { size: number; eachMs: number } {
  if (text === undefined) return { size: PART, eachMs: 0 };
  const rate = parseRate(text);
  return { size: paceInChunks(rate).size, eachMs: rate.perMs / rate.count };
}

function isGone(error: unknown): boolean {
  return error instanceof NotFoundError && error.code === "subscription/not-found";
}
