/** `evs dlq jobs cancel`: ends a job before it is through. */
import { cancelDeadLetterJob } from "../../core/client/dead_letter_jobs.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { plural } from "../terminal/table.ts";

export const route = verb<Record<never, never>, [string]>({
  brief: "End a job",
  description:
    "Ends a job after the step that is under way. What it has done stays done; the dead letters that are left stay where they are.",
  examples: [["dlq jobs cancel retry-12", "leave the rest as it is"]],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: plainText, brief: "The job", placeholder: "JOB" }],
    },
  },
  async run(this: EvsContext, _flags: Record<never, never>, name: string): Promise<void> {
    const job = await cancelDeadLetterJob(await this.client(), name);
    if (!this.forPeople) return this.printJson(job);
    this.say(`${job.job} cancelled: ${job.done} done, ${plural(job.left, "dead letter")} left`);
  },
});
