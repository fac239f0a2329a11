/**
 * The second plane: everything that is not an event. Topics, subscriptions, cursors, retries, dead
 * letters, schemas.
 *
 * A {@link State} is small on purpose: it loads what is there, and it commits a list of changes in
 * one durable transaction. "Retry exhausted, dead letter, cursor moves on" is one such list. What
 * is decided is decided elsewhere (core/delivery, core/broker), in memory, from what was loaded.
 */
import type { Attempt } from "../event/attempt.ts";
import type { DeadLetterFilter } from "../event/dead_letter_filter.ts";
import type { MissedRecord } from "../event/missed.ts";
import type { PausedBy, SubscriptionSettings } from "../event/subscription_settings.ts";

export type { Attempt, DeadLetterFilter, MissedRecord, PausedBy, SubscriptionSettings };
import type { TopicOptions } from "../event/topic_options.ts";
import type { CompatibilityLevel } from "../event/compatibility_level.ts";

/** A topic as it is kept. */
export interface TopicRecord {
  name: string;
  options: TopicOptions;
  /** Unix ms. */
  createdAt: number;
}

/** A subscription as it is kept. */
export interface SubscriptionRecord {
  name: string;
  /** A topic or a pattern. */
  topic: string;
  /** Where it begins on a topic that it has no cursor for yet, as an offset. */
  from: string;
  settings: SubscriptionSettings;
  paused: boolean;
  pauseReason?: string;
  /** Who paused it: what a person paused only a person resumes. */
  pausedBy?: PausedBy;
  /** When the pause ends by itself, Unix ms by the wall clock. */
  pausedUntil?: number;
  createdAt: number;
}

/** An event whose deliveries ended without an answer so far. */
export interface UnansweredRecord {
  subscription: string;
  topic: string;
  /** As in {@link BegunEvent}. */
  id: string;
  seq: number;
  /** How many did; 0 where it may have been one. */
  count: number;
}

/** An event that a handler was given: one attempt of it. */
export interface BegunEvent {
  topic: string;
  /** Of a retry its id, else a space and its seq. */
  id: string;
  seq: number;
  attempt: number;
  /** It was marked with others ahead of its turn: it may not have begun. */
  soon?: boolean;
}

/**
 * What the handlers of one consumer had when it last began some. What was answered since may be
 * among it.
 */
export interface BegunRecord {
  subscription: string;
  /** Names one run of one process. */
  consumer: string;
  events: BegunEvent[];
}

/** How far a subscription is on one topic. */
export interface CursorRecord {
  subscription: string;
  topic: string;
  /**
   * The first seq that is neither done nor dead nor kept as a retry row of its own. Retries do not
   * hold the cursor back: an hour of backoff would otherwise keep a mark for every event that was
   * done meanwhile.
   */
  next: number;
}

/** An event that waits for its next attempt, with its own copy. */
export interface RetryRecord {
  subscription: string;
  topic: string;
  seq: number;
  id: string;
  key?: string;
  type: string;
  /**
   * By the clock as it was when this was set, Unix ms. Read it with {@link waitLeft}: clocks are
   * wrong at times.
   */
  dueAt: number;
  /** How long it waits from when it was set, ms: no clock puts it off beyond that. */
  waitMs: number;
  /** The attempt that comes next. */
  nextAttempt: number;
  /** Attempts since the last grant of `maxRetries`: reset to 0 by `dlq retry`, never by a crash. */
  failures: number;
  attempts: Attempt[];
  /** The event's wire line, so that retention cannot take it. */
  line: Uint8Array;
  /**
   * Of a edited copy: the dead letter that it was made from, `SUBSCRIPTION:ID`. It goes when the
   * copy succeeds.
   */
  editedFrom?: string;
}

/** How long a retry still waits at `now`, ms: what the clock says, and never more than its wait. */
export function waitLeft(
  { dueAt, waitMs }: Pick<RetryRecord, "dueAt" | "waitMs">,
  now: number,
): number {
  return Math.min(Math.max(0, dueAt - now), waitMs);
}

/** An event that a subscription gave up on. */
export interface DeadLetterRecord {
  subscription: string;
  topic: string;
  seq: number;
  id: string;
  key?: string;
  type: string;
  /** The last attempt's error, or the reason given. */
  reason: string;
  /** Unix ms. */
  diedAt: number;
  attempts: Attempt[];
  line: Uint8Array;
  /** As in {@link RetryRecord}. */
  editedFrom?: string;
  /** A edited copy of it was sent, `SUBSCRIPTION:ID`: until that succeeds, this one stays. */
  editedAs?: string;
}

/** A registered schema. */
export interface SchemaRecord {
  /** The event type. */
  type: string;
  /** Its version. */
  version: string;
  /** The schema as JSON text, byte for byte as registered. */
  schema: string;
  /** Unix ms. */
  registeredAt: number;
}

