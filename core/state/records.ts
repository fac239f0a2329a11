/**
 * The records of the state that topics, subscriptions and their deliveries are stored as. What a
 * state of one process does not need is optional, and absent there.
 */
import type { Attempt } from "../event/attempt.ts";
import type { ExpiredRecord, MissedRecord } from "../event/missed.ts";
import type { PartMask } from "../event/part.ts";
import type { PausedBy, SubscriptionSettings } from "../event/subscription_settings.ts";
import type { TopicOptions } from "../event/topic_options.ts";
import type { FailedEvent } from "./dead_letter_name.ts";

/** A topic as stored. */
export interface TopicRecord {
  name: string;
  options: TopicOptions;
  /** Unix ms. */
  createdAt: number;
  /** {@link SubscriptionRecord.rev} */
  rev?: number;
}

/** A subscription as stored. */
export interface SubscriptionRecord {
  name: string;
  /** A topic or a pattern. */
  topic: string;
  /** Where it starts in a topic for which it has no cursor yet, as an offset. */
  from: string;
  settings: SubscriptionSettings;
  paused: boolean;
  pauseReason?: string;
  /** Who paused it: a pause by a person is only ended by a person. */
  pausedBy?: PausedBy;
  /** When the pause ends by itself, Unix ms by the wall clock. */
  pausedUntil?: number;
  createdAt: number;
  /** How many parts it has (core/event/part.ts); absent: 1. Never changes. */
  parts?: number;
  /**
   * A number that whoever stores the record chooses at random, where several processes share the
   * state: another one says that somebody else has changed it.
   */
  rev?: number;
}

/** An event whose deliveries have so far ended without an answer. */
export interface UnansweredRecord {
  subscription: string;
  topic: string;
  /** As in {@link BegunEvent}. */
  id: string;
  seq: number;
  /** How many of them did; 0 if it may have been one. */
  count: number;
  /** The part of the event; absent: 0. */
  part?: number;
}

/** One attempt of an event that was delivered to a handler. */
export interface BegunEvent {
  topic: string;
  /** The id of a retry; otherwise a space and the seq. */
  id: string;
  seq: number;
  attempt: number;
  /** It was marked ahead of its turn, together with others: it may not have started. */
  soon?: boolean;
  /** The part of the event; absent: 0. */
  part?: number;
  /** The claim of the part that it was begun under; absent where no nodes share the subscription. */
  epoch?: number;
}

/**
 * What the handlers of one consumer were working on when it last started some. Some of it may have
 * been answered since.
 */
export interface BegunRecord {
  subscription: string;
  /** Identifies one run of one process. */
  consumer: string;
  events: BegunEvent[];
}

/** A subscription's position in one topic. */
export interface CursorRecord {
  subscription: string;
  topic: string;
  /**
   * The first seq that is neither done nor dead nor kept as its own retry row. Retries do not hold
   * the cursor back: otherwise an hour of backoff would keep a mark for every event that was done
   * meanwhile.
   */
  next: number;
  /** Of these parts; absent: of the only one. */
  parts?: PartMask;
}

/** What a subscription missed of a topic, and of which parts; absent: of the only one. */
export type MissedOfParts = MissedRecord & { parts?: PartMask };

/** What expired before a subscription handled it, and of which parts; absent: of the only one. */
export type ExpiredOfParts = ExpiredRecord & { parts?: PartMask };

/** An event waiting for its next attempt, with its own copy of the event. */
export interface RetryRecord extends FailedEvent {
  /**
   * Unix ms, by the clock when this was scheduled. Read it with {@link waitLeft}, because clocks
   * can be wrong.
   */
  dueAt: number;
  /** How long it waits from when it was scheduled, ms: no clock change can delay it beyond that. */
  waitMs: number;
  /** The number of the next attempt. */
  nextAttempt: number;
  /**
   * Attempts since the retry budget was last renewed: reset to 0 by `dlq retry`, never by a crash.
   */
  failures: number;
  attempts: Attempt[];
  /** The event's wire line, so that it outlives retention. */
  line: Uint8Array;
  /**
   * Set on an edited copy: the dead letter that it was made from, `SUBSCRIPTION:ID`. That one is
   * deleted when the copy succeeds.
   */
  editedFrom?: string;
  /** The part of the event; absent: 0. */
  part?: number;
}

/** All of a retry but the event and the attempts. */
export type WaitingRetry = Omit<RetryRecord, "line" | "attempts">;

/**
 * How long a retry still waits at `now`, ms: according to the clock, but never more than its wait.
 */
export function waitLeft(
  { dueAt, waitMs }: Pick<RetryRecord, "dueAt" | "waitMs">,
  now: number,
): number {
  return Math.min(Math.max(0, dueAt - now), waitMs);
}
