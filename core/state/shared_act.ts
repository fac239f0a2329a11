/**
 * What a person asks of subscriptions on any node, whichever owns their parts: to retry dead letters,
 * to make retries due, to move cursors. It is one transaction that reads, decides and changes. No
 * owner commits anything of these parts meanwhile, and what an owner has decided before, it decides
 * again once it has read what has changed.
 */
import type { MaybePromise } from "../base/maybe_promise.ts";
import type { Placed } from "../event/part.ts";
import type { PartRows } from "./coordinator.ts";
import type { DeadLetterJobRecord } from "../event/dead_letter_job.ts";
import type { FailedEvent } from "./dead_letter_name.ts";
import type { WaitingRetry } from "./records.ts";
import type { WaitingEvent } from "./scheduler.ts";
import type { State, StateChange } from "./state.ts";

/** What an act changes of one subscription. */
export interface ActOn {
  subscription: string;
  /** The events of which something changes: their parts. Absent: all parts. */
  of?: readonly Placed[];
  /**
   * Its parts are taken from their owners, which lose all leases: what they have read is void.
   * Otherwise they keep them, and read what has changed.
   */
  seize?: true;
}

/** How an event stands in a subscription. */
export interface EventPlace {
  /** Its part. */
  part: number;
  /** A retry of it waits or is leased. */
  isRetry: boolean;
  /** It is still to be delivered from its topic. */
  isOpen: boolean;
}

/** Who runs a job: core/state/shared_jobs.ts. */
export interface JobHolder {
  node: string;
  epoch: number;
}

/** The rows as an act sees them; dead letters that it reads are its own until it ends. */
export interface ActRows extends Pick<State, "retry" | "deadLetters" | "countDeadLetters"> {
  /** How many parts a subscription has that the act is on. */
  parts(subscription: string): number;
  /** Those of these dead letters that are there, in their order. `upTo`: and had come by then. */
  held<E extends Pick<FailedEvent, "subscription" | "topic" | "id">>(
    entries: readonly E[],
    options?: { upTo?: number | undefined },
  ): Promise<{ entry: E; editedAs: string | undefined }[]>;
  /** Nobody adds a dead letter from now on until the act ends. */
  holdNumbers(): Promise<void>;
  /** How these events stand in a subscription that the act is on, in their order. */
  places(
    subscription: string,
    events: readonly Pick<FailedEvent, "topic" | "id" | "seq" | "key">[],
  ): Promise<EventPlace[]>;
  /** All retries of a subscription, or those of these events, the ones that are due first in front. */
  retries(subscription: string, ids?: readonly string[]): Promise<WaitingRetry[]>;
  /** The scheduled events under these ids; nobody publishes or changes them until the act ends. */
  holdWaiting(
    named: { ids: readonly string[]; topic?: string | undefined },
  ): Promise<WaitingEvent[]>;
  /** What was answered to a part of an import that is done. */
  importReply(batch: string, part: string): Promise<string | undefined>;
  /** Those of these numbers that dead letters which are there have. */
  numbered(numbers: readonly number[]): Promise<number[]>;
  /** Begins the row of a job that a node runs, with the epoch 1; the act puts it. Its number. */
  beginJob(node: string): Promise<number>;
  /** A job, which nobody else changes until the act ends. `by`: if that is who runs it. */
  job(number: number, by?: JobHolder): Promise<DeadLetterJobRecord | undefined>;
  /** The numbers of the jobs that have ended, the oldest first. */
  endedJobs(): Promise<number[]>;
  /** All rows of a subscription that the act is on. */
  queue(subscription: string): Promise<PartRows>;
}

/** What an act comes to. */
export interface ActDecision<T> {
  changes: readonly StateChange[];
  result: T;
}

/** Runs an act: durable when it resolves, and nothing is changed when it rejects. */
export type Transact = <T>(act: SharedAct<T>) => Promise<T>;

/** One act. */
export interface SharedAct<T> {
  on: readonly ActOn[];
  /** What it changes whatever it finds: first, and of the catalog only here. */
  first?: readonly StateChange[];
  /**
   * Decides, without effects of its own: it is called again when the transaction is tried again.
   * What it throws is what the act rejects with, and nothing is changed.
   */
  decide(rows: ActRows): MaybePromise<ActDecision<T>>;
}
