/** `evs dlq jobs show`: how far a job is. */
import { deadLetterJob } from "../../core/client/dead_letter_jobs.ts";
import type { DeadLetterJob } from "../../core/protocol/dead_letter_jobs.ts";
import { defined } from "../../core/base/defined.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { actorWords } from "../terminal/actor_words.ts";
import { formatLocalTime } from "../terminal/local_time.ts";
import { follow } from "./job.ts";

type ShowFlags = { follow: boolean };

export const route = verb<ShowFlags, [string]>({
  brief: "Show how far a job is",
  description:
    "Shows what a job was asked for, how many dead letters it has done, how many were no longer there, which it could not do and why, and how many are left. With --follow it waits for the end.",
  examples: [
    ["dlq jobs show retry-12", "how far it is"],
    ["dlq jobs show retry-12 | jq .left", "how many it has before it"],
  ],
  parameters: {
    flags: { follow: { kind: "boolean", brief: "Wait until it has ended", default: false } },
    positional: {
      kind: "tuple",
      parameters: [{ parse: plainText, brief: "The job", placeholder: "JOB" }],
    },
  },
  async run(this: EvsContext, flags: ShowFlags, name: string): Promise<void> {
    const client = await this.client();
    const job = await deadLetterJob(client, name);
    const shown = flags.follow ? await follow(this, client, job) : job;
    await this.printFacts(shown, factsOf);
    if (this.forPeople) nextOf(shown).forEach((line) => this.note(line));
  },
});

/** All that is known of a job, for people. */
function factsOf(
  { failed, selection, bySubscription, startedAt, endedAt, by = {}, way, ...rest }: DeadLetterJob,
): Record<string, unknown> {
  return defined({
    ...rest,
    selection: Object.entries(selection)
      .map(([name, value]) => value === true ? `--${name}` : `--${name} ${value}`).join(" "),
    failed: failed.map(({ reason, count }) => `${count}: ${reason}`).join("; ") || "0",
    subscriptions: Object.entries(bySubscription).map(([name, count]) => `${name} ${count}`)
      .join(", "),
    started: formatLocalTime(startedAt),
    by: [way, actorWords(by)].filter(Boolean).join(", ") || undefined,
    ended: endedAt === undefined ? undefined : formatLocalTime(endedAt),
  });
}

/** What to type next. */
function nextOf({ job, state, left, failed }: DeadLetterJob): string[] {
  if (state === "running") {
    return [
      `wait for its end: evs dlq jobs show ${job} --follow`,
      `end it: evs dlq jobs cancel ${job}`,
    ];
  }
  return left > 0 || failed.length > 0 ? ["what it left, by cause: evs dlq groups"] : [];
}
