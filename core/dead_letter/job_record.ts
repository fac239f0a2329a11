/** A job as it is stored and as it is shown. Pure. */
import { defined } from "../base/defined.ts";
import { ConflictError, NotFoundError } from "../base/errors.ts";
import type { Redelivery } from "../delivery/redeliver.ts";
import type { DeadLetterJobRecord, DeadLetterJobSelection } from "../event/dead_letter_job.ts";
import type { DeadLetterJob, DeadLetterJobRequest } from "../protocol/dead_letter_jobs.ts";
import { countBySubscription } from "./resumable.ts";

/** Most reasons that are kept apart; further ones are counted together. */
const REASONS = 20;
const OTHER = "other reasons";

/** A job at its start. */
export function newJob(
  { action, to, rate, ...selected }: DeadLetterJobRequest,
  about: Pick<DeadLetterJobRecord, "number" | "bound" | "total" | "startedAt" | "way" | "by">,
): DeadLetterJobRecord {
  return {
    ...about,
    action,
    selection: selectionOf(selected),
    ...defined({ to, rate }),
    state: "running",
    isListed: true,
    at: 0,
    done: 0,
    gone: 0,
    failed: [],
    bySubscription: {},
  };
}

function selectionOf(
  { ids, key, reason, all, ...rest }: Omit<DeadLetterJobRequest, "action" | "to" | "rate">,
): DeadLetterJobSelection {
  return defined({
    ids: ids?.length,
    ...rest,
    key: key === undefined ? undefined : true as const,
    reason: reason === undefined ? undefined : true as const,
    all: all ? true as const : undefined,
  });
}

/** What one step did: it went through so many of the list. */
export interface JobStep {
  through: number;
  done: readonly Redelivery[];
  /** One reason for each that it could not do. */
  failed: readonly string[];
  now: number;
  /** How long the next step has to wait, ms. */
  paceMs?: number;
}

/** The job after a step; it is done once it is through its list. */
export function afterStep(job: DeadLetterJobRecord, step: JobStep): DeadLetterJobRecord {
  const at = job.at + step.through;
  const bySubscription = new Map(Object.entries(job.bySubscription));
  for (const [name, count] of Object.entries(countBySubscription(step.done))) {
    bySubscription.set(name, (bySubscription.get(name) ?? 0) + count);
  }
  const { dueAt: _dueAt, ...before } = job;
  const next = {
    ...before,
    at,
    done: job.done + step.done.length,
    gone: job.gone + step.through - step.done.length - step.failed.length,
    failed: addReasons(job.failed, step.failed),
    bySubscription: Object.fromEntries(bySubscription),
  };
  if (at >= job.total) return { ...next, state: "done", endedAt: step.now };
  return step.paceMs === undefined ? next : { ...next, dueAt: step.now + Math.round(step.paceMs) };
}

function addReasons(
  known: DeadLetterJobRecord["failed"],
  more: readonly string[],
): DeadLetterJobRecord["failed"] {
  const counts = new Map(known.map(({ reason, count }) => [reason, count]));
  for (const given of more) {
    const reason = counts.has(given) || counts.size < REASONS ? given : OTHER;
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return Array.from(counts, ([reason, count]) => ({ reason, count }));
}

/** The job as somebody ends it, with what it has done. */
export function cancelled(job: DeadLetterJobRecord, now: number): DeadLetterJobRecord {
  const { dueAt: _dueAt, ...rest } = job;
  return { ...rest, state: "cancelled", endedAt: Math.round(now) };
}

/** The name of a job. */
export function jobName({ action, number }: Pick<DeadLetterJobRecord, "action" | "number">) {
  return `${action}-${number}`;
}

/** The job as it is shown. */
export function jobInfo(record: DeadLetterJobRecord, waiting?: string): DeadLetterJob {
  const { number: _number, bound: _bound, isListed: _isListed, dueAt: _dueAt, at, ...shown } =
    record;
  return { job: jobName(record), ...shown, left: record.total - at, ...defined({ waiting }) };
}

/** The job has ended, so that nobody can end it. */
export function jobEnded(record: DeadLetterJobRecord): ConflictError {
  const name = jobName(record);
  return new ConflictError(`the job ${name} has ended: it is ${record.state}`, {
    code: "dead-letter-job/ended",
    hint: `evs dlq jobs show ${name}`,
    details: { job: name, state: record.state },
  });
}

/** There is no job of this name. */
export function noSuchJob(name: string): NotFoundError {
  return new NotFoundError("dead-letter-job", `there is no job ${name}`, {
    hint: "evs dlq jobs list shows those that run, and the last that ended",
    details: { job: name },
  });
}
