/**
 * Who runs which job on dead letters, where several nodes share a state. Each job that runs has one
 * node at a time, and a number, its epoch, that ascends with each; a step names both, and nothing of
 * it is stored once another node has the job. One whose node is gone, or gives it back, is taken by
 * whichever node looks first.
 */
import type { DeadLetterJobRecord } from "../event/dead_letter_job.ts";

/** What a node's right to run a job is known by. */
export interface JobClaim {
  number: number;
  epoch: number;
}

/** A job that this node is to run, as it is stored. */
export interface ClaimedJob extends JobClaim {
  record: DeadLetterJobRecord;
}

/** A job as all nodes see it. */
export interface StoredJob {
  record: DeadLetterJobRecord;
  /** Why it does not get on, as the node that runs it said last. */
  waiting?: string;
}

/** What runs the jobs of this node. No call rejects. */
export interface JobOwner {
  /** What it runs, or has begun to make. */
  claims(): readonly (JobClaim & { waiting?: string | undefined })[];
  /**
   * It is to run these, and nothing else of what it ran when the look began. Resolves when no step of
   * what it gave up is under way.
   */
  claimed(jobs: readonly ClaimedJob[], looked: readonly JobClaim[]): Promise<void>;
}

/** The jobs of a state that several nodes share. */
export interface SharedJobs {
  /** This node. */
  readonly node: string;
  /** Begins to look for jobs that this node is to run. */
  start(owner: JobOwner): void;
  /** A job has begun, ended, or is to be looked at again: all nodes look. */
  changed(): void;
  /** Calls `listener` when that was said, by any node. Returns how to stop that. */
  onChanged(listener: () => void): () => void;
  /** Those that run, and the last that ended, in the order of their starts. */
  all(): Promise<StoredJob[]>;
  /** Gives back what this node runs; it runs nothing of it any more. */
  close(): Promise<void>;
}
