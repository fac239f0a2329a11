/**
 * An act on many dead letters as a job of the daemon: starts it, and follows it to its end unless
 * asked not to. It goes on without the client, so Ctrl-C only stops looking.
 */
import type { Client } from "../../core/client/client.ts";
import { deadLetterJob, startDeadLetterJob } from "../../core/client/dead_letter_jobs.ts";
import type { DeadLetterActionReply } from "../../core/protocol/protocol.ts";
import type { DeadLetterJob, DeadLetterJobRequest } from "../../core/protocol/dead_letter_jobs.ts";
import {
  CannotStoreError,
  ConnectionLostError,
  EvsError,
  ExitCode,
  NoDaemonError,
} from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { Progress } from "../terminal/progress.ts";
import { plural } from "../terminal/table.ts";
import { countReply } from "./outcome.ts";

/** How long the daemon waits for the end of the job before it says how far it is, ms. */
const LOOK_EVERY = 250;
/** How long a daemon may be away, ms: it is restarted. */
const PATIENCE = 30_000;
const TRY_EVERY = 200;

/** What was done, as a participle: `Sent again`. */
const DONE = { retry: "Sent again", remove: "Removed" } as const;
/** What was not. */
const NOT_DONE = { retry: "not sent", remove: "not removed" } as const;

/** The flag of all commands that start jobs. */
export const detachFlag = {
  kind: "boolean",
  brief: "Do not wait for the end: the daemon goes on by itself (evs dlq jobs)",
  default: false,
} as const;

/** Runs a job and prints what it did; with `detach`, prints its name. */
export async function runJob(
  context: EvsContext,
  request: DeadLetterJobRequest,
  { detach }: { detach: boolean },
): Promise<void> {
  const client = await context.client();
  const job = await startDeadLetterJob(client, request);
  if (detach) return printStarted(context, job);
  printOutcome(context, await follow(context, client, job));
}

function printStarted(context: EvsContext, job: DeadLetterJob): void {
  if (!context.forPeople) return context.printJson(job);
  if (job.total === 0) return context.print("No dead letters match: nothing to do.");
  if (job.state === "done") return printOutcome(context, job);
  context.print(`Started ${job.job}: ${plural(job.total, "dead letter")}.`);
  context.say(`evs dlq jobs show ${job.job} says how far it is`);
}

/** Looks at a job until it has ended, with a line of progress. */
export async function follow(
  context: EvsContext,
  client: Client,
  job: DeadLetterJob,
): Promise<DeadLetterJob> {
  let now = job;
  using progress = new Progress({
    output: context.stderr,
    enabled: context.stderr.isTerminal && !context.quiet,
    now: () => context.clock.monotonic(),
  });
  using _interrupt = onInterrupt(() => {
    progress.clear();
    context.say(goesOn(now));
    Deno.exit(ExitCode.Interrupted);
  });
  if (job.state === "running") {
    context.note(`${job.job}: ${plural(job.left, "dead letter")}; it goes on without this command`);
  }
  while (now.state === "running") {
    if (now.waiting !== undefined) throw heldUp(now);
    now = await look(context, client, now);
    progress.update(() => progressText(now));
  }
  return now;
}

/** How far the job is; waits for a daemon that is restarted. */
async function look(
  { clock }: EvsContext,
  client: Client,
  job: DeadLetterJob,
): Promise<DeadLetterJob> {
  const until = clock.monotonic() + PATIENCE;
  for (;;) {
    try {
      return await deadLetterJob(client, job.job, { waitMs: LOOK_EVERY });
    } catch (error) {
      if (!isAway(error)) throw error;
      if (clock.monotonic() > until) throw leftAlone(error as EvsError, job);
      await new Promise<void>((resolve) => void clock.setTimer(resolve, TRY_EVERY));
    }
  }
}

function isAway(error: unknown): boolean {
  return error instanceof ConnectionLostError || error instanceof NoDaemonError ||
    (error instanceof EvsError && error.code === "daemon/stopping");
}

function leftAlone(error: EvsError, job: DeadLetterJob): EvsError {
  const { code, status, exit } = error;
  return new EvsError({ code, status, exit }, `${error.message}; ${job.job} is not finished`, {
    hint: `it goes on once the daemon runs again: evs dlq jobs show ${job.job}`,
    details: { job: job.job },
    cause: error,
  });
}

/** Nobody should wait for room: says what was done, and that the job goes on by itself. */
function heldUp(job: DeadLetterJob): CannotStoreError {
  const { action, done, left, waiting } = job;
  const isFull = waiting === "the disk is full";
  return new CannotStoreError(
    `${isFull ? "no room for all of it" : waiting}; ${DONE[action].toLowerCase()}: ${
      plural(done, "dead letter")
    }; ${NOT_DONE[action]}: ${plural(left, "dead letter")}`,
    {
      code: isFull ? "store/disk-full" : "store/unavailable",
      hint:
        `the job goes on by itself once it can: evs dlq jobs show ${job.job}, evs dlq jobs cancel ${job.job}`,
      details: { job: job.job, done, notSent: left },
    },
  );
}

function goesOn({ job }: DeadLetterJob): string {
  return `${job} goes on in the daemon: evs dlq jobs show ${job} says how far it is, evs dlq jobs cancel ${job} ends it`;
}

/** `sent again: 300 of 1200`. */
export function progressText({ action, total, left }: DeadLetterJob): string {
  return `${DONE[action].toLowerCase()}: ${total - left} of ${total}`;
}

/** Prints what an ended job did, in the words of an act that is answered at once. */
export function printOutcome(context: EvsContext, job: DeadLetterJob): void {
  const { action, total, done, gone, failed, left, state, bySubscription } = job;
  const isPart = state === "cancelled" || failed.length > 0;
  if (isPart) context.exitCode = ExitCode.Partly;
  const reply: DeadLetterActionReply = { count: done, dryRun: false, bySubscription };
  if (!context.forPeople) {
    return context.printJson({
      ...reply,
      ...(total === 0 ? {} : { job: job.job }),
      ...(isPart ? { state, failed, gone, left } : {}),
    });
  }
  if (total === 0) {
    context.print(
      `No dead letters match: nothing to ${action === "retry" ? "send again" : "remove"}.`,
    );
    return;
  }
  context.print(`${DONE[action]}: ${countReply(reply)}.`);
  for (const { reason, count } of failed) {
    context.say(`${NOT_DONE[action]}: ${plural(count, "dead letter")}: ${reason}`);
  }
  if (state === "cancelled") {
    context.say(`${job.job} was cancelled; ${NOT_DONE[action]}: ${plural(left, "dead letter")}`);
  }
}

function onInterrupt(handler: () => void): Disposable {
  Deno.addSignalListener("SIGINT", handler);
  return { [Symbol.dispose]: () => Deno.removeSignalListener("SIGINT", handler) };
}
