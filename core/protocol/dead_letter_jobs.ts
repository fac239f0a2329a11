/** The wire types of `/v1/dead-letter-jobs`: acts on many dead letters that the daemon does by itself. */
import type { Actor, AuditWay } from "../event/audit.ts";
import type { DeadLetterFilter } from "../event/dead_letter_filter.ts";
import type { DeadLetterJobAction, DeadLetterJobSelection } from "../event/dead_letter_job.ts";

/** `POST /v1/dead-letter-jobs`: what to do, with which dead letters. */
export interface DeadLetterJobRequest extends DeadLetterFilter {
  action: DeadLetterJobAction;
  all?: boolean;
  /** Retry only: deliver to this subscription instead of the one that failed. */
  to?: string;
  /** At most so many, such as `100/s`. */
  rate?: string;
}

/** A job. `total` is `done`, `gone`, all `failed` and `left` together. */
export interface DeadLetterJob {
  /** Its name, such as `retry-12`. */
  job: string;
  action: DeadLetterJobAction;
  state: "running" | "done" | "cancelled";
  /** What it was asked for. Of a key and a reason only that they were given. */
  selection: DeadLetterJobSelection;
  to?: string;
  rate?: string;
  /** How many dead letters it was to act on. */
  total: number;
  done: number;
  /** How many were no longer there when it was their turn. */
  gone: number;
  /** Those that it could not do, by reason. */
  failed: { reason: string; count: number }[];
  left: number;
  /** Of those that are done, how many of each subscription. */
  bySubscription: Record<string, number>;
  /** Who started it, as that claimed, and by which way. */
  way?: AuditWay;
  by?: Actor;
  /** Unix ms. */
  startedAt: number;
  endedAt?: number;
  /** Why it does not get on now; it goes on by itself. */
  waiting?: string;
}
