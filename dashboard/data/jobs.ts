/** Bulk acts on dead letters: the daemon carries them out, whoever is looking. */
import type { ShownJob } from "../view/job_words.ts";
import { change, pathSegment } from "./api.ts";
import { exportDeadLetters } from "./dead_letters.ts";

const PATH = "/v1/dead-letter-jobs";

/** What the removals of this page took away, by the name of their job. */
const removed = new Map<string, Blob>();

/** Where the list is. */
export const JOBS_PATH = PATH;

/** Begins to redeliver what is selected. */
export async function startRetry(
  selection: Record<string, unknown>,
  { rate, to }: { rate: string | undefined; to: string | undefined },
): Promise<ShownJob> {
  return await change(PATH, { method: "POST", json: { action: "retry", ...selection, rate, to } });
}

/**
 * Begins to remove what is selected, and keeps it in this page before. What dies meanwhile is in
 * neither.
 */
export async function startRemoval(
  filter: Record<string, string | number>,
  now: number,
): Promise<ShownJob> {
  const selection = { ...filter, before: now };
  const saved = await exportDeadLetters(selection);
  const job = await change<ShownJob>(PATH, {
    method: "POST",
    json: { action: "remove", ...selection },
  });
  removed.set(job.job, saved);
  return job;
}

/** What a removal of this page took away; undefined if it was another's. */
export function removedBy(job: string): Blob | undefined {
  return removed.get(job);
}

/** Ends it; what is done stays done. */
export async function cancelJob(job: string): Promise<ShownJob> {
  return await change(`${PATH}/${pathSegment(job)}`, { method: "DELETE" });
}
