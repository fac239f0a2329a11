/** One step of a job: what it does with some of its list, and how far it is then, in one transaction. */
import type { Clock } from "../base/clock.ts";
import { defined } from "../base/defined.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import { type Redelivery, redeliveryOf } from "../delivery/redeliver.ts";
import type { ActOptions } from "../event/audit.ts";
import type { ActRows } from "../state/shared_act.ts";
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

/** What a step needs. */
export interface StepContext {
  state: State;
  subscriptions: SubscriptionManager;
  clock: Clock;
  /** Nothing of its event is left to deliver. */
  isRedacted(record: DeadLetterRecord): boolean;
  /** What is committed together with the end of the job. */
  atEnd(record: DeadLetterJobRecord): StateChange[];
}

/** Holds the job in the transaction of its step, where several nodes share it; as it is then. */
export type HoldJob = (rows: ActRows) => Promise<DeadLetterJobRecord>;

/** What a step goes through. */
export interface StepOptions extends ActOptions {
  entries: readonly DeadLetterName[];
  /** How long the next one has to wait, ms: the job has a rate. */
  paceMs?: number | undefined;
  hold?: HoldJob | undefined;
}

/**
 * Goes through these entries, which are next; returns the job as it is then. `act`: somebody waits
 * for all of it, so this is no job for the audit log, but an act.
 */
export async function stepJob(
  job: DeadLetterJobRecord,
  options: StepOptions,
  context: StepContext,
): Promise<DeadLetterJobRecord> {
  const { action, to, bound, selection } = job;
  const { hold, entries, act, paceMs } = options;
  const { state, subscriptions, clock, atEnd } = context;
  const { able, failed } = await sort(job, options, context);
  let [held, next] = [job, job];
  const also = (done: readonly Redelivery[]): StateChange[] => {
    const now = Math.round(clock.now());
    next = afterStep(held, { through: entries.length, done, failed, now, ...defined({ paceMs }) });
    return [
      { op: "job.put", record: next },
      ...next.state === "done" ? [...auditedEnd(next, { act, done }), ...atEnd(next)] : [],
    ];
  };
  const first = hold && (async (rows: ActRows) => void (held = await hold(rows)));
  const move = { state, subscriptions, upTo: bound, also, first };
  const passCopies = selection.ids === undefined;
  if (action === "retry") await moveDeadLetters(able, { ...move, to, passCopies });
  else await removeDeadLetters(able, move);
  return next;
}

/** Those that can be done, and why the others cannot. */
async function sort(
  job: DeadLetterJobRecord,
  { entries, hold }: StepOptions,
  context: StepContext,
): Promise<{ able: Redelivery[]; failed: string[] }> {
  const keys = entries.map(([subscription, topic, id]) => ({ subscription, topic, id }));
  await context.subscriptions.learnOf(keys.map(({ subscription }) => job.to ?? subscription));
  const able: Redelivery[] = [];
  const failed: string[] = [];
  for (const record of await readEntries(context.state, keys, { upTo: job.bound })) {
    const options = { job, isShared: hold !== undefined };
    const why = job.action === "retry" ? await whyNot(record, options, context) : undefined;
    if (why === undefined) able.push(redeliveryOf(record));
    else failed.push(why);
  }
  return { able, failed };
}

/** Why a dead letter cannot be retried. */
async function whyNot(
  record: DeadLetterRecord,
  { job, isShared }: { job: DeadLetterJobRecord; isShared: boolean },
  { state, subscriptions, isRedacted }: StepContext,
): Promise<string | undefined> {
  const { to = record.subscription, selection } = job;
  if (!subscriptions.has(to)) return `the subscription ${to} is gone`;
  // What it keeps is in no transaction with the job, and another node may go on with that.
  if (isShared && !subscriptions.require(to).ledger.lasts) {
    return `the subscription ${to} lives in one process: retry them by their ids there`;
  }
  if (isRedacted(record)) return "redacted: nothing is left to deliver";
  if (selection.ids === undefined && await copyOf(state, record) !== undefined) {
    return "an edited copy of it is on its way";
  }
  return undefined;
}

function auditedEnd(
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
