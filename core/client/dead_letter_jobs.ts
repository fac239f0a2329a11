/** Requests about jobs: acts on many dead letters that the daemon does by itself. */
import type { DeadLetterJob, DeadLetterJobRequest } from "../protocol/dead_letter_jobs.ts";
import type { Client } from "./client.ts";
import { segment } from "./endpoint.ts";

const JOBS = "/v1/dead-letter-jobs";

/** Starts a job. */
export async function startDeadLetterJob(
  client: Client,
  request: DeadLetterJobRequest,
): Promise<DeadLetterJob> {
  return await client.act({ method: "POST", path: JOBS, body: JSON.stringify(request) });
}

/** Those that run, and the last that ended; the newest first. */
export async function deadLetterJobs(client: Client): Promise<DeadLetterJob[]> {
  return (await client.call<{ jobs: DeadLetterJob[] }>({ method: "GET", path: JOBS })).jobs;
}

/** One of them; with `waitMs` once it has ended, or after that time. */
export async function deadLetterJob(
  client: Client,
  name: string,
  { waitMs }: { waitMs?: number } = {},
): Promise<DeadLetterJob> {
  return await client.call({ method: "GET", path: `${JOBS}/${segment(name)}`, query: { waitMs } });
}

/** Ends one; what it has done stays done. */
export async function cancelDeadLetterJob(client: Client, name: string): Promise<DeadLetterJob> {
  return await client.act({ method: "DELETE", path: `${JOBS}/${segment(name)}` });
}
