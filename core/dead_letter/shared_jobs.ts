/**
 * Jobs where several nodes share the state: any node starts, shows and cancels them; each is run by
 * one node at a time, and by another one once that is gone (core/state/shared_jobs.ts). What is
 * stored is what holds: each act on a job reads its row in the transaction that changes it.
 */
import { setPatientTimer } from "../base/standstill.ts";
import type { ActOptions } from "../event/audit.ts";
import type { DeadLetterJob, DeadLetterJobRequest } from "../protocol/dead_letter_jobs.ts";
import type { ActDecision, ActRows, JobHolder, Transact } from "../state/shared_act.ts";
import type {
  ClaimedJob,
  JobClaim,
  JobOwner,
  SharedJobs,
  StoredJob,
} from "../state/shared_jobs.ts";
import type { DeadLetterJobRecord, DeadLetterName, StateChange } from "../state/state.ts";
import { auditedJob } from "./audited_act.ts";
import { cancelled, jobEnded, jobInfo, jobName, noSuchJob } from "./job_record.ts";
import { JobLostError, JobRun, type SharedRun } from "./job_run.ts";
import { KEPT_JOBS, partsOf, startOfJob } from "./job_start.ts";
import type { DeadLetterJobs, JobsContext, JobsHost } from "./jobs.ts";

/** How often a job is looked at whose end somebody waits for, where no wake-up comes, ms. */
const LOOK_MS = 2000;
/** The epoch of a job whose row was just made. */
const FIRST = 1;

/** The jobs of all nodes. */
export class SharedDeadLetterJobs implements DeadLetterJobs, JobOwner {
  readonly #context: JobsContext;
  readonly #jobs: SharedJobs;
  readonly #runs = new Map<number, { epoch: number; run: JobRun }>();
  /** Those whose list is being stored here. */
  readonly #listing = new Map<number, JobClaim>();
  #host: JobsHost | undefined;
  #isClosed = false;

  constructor(context: JobsContext, jobs: SharedJobs) {
    this.#context = context;
    this.#jobs = jobs;
  }

  host(host: JobsHost): void {
    this.#host = host;
  }

