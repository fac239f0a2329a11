/** What a state offers that several processes share, beside its rows. */
import type { Clock } from "../base/clock.ts";
import type { RemovedDeadLetters } from "../event/removed_dead_letters.ts";
import type { SharedCatalogSnapshot } from "./catalog_diff.ts";
import type { Coordinator, PartRows } from "./coordinator.ts";
import type { SharedCounts } from "./shared_counts.ts";
import type { ScheduleHost, Scheduler } from "./scheduler.ts";
import type { SharedJobs } from "./shared_jobs.ts";
import type { RetriesRequest, StoredRetries } from "./shared_retries.ts";

/** How a process takes part. */
export interface CoordinatorOptions {
  clock: Clock;
  /** What people know this machine as: the node's name begins with it. */
  host?: string;
  /** How long a node may be silent before others take over what it owns, ms. Default 10,000. */
  ttlMs?: number;
  /** Called for failures that no caller waits for. */
  onError(error: unknown, context: string): void;
}

/** Of whom, and from where on, progress is asked for. */
export interface ProgressRequest {
  topic: string;
  /** The first seq of the topic that is there. */
  from: number;
  subscriptions: readonly string[];
}

/** How far a subscription has got in a topic, over all nodes. */
export interface SharedProgress {
  subscription: string;
  /** The first seq that it has not finished; 0 if it has not begun with some part. */
  next: number;
}

/** A state that several processes share. */
export interface SharedState {
  /** Makes this process a node. */
  coordinator(options: CoordinatorOptions): Coordinator;
  /** The time of the database, as well as it is known here: nodes compare what they write. */
  readonly clock: Clock;
  /** The jobs on dead letters, and who runs them. */
  readonly jobs: SharedJobs;
  /** The catalog as it is now, all of one moment. */
  catalog(): Promise<SharedCatalogSnapshot>;
  /** Called when another node may have changed the catalog. Returns how to stop that. */
  onCatalog(listener: () => void): () => void;
  /** The rows of these parts, all of one moment; absent: of all parts. */
  loadQueue(subscription: string, parts?: readonly number[]): Promise<PartRows>;
  /** What the limits on dead letters have removed, on all nodes. */
  removedDeadLetters(): Promise<RemovedDeadLetters[]>;
  /** How far these subscriptions have durably got, all of one moment. */
  progress(request: ProgressRequest): Promise<SharedProgress[]>;
  /** The scheduled events, whichever nodes have accepted them. Absent: nobody shares them. */
  schedule?(host: ScheduleHost): Scheduler;
  /**
   * What all nodes have to do, by subscription, as of at most a second ago. Absent: nobody knows of
   * the others.
   */
  counts?(): Promise<ReadonlyMap<string, SharedCounts>>;
  /**
   * True if a subscription is done with each event of a topic up to a seq, by what is stored. Absent:
   * nobody knows of the others.
   */
  isProcessed?(subscription: string, topic: string, seq: number): Promise<boolean>;
  /** The retries of a subscription, whichever nodes have them. Absent: nobody knows of the others. */
  retries?(request: RetriesRequest): Promise<StoredRetries>;
}
