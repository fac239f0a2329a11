/** `evs dlq jobs show`: how far a job is. */
import { deadLetterJob } from "../../core/client/dead_letter_jobs.ts";
import type { DeadLetterJob } from "../../core/protocol/dead_letter_jobs.ts";
import { defined } from "../../core/base/defined.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
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
    await this.printFacts(flags.follow ? await follow(this, client, job) : job, factsOf);
  },
});

/** All that is known of a job, for people. */
function factsOf(
  { failed, selection, bySubscription, startedAt, endedAt, ...rest }: DeadLetterJob,
): Record<string, unknown> {
  return defined({
    ...rest,
    selection: Object.entries(selection)
      .map(([name, value]) => value === true ? `--${name}` : `--${name} ${value}`).join(" "),
    failed: failed.map(({ reason, count }) => `${count}: ${reason}`).join("; ") || "0",
    subscriptions: Object.entries(bySubscription).map(([name, count]) => `${name} ${count}`)
      .join(", "),
    started: formatLocalTime(startedAt),
    ended: endedAt === undefined ? undefined : formatLocalTime(endedAt),
  });
}
