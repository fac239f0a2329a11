/**
 * Runs one job: step by step through its list, each step with how far the job is in one transaction,
 * so that nothing is done twice or left out, whenever the process ends.
 */
import type { Clock } from "../base/clock.ts";
import { defined } from "../base/defined.ts";
import { InternalError, isDiskFull, NotFoundError } from "../base/errors.ts";
import { turn } from "../base/in_turns.ts";
import { paceInChunks, parseRate } from "../base/rate.ts";
import { thrownText } from "../base/thrown.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import { type Redelivery, redeliveryOf } from "../delivery/redeliver.ts";
import type { ActOptions } from "../event/audit.ts";
import type {
  DeadLetterJobRecord,
  DeadLetterName,
  DeadLetterRecord,
  State,
  StateChange,
} from "../state/state.ts";
import { auditedDeadLetters, auditedJob } from "./audited_act.ts";
import { copyOf, readEntries } from "./entries.ts";
import { afterStep, jobName } from "./job_record.ts";
import { moveDeadLetters, removeDeadLetters } from "./move.ts";

/** Entries in one part of a job's list, and the most that one step goes through. */
export const PART = 1000;
/** On a full disk, a job tries again after this long, ms. */
const AGAIN_MS = 5000;

/** What a job needs. */
export interface JobContext {
  state: State;
  subscriptions: SubscriptionManager;
  clock: Clock;
  /** Nothing of its event is left to deliver. */
  isRedacted(record: DeadLetterRecord): boolean;
  /** Runs a step; finds room for it if the disk is full. */
  makeRoom<T>(work: () => Promise<T>): Promise<T>;
  /** What is committed together with the end of the job. */
  atEnd(record: DeadLetterJobRecord): StateChange[];
  /** The job has ended. */
  ended(record: DeadLetterJobRecord): void;
  onError(error: unknown, context: string): void;
}

/** One job that runs. */
export class JobRun {
  /** As it is stored. */
  record: DeadLetterJobRecord;
  /** Why it does not get on. */
  waiting: string | undefined;
  readonly #context: JobContext;
  readonly #over = Promise.withResolvers<void>();
  #list: { part: number; entries: readonly DeadLetterName[] } | undefined;
  /** No step begins: it is being cancelled, or its process ends. */
  #stopped = false;
  /** Its process ends. */
  #closed = false;
  #wake: () => void = () => {};
  #running: Promise<void> | undefined;
  #cancelling: Promise<boolean> | undefined;

  constructor(record: DeadLetterJobRecord, context: JobContext) {
    this.record = record;
    this.#context = context;
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
    const endedAt = Math.round(clock.now());
    const record: DeadLetterJobRecord = { ...this.record, state: "cancelled", endedAt };
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
    const rate = this.record.rate === undefined ? undefined : parseRate(this.record.rate);
    const most = rate === undefined ? PART : paceInChunks(rate).size;
    const eachMs = rate === undefined ? 0 : rate.perMs / rate.count;
    let size = most;
    let due = clock.monotonic();
    while (await this.#mayStep(due)) {
      const entries = await this.#next(size);
      try {
        await makeRoom(() => this.step(entries));
        this.waiting = undefined;
        size = Math.min(most, size * 2);
        due = Math.max(due + entries.length * eachMs, clock.monotonic());
      } catch (error) {
        // A subscription was removed meanwhile: the step finds that out when it begins again.
        if (error instanceof NotFoundError && error.code === "subscription/not-found") continue;
        if (!isDiskFull(error)) throw error;
        if (size > 1) size = Math.max(1, size >> 2);
        else {
          this.waiting = "the disk is full";
          due = clock.monotonic() + AGAIN_MS;
        }
      }
    }
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
      if (entries === undefined) throw new InternalError(`part ${part} of its list is missing`);
      this.#list = { part, entries };
    }
    const from = at % PART;
    return this.#list.entries.slice(from, from + size);
  }

  /**
   * Goes through these, which are next: one transaction. `act`: somebody waits for all of it, so
   * this is no job for the audit log, but an act.
   */
  async step(entries: readonly DeadLetterName[], { act }: ActOptions = {}): Promise<void> {
    const { state, subscriptions, clock, atEnd } = this.#context;
    const { action, to, bound } = this.record;
    const keys = entries.map(([subscription, topic, id]) => ({ subscription, topic, id }));
    const able: Redelivery[] = [];
    const failed: string[] = [];
    for (const record of await readEntries(state, keys, { upTo: bound })) {
      const why = action === "retry" ? await this.#whyNot(record) : undefined;
      if (why === undefined) able.push(redeliveryOf(record));
      else failed.push(why);
    }
    let next = this.record;
    const also = (done: readonly Redelivery[]): StateChange[] => {
      const now = Math.round(clock.now());
      next = afterStep(this.record, { through: entries.length, done, failed, now });
      return [
        { op: "job.put", record: next },
        ...next.state === "done" ? [...this.#auditedEnd(next, { act, done }), ...atEnd(next)] : [],
      ];
    };
    const context = { state, subscriptions, upTo: bound, also };
    const passCopies = this.record.selection.ids === undefined;
    if (action === "retry") await moveDeadLetters(able, { ...context, to, passCopies });
    else await removeDeadLetters(able, context);
    this.#became(next);
  }

  #auditedEnd(
    record: DeadLetterJobRecord,
    { act, done }: ActOptions & { done: readonly Redelivery[] },
  ): StateChange[] {
    const { action, selection, to } = record;
    if (act !== undefined) {
      const { subscription, topic } = selection;
      const given = { ...defined({ subscription, topic, to }) };
      const about = { act, action: given, done, job: jobName(record) };
      return auditedDeadLetters(`dead-letters.${action}`, about);
    }
    // By whoever started it: the daemon ends what it was asked for.
    const origin = record.way && { way: "daemon" as const, at: record.endedAt!, by: record.by };
    return auditedJob("job.end", record, { act: origin && defined(origin) });
  }

  /** Why a dead letter cannot be retried. */
  async #whyNot(record: DeadLetterRecord): Promise<string | undefined> {
    const { state, subscriptions, isRedacted } = this.#context;
    const { to = record.subscription, selection } = this.record;
    if (!subscriptions.has(to)) return `the subscription ${to} is gone`;
    if (isRedacted(record)) return "redacted: nothing is left to deliver";
    if (selection.ids === undefined && await copyOf(state, record) !== undefined) {
      return "an edited copy of it is on its way";
    }
    return undefined;
  }

  #became(record: DeadLetterJobRecord): void {
    this.record = record;
    if (record.state === "running") return;
    this.waiting = undefined;
    this.#over.resolve();
    this.#context.ended(record);
  }
}
