/** `evs dlq jobs list`: the jobs that run, and the last that ended. */
import { deadLetterJobs } from "../../core/client/dead_letter_jobs.ts";
import type { DeadLetterJob } from "../../core/protocol/dead_letter_jobs.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { formatLocalTime } from "../terminal/local_time.ts";

export const route = verb({
  brief: "List the jobs that run, and the last 100 that ended",
  description: "Lists jobs, the newest first: how far each is, and what it could not do.",
  examples: [
    ["dlq jobs list", "all of them"],
    ["dlq jobs list | jq 'select(.state == \"running\")'", "those that run"],
  ],
  parameters: { positional: { kind: "tuple", parameters: [] } },
  async run(this: EvsContext): Promise<void> {
    const jobs = await deadLetterJobs(await this.client());
    if (jobs.length === 0) return this.note("no jobs");
    await this.printRows(jobs, rowOf);
  },
});

function rowOf(job: DeadLetterJob): Record<string, string | number> {
  const { total, done, gone, failed, left, startedAt, waiting } = job;
  return {
    job: job.job,
    state: waiting === undefined ? job.state : "waiting",
    total,
    done,
    gone,
    failed: failed.reduce((sum, { count }) => sum + count, 0),
    left,
    started: formatLocalTime(startedAt),
  };
}
