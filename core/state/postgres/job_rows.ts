/** The rows of jobs, as the acts on them see and hold them. */
import type { DeadLetterJobRecord } from "../../event/dead_letter_job.ts";
import type { Query } from "../../postgres/connection.ts";
import type { JobHolder } from "../shared_act.ts";
import { plainRow } from "./values.ts";

/** Also where rows of before are there that no counter has counted. One at a time until its commit. */
const NEXT = `
  INSERT INTO evs.counters AS one (name, value, rev)
  SELECT 'jobs', coalesce(max(number), 0) + 1, 0 FROM evs.jobs
  ON CONFLICT (name) DO UPDATE
    SET value = greatest(one.value + 1, excluded.value) RETURNING value`;
const BEGIN = `
  INSERT INTO evs.jobs (number, record, node, epoch, claimed_at)
  VALUES ($1, '{}', $2, 1, clock_timestamp())`;
const HOLD = "SELECT record FROM evs.jobs WHERE number = $1 FOR UPDATE";
const HOLD_OWN = `
  UPDATE evs.jobs SET claimed_at = clock_timestamp(), waiting = NULL
  WHERE number = $1 AND epoch = $2 AND node = $3 RETURNING record`;
const ENDED = `
  SELECT number FROM evs.jobs WHERE record::json ->> 'state' <> 'running' ORDER BY number`;

/** Makes the row of a job that this node runs, with the epoch 1; returns its number. */
export async function beginJob(query: Query, node: string): Promise<number> {
  const [row] = await query(NEXT);
  const number = plainRow(row!)["value"] as number;
  await query(BEGIN, [number, node]);
  return number;
}

/** Holds the row of a job. `by`: only if that is who runs it; it is there then. */
export async function holdJob(
  query: Query,
  number: number,
  by?: JobHolder,
): Promise<DeadLetterJobRecord | undefined> {
  const [row] = by
    ? await query(HOLD_OWN, [number, by.epoch, by.node])
    : await query(HOLD, [number]);
  return row && JSON.parse(row["record"] as string);
}

/** The numbers of those that have ended. */
export async function readEndedJobs(query: Query): Promise<number[]> {
  return (await query(ENDED)).map((row) => plainRow(row)["number"] as number);
}
