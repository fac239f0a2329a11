/** Jobs: acts on many dead letters that the broker does by itself. */
import type { Actor, AuditWay } from "./audit.ts";
import type { DeadLetterFilter } from "./dead_letter_filter.ts";

/** What a job does with dead letters. */
export type DeadLetterJobAction = "retry" | "remove";

/**
 * What a job was asked for. Of a key and a reason only that they were given: what they say may have
 * to be redacted.
 */
export interface DeadLetterJobSelection
  extends Pick<DeadLetterFilter, "subscription" | "topic" | "type" | "group" | "since" | "before"> {
  /** How many ids were given. */
  ids?: number;
  key?: true;
  reason?: true;
  all?: true;
}

/** A job as stored. Its list of dead letters is stored beside it, in parts. */
export interface DeadLetterJobRecord {
  /** Ascends in the order of the starts. */
  number: number;
  action: DeadLetterJobAction;
  selection: DeadLetterJobSelection;
  /** Retry only: the subscription that gets them, instead of those that failed. */
  to?: string;
  /** At most so many, as in `10/s`. */
  rate?: string;
  /** The number of the newest dead letter at the start: it takes none that came later. */
  bound: number;
  state: "running" | "done" | "cancelled";
  /** False: its list is not complete, so it has not begun. */
  isListed: boolean;
  /** How many there are in its list. */
  total: number;
  /** How many of its list it has been through. */
  at: number;
  /** How many of those it has retried or removed. */
  done: number;
  /** How many of those were no longer there. */
  gone: number;
  /** Those that it could not do, by reason. */
  failed: { reason: string; count: number }[];
  /** Of those that are done, how many of each subscription. */
  bySubscription: Record<string, number>;
  /** With a rate: when its next step is due, Unix ms, whichever process makes it. */
  dueAt?: number;
  /** Who started it, and by which way. */
  way?: AuditWay;
  by?: Actor;
  /** Unix ms. */
  startedAt: number;
  endedAt?: number;
}
