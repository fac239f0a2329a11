/** What the audit log says of acts on dead letters. */
import { defined } from "../base/defined.ts";
import type { ActOptions, AuditAct } from "../event/audit.ts";
import type { DeadLetterJobRecord } from "../event/dead_letter_job.ts";
import type { DeadLetterAction } from "../protocol/protocol.ts";
import { audited } from "../state/audited.ts";
import { deadLetterName } from "../state/dead_letter_name.ts";
import type { StateChange } from "../state/state.ts";
import type { EntryKey } from "./entries.ts";
import { jobName } from "./job_record.ts";

/** Most dead letters that an act names. */
const NAMED = 10;

/** Records an act on these; nothing if there was none. */
export function auditedDeadLetters(
  what: AuditAct,
  { act, action = {}, done, job }: ActOptions & {
    action?: Pick<DeadLetterAction, "subscription" | "topic" | "to">;
    done: readonly EntryKey[];
    job?: string;
  },
): StateChange[] {
  if (done.length === 0) return [];
  const { subscription, topic, to } = action;
  const names = new Set(done.map((entry) => entry.subscription));
  const topics = new Set(done.map((entry) => entry.topic));
  return audited(act, {
    act: what,
    ...defined({
      subscription: subscription ?? (names.size === 1 ? [...names][0] : undefined),
      topic: topic ?? (topics.size === 1 ? [...topics][0] : undefined),
    }),
    details: { count: done.length, ids: done.slice(0, NAMED).map(deadLetterName), to, job },
  });
}

/** Records the start, the end or the cancellation of a job. */
export function auditedJob(
  what: "job.start" | "job.end" | "job.cancel",
  job: DeadLetterJobRecord,
  { act }: ActOptions,
): StateChange[] {
  const { action, selection, to, rate, total, done, gone, failed, state } = job;
  const { subscription, topic } = selection;
  const counts = { done, gone, failed: failed.length === 0 ? undefined : failed, state };
  return audited(act, {
    act: what,
    ...defined({ subscription, topic }),
    details: {
      job: jobName(job),
      action,
      selection,
      to,
      rate,
      total,
      ...what === "job.start" ? {} : counts,
    },
  });
}
