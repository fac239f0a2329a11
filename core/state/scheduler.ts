/**
 * Scheduled events of a state that several nodes share. No node keeps them in memory: each accepts,
 * lists and cancels them, and publishes what is due, by what the database says at that moment. When
 * one is due is the database's to say, too.
 */
import type { Clock } from "../base/clock.ts";
import type { MaybePromise } from "../base/maybe_promise.ts";
import type { NewEvent, StoredEvent } from "../event/event.ts";
import type { Schedule } from "../event/schedule.ts";
import type { CheckedUnder, Recheck } from "../store/store.ts";
import type { Transact } from "./shared_act.ts";
import type { ScheduledRecord, StateChange } from "./state.ts";

/** A scheduled event without its bytes. */
export type WaitingEvent = Omit<ScheduledRecord, "line">;

/** What became of an event with a schedule. */
export interface Acceptance {
  /** When it is published, Unix ms. Absent: it has been published. */
  dueAt?: number;
  /** 0 if it waits, or if its topic stores nothing. */
  seq: number;
  /** It waits or was published already. */
  duplicate?: true;
  /** Its time had passed, so it was published at once. */
  past?: true;
  /** Of one that was published at once: when it expires, Unix ms, if it does. */
  expiresAt?: number;
  /** Of one that was published at once or before: its number within its key, if it has one. */
  keySeq?: number;
}

/** A part of those that wait. */
export interface WaitingPage {
  /** Only those of this topic. */
  topic: string | undefined;
  /** How many. */
  limit: number;
  /** Only those behind this place. */
  after: { due: number; number: number } | undefined;
}

/** The scheduled events of a broker. */
export interface Scheduler {
  /** How many wait, as far as it is known here. */
  readonly size: number;
  /** Begins to publish, once everything that the events go to is open. */
  start(): void;
  /** Stops publishing, and waits for what is under way. */
  close(): Promise<void>;
  /**
   * Keeps a checked event until it is due, or publishes it if that is now; durable when it resolves.
   * `stamped`: its timestamp was given by the publisher.
   */
  accept(
    topic: string,
    event: NewEvent,
    how: { schedule: Schedule; stamped: boolean },
  ): Promise<Acceptance>;
  /** Those that wait, by when they are due, to the millisecond, and one more if there is one. */
  page(page: WaitingPage): MaybePromise<{ items: WaitingEvent[]; total: number }>;
  /**
   * Gives up those that wait under these ids, all of them or none; durable when it resolves. `also`:
   * what is stored with it. Returns how many, or the ids under which none waits.
   */
  cancel(
    named: { ids: readonly string[]; topic?: string | undefined },
    also: (count: number) => readonly StateChange[],
  ): Promise<{ count: number; missing: string[] }>;
  /** The event that waits under this id. */
  find(topic: string, id: string): Promise<WaitingEvent | undefined>;
  /** What an event that waits says. Throws `DataDirError` if it cannot be read. */
  contentOf(item: WaitingEvent): MaybePromise<StoredEvent>;
  /** Runs `work` on one that waits; undefined if it does not wait any more. */
  hold<T>(item: WaitingEvent, work: () => Promise<T>): Promise<T | undefined>;
  /** Replaces what it says, with other changes; durable when it resolves. In {@link hold}. */
  redact(
    item: WaitingEvent,
    how: { event: StoredEvent; changes: readonly StateChange[] },
  ): Promise<void>;
}

/** What nodes need of a broker. */
export interface ScheduleHost {
  clock: Clock;
  /** How long the store remembers given ids, ms. */
  dedupWindow: number;
  transact: Transact;
  /** What events of a topic are checked by at this moment. */
  under(topic: string): CheckedUnder | undefined;
  /** Checks events again by what is so now. */
  recheck: Recheck;
  /**
   * Makes a topic if it is not there, and runs `work` while this node does not remove it. `under`: if
   * it was made for these events, it is as it was expected to be.
   */
  withTopic<T>(
    topic: string,
    under: CheckedUnder,
    work: () => Promise<T>,
  ): Promise<T>;
  /**
   * Runs `work` with the topic as it is, while this node does not remove it; undefined if it is not
   * there.
   */
  ifThere<T>(topic: string, work: (under: CheckedUnder) => Promise<T>): Promise<T | undefined>;
  /** Learns what other nodes have changed. */
  refresh(): Promise<void>;
  /** Publishes one event now. */
  publish(topic: string, event: NewEvent): Promise<Acceptance>;
  /** An event as it is published now: its time to live begins. */
  stamp(event: NewEvent): NewEvent;
  onError(error: unknown, context: string): void;
}