/** What is asked of new versions of a type's schema; a type that is not there is asked nothing. */
export interface LevelRecord {
  /** The event type. */
  type: string;
  /** What is asked. */
  level: CompatibilityLevel;
}

/** Where a topic ended: no lower number of its is given again, whatever becomes of the store. */
export interface TopicEndRecord {
  /** Which topic. */
  topic: string;
  /** The last seq that was given. */
  lastSeq: number;
}

/** One change; a list of them is one transaction. */
export type StateChange =
  | { op: "topic.put"; record: TopicRecord }
  | { op: "topic.remove"; name: string }
  | { op: "subscription.put"; record: SubscriptionRecord }
  /** Removes its cursors, done marks, missed counts and retries too; its dead letters stay. */
  | { op: "subscription.remove"; name: string }
  | { op: "cursor.put"; record: CursorRecord }
  | { op: "cursor.remove"; subscription: string; topic: string }
  /** Done out of order: at or above the cursor. Putting the cursor removes the marks below it. */
  | { op: "done.put"; subscription: string; topic: string; seqs: number[] }
  | { op: "done.clear"; subscription: string; topic: string }
  | { op: "missed.put"; record: MissedRecord }
  | { op: "retry.put"; record: RetryRecord }
  | { op: "retry.remove"; subscription: string; topic: string; id: string }
  | { op: "retry.clear"; subscription: string; topic: string }
  /** No retry is due later than its wait from `now`: the clock was put back. */
  | { op: "retry.clamp"; now: number }
  | { op: "unanswered.put"; record: UnansweredRecord }
  | { op: "unanswered.remove"; subscription: string; topic: string; id: string }
  | { op: "unanswered.clear"; subscription: string; topic: string }
  | { op: "begun.put"; record: BegunRecord }
  | { op: "begun.remove"; subscription: string; consumer: string }
  | { op: "dead.put"; record: DeadLetterRecord }
  /** Says of a dead letter that a edited copy of it was sent. */
  | { op: "dead.link"; subscription: string; topic: string; id: string; editedAs: string }
  | { op: "dead.remove"; subscription: string; topic: string; id: string }
  /**
   * Turns dead letters into retries of the subscription `to`, with their history and a fresh grant
   * of retries, in the order of the ids. Those that are not there are left out.
   */
  | {
    op: "dead.retry";
    subscription: string;
    topic: string;
    ids: string[];
    to: string;
    dueAt: number;
  }
  | { op: "schema.put"; record: SchemaRecord }
  | { op: "schema.remove"; type: string; version: string }
  | { op: "schema.level"; record: LevelRecord }
  | { op: "end.put"; record: TopicEndRecord }
  /**
   * The state is used from here on, or was until here: a copy that was made before is an older one.
   */
  | { op: "generation.next" };

/** The changes of one kind. */
export type ChangeOf<Op extends StateChange["op"]> = Extract<StateChange, { op: Op }>;

/** Which part of the list of dead letters. */
export interface DeadLetterPageRequest {
  limit: number;
  /** What the page before said; of the same order. */
  after?: string;
  /** The oldest first, instead of the newest. */
  oldest?: boolean;
}

/** A part of the list of dead letters. */
export interface DeadLetterPage {
  records: DeadLetterRecord[];
  /** Pass it back to read on; absent at the end. */
  next?: string;
}

/** All that is small enough to live in memory. */
export interface StateSnapshot {
  topics: TopicRecord[];
  subscriptions: SubscriptionRecord[];
  cursors: CursorRecord[];
  done: { subscription: string; topic: string; seq: number }[];
  missed: MissedRecord[];
  /** Without `line` and `attempts`: those are read when due. */
  retries: Omit<RetryRecord, "line" | "attempts">[];
  unanswered: UnansweredRecord[];
  begun: BegunRecord[];
  schemas: SchemaRecord[];
  levels: LevelRecord[];
  /** Where topics ended when the state was last closed. */
  ends: TopicEndRecord[];
  /** How often it was opened and closed; 0: never, or by a version that did not count. */
  generation: number;
}

/** How changes are kept. */
export interface CommitOptions {
  /** False: they survive the end of the process, not a power cut. Default true. */
  sync?: boolean;
}

/** The state database. */
export interface State {
  /** True when nothing of it outlives the process. */
  readonly forgets?: boolean;
  /** @internal */
  load(): StateSnapshot;
  /**
   * One durable transaction. Rejects when nothing of it was kept.
   * @internal
   */
  commit(changes: readonly StateChange[], options?: CommitOptions): Promise<void>;
  /** @internal */
  retry(subscription: string, topic: string, id: string): RetryRecord | undefined;
  /** @internal */
  deadLetters(filter: DeadLetterFilter, page: DeadLetterPageRequest): DeadLetterPage;
  /** @internal */
  countDeadLetters(filter: DeadLetterFilter): number;
  /** Dead letters per subscription. */
  deadLetterCounts(): Map<string, number>;
  /** @internal */
  close(): Promise<void>;
}