  start(): Promise<void> {
    if (!this.#isClosed) this.#jobs.start(this);
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(Array.from(this.#runs.values(), ({ run }) => run.stop()));
    await this.#jobs.close();
  }

  claims(): ReturnType<JobOwner["claims"]> {
    const running = Array.from(this.#runs, ([number, { epoch, run }]) => {
      return { number, epoch, waiting: run.waiting };
    });
    return [...running, ...this.#listing.values()];
  }

  async claimed(jobs: readonly ClaimedJob[], looked: readonly JobClaim[]): Promise<void> {
    const isHere = (one: JobClaim) =>
      jobs.some(({ number, epoch }) => number === one.number && epoch === one.epoch);
    await Promise.all(
      looked.filter((one) => !isHere(one)).map(({ number, epoch }) => {
        const own = this.#runs.get(number);
        if (own?.epoch !== epoch) return;
        this.#runs.delete(number);
        return own.run.stop();
      }),
    );
    for (const job of jobs) {
      if (job.record.isListed) this.#adopt(job);
      // Whoever made its list is gone, or could not go on.
      else if (!this.#listing.has(job.number)) await this.#forgetUnlisted(job);
    }
  }

  async list(): Promise<DeadLetterJob[]> {
    return (await this.#jobs.all()).map((job) => this.#infoOf(job)).reverse();
  }

  async show(name: string): Promise<DeadLetterJob> {
    return this.#infoOf(await this.#stored(name));
  }

  async begin(request: DeadLetterJobRequest, how: ActOptions = {}): Promise<DeadLetterJob> {
    const { record, entries, isSmall } = await startOfJob(request, how, this.#context);
    if (entries.length === 0) return jobInfo(record);
    if (isSmall) return await this.#makeRoom(() => this.#atOnce(record, { entries, ...how }));
    const claim = await this.#makeRoom(() => this.#store(record, { entries, ...how }));
    this.#adopt(claim);
    this.#jobs.changed();
    return jobInfo(claim.record);
  }

  async cancel(name: string, how: ActOptions = {}): Promise<DeadLetterJob> {
    const { record: { number } } = await this.#stored(name);
    const record = await this.#makeRoom(() =>
      this.#act(async (rows) => {
        const job = await rows.job(number);
        if (job === undefined) throw noSuchJob(name);
        if (job.state !== "running") throw jobEnded(job);
        const record = cancelled(job, this.#context.clock.now());
        const forget = forgetOld(await rows.endedJobs());
        const audited = auditedJob("job.cancel", record, how);
        return { changes: [{ op: "job.put", record }, ...audited, ...forget], result: record };
      })
    );
    const own = this.#runs.get(number);
    this.#runs.delete(number);
    this.#ended(record);
    await own?.run.stop();
    return jobInfo(record);
  }

  async ended(
    name: string,
    { waitMs, signal }: { waitMs: number; signal: AbortSignal },
  ): Promise<DeadLetterJob> {
    const { clock } = this.#context;
    const until = clock.monotonic() + waitMs;
    for (;;) {
      const changed = Promise.withResolvers<void>();
      // Before it is read: what happens meanwhile is not missed.
      const stopListening = this.#jobs.onChanged(changed.resolve);
      signal.addEventListener("abort", () => changed.resolve(), { once: true });
      try {
        const job = await this.show(name);
        const left = until - clock.monotonic();
        if (job.state !== "running" || left <= 0 || signal.aborted) return job;
        const cancel = setPatientTimer(clock, changed.resolve, Math.min(left, LOOK_MS));
        await changed.promise;
        cancel();
      } finally {
        stopListening();
      }
    }
  }

  /** All of it in one transaction, with its start. */
  async #atOnce(
    found: DeadLetterJobRecord,
    { entries, act }: ActOptions & { entries: readonly DeadLetterName[] },
  ): Promise<DeadLetterJob> {
    const run = this.#runOf(found, async (rows, job) => {
      return { ...job, number: await rows.beginJob(this.#jobs.node) };
    });
    await run.step(entries, { act });
    return jobInfo(run.record);
  }

  /** The list in parts, and then that it is complete. */
  async #store(
    found: DeadLetterJobRecord,
    { entries, act }: ActOptions & { entries: readonly DeadLetterName[] },
  ): Promise<ClaimedJob> {
    const [first, ...others] = partsOf(entries);
    let claim: JobClaim = { number: 0, epoch: FIRST };
    try {
      const unlisted = await this.#act(async (rows) => {
        this.#listing.delete(claim.number);
        claim = { ...claim, number: await rows.beginJob(this.#jobs.node) };
        // Before anybody can see it: a look would take it for one that was left.
        this.#listing.set(claim.number, claim);
        const record = { ...found, number: claim.number, isListed: false };
        const part: StateChange = { op: "job.part", job: claim.number, ...first! };
        return { changes: [{ op: "job.put", record }, part], result: record };
      });
      const put = (changes: readonly StateChange[]) =>
        this.#act(async (rows) => {
          await held(rows, unlisted, { node: this.#jobs.node, epoch: FIRST });
          return { changes, result: undefined };
        });
      for (const part of others) await put([{ op: "job.part", job: claim.number, ...part }]);
      const record = { ...unlisted, isListed: true };
      await put([{ op: "job.put", record }, ...auditedJob("job.start", record, { act })]);
      return { ...claim, record };
    } finally {
      this.#listing.delete(claim.number);
    }
  }

  #adopt({ number, epoch, record }: ClaimedJob): void {
    if (this.#isClosed || this.#runs.get(number)?.epoch === epoch) return;
    const holder = { node: this.#jobs.node, epoch };
    const run = this.#runOf(record, (rows, job) => held(rows, job, holder));
    this.#runs.set(number, { epoch, run });
    run.begin();
  }

  #runOf(record: DeadLetterJobRecord, hold: SharedRun["hold"]): JobRun {
    const { state, subscriptions, clock, deadLetters, shared, onError } = this.#context;
    let ended: readonly number[] = [];
    const run: JobRun = new JobRun(record, {
      state,
      subscriptions,
      clock,
      isRedacted: (record) => deadLetters.isRedacted(record),
      makeRoom: (work) => this.#makeRoom(work),
      atEnd: () => forgetOld(ended),
      ended: (record) => {
        this.#drop(run);
        this.#ended(record);
      },
      onError: (error, context) => onError?.(error, context),
    }, {
      hold: async (rows, job) => {
        const record = await hold(rows, job);
        ended = await rows.endedJobs();
        return record;
      },
      refresh: async () => await shared?.refresh(),
      lost: () => this.#drop(run),
    });
    return run;
  }

  #drop(run: JobRun): void {
    const { number } = run.record;
    if (this.#runs.get(number)?.run === run) this.#runs.delete(number);
  }

  async #forgetUnlisted({ number, epoch, record }: ClaimedJob): Promise<void> {
    try {
      await this.#act(async (rows) => {
        await held(rows, record, { node: this.#jobs.node, epoch });
        return { changes: [{ op: "job.forget", numbers: [number] }], result: undefined };
      });
    } catch (error) {
      // It was listed meanwhile, or is another node's.
      if (error instanceof JobLostError) return;
      this.#context.onError?.(error, `the list of the job ${jobName(record)}`);
    }
  }

  #ended(record: DeadLetterJobRecord): void {
    this.#host?.ended(jobInfo(record));
    this.#jobs.changed();
  }

  #act<T>(decide: (rows: ActRows) => Promise<ActDecision<T>>): Promise<T> {
    return this.#transact({ on: [], decide });
  }

  get #transact(): Transact {
    return this.#context.state.transact!;
  }

  #makeRoom<T>(work: () => Promise<T>): Promise<T> {
    return this.#host?.makeRoom(work) ?? work();
  }

  async #stored(name: string): Promise<StoredJob> {
    const found = (await this.#jobs.all()).find(({ record }) => jobName(record) === name);
    if (!found) throw noSuchJob(name);
    return found;
  }

  #infoOf({ record, waiting }: StoredJob): DeadLetterJob {
    const own = this.#runs.get(record.number)?.run;
    return jobInfo(record, record.state === "running" ? own?.waiting ?? waiting : undefined);
  }
}

/** The job as it is stored, if it is this node's and where `job` is. */
async function held(
  rows: ActRows,
  { number, at, isListed }: DeadLetterJobRecord,
  by: JobHolder,
): Promise<DeadLetterJobRecord> {
  const job = await rows.job(number, by);
  const isSame = job?.state === "running" && job.at === at && job.isListed === isListed;
  if (!isSame) throw new JobLostError(`the job ${number} goes on elsewhere`);
  return job;
}

/** Those that are no longer kept once one more has ended. */
function forgetOld(ended: readonly number[]): StateChange[] {
  const numbers = ended.slice(0, Math.max(0, ended.length - (KEPT_JOBS - 1)));
  return numbers.length === 0 ? [] : [{ op: "job.forget", numbers }];
}
