/** What a job begins with: the dead letters that its request selects, as they are now. */
import type { Clock } from "../base/clock.ts";
import { defined } from "../base/defined.ts";
import type { Redelivery } from "../delivery/redeliver.ts";
import type { ActOptions } from "../event/audit.ts";
import type { DeadLetterJobRequest } from "../protocol/dead_letter_jobs.ts";
import type { DeadLetterJobRecord, DeadLetterName, State } from "../state/state.ts";
import type { DeadLetters } from "./dead_letters.ts";
import { newestNumber } from "./entries.ts";
import { newJob } from "./job_record.ts";
import { PART } from "./job_run.ts";

/** How many jobs that have ended are kept. */
export const KEPT_JOBS = 100;

/** What finds them. */
export interface JobStartContext {
  state: State;
  clock: Clock;
  deadLetters: Pick<DeadLetters, "toRetry" | "toRemove">;
}

/** A job that has no number yet, and its list. */
export interface JobStart {
  /** One that has found nothing is done. */
  record: DeadLetterJobRecord;
  entries: readonly DeadLetterName[];
  /** It is done in one transaction, with its start. */
  isSmall: boolean;
}

/** Finds what a job acts on. Throws what a retry or a removal of the same would throw. */
export async function startOfJob(
  request: DeadLetterJobRequest,
  { act }: ActOptions,
  { state, clock, deadLetters }: JobStartContext,
): Promise<JobStart> {
  const upTo = await newestNumber(state);
  const { action, rate, ...selected } = request;
  const found = action === "retry"
    ? await deadLetters.toRetry({ ...selected, upTo })
    : await deadLetters.toRemove({ ...selected, upTo });
  const entries = found.map(nameOf);
  const startedAt = Math.round(clock.now());
  const origin = act && defined({ way: act.way, by: act.by });
  const about = { bound: upTo, total: entries.length, startedAt, number: 0, ...origin };
  const record = newJob(request, about);
  const isSmall = rate === undefined && entries.length <= PART;
  if (entries.length > 0) return { record, entries, isSmall };
  return { record: { ...record, state: "done", endedAt: startedAt }, entries, isSmall };
}

/** The list of a job as it is stored. */
export function partsOf(
  entries: readonly DeadLetterName[],
): { part: number; entries: readonly DeadLetterName[] }[] {
  return Array.from({ length: Math.ceil(entries.length / PART) }, (_, part) => {
    return { part, entries: entries.slice(part * PART, (part + 1) * PART) };
  });
}

function nameOf({ subscription, topic, id }: Redelivery): DeadLetterName {
  return [subscription, topic, id];
}
