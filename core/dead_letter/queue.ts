/** The interface of a dead-letter queue, which an application may implement. */
import type { Clock } from "../base/clock.ts";
import { byLibrary } from "../state/audited.ts";
import { assertSubscriptionName, assertTopicName } from "../event/topic_options.ts";
import { assertObject, assertText } from "../base/options.ts";
import { defined } from "../base/defined.ts";
import { toJson } from "../json/to_json.ts";
import { thrownStack } from "../base/thrown.ts";
import { thrownReason } from "../base/thrown_reason.ts";
import type { Event } from "../event/event.ts";
import { toWireLine } from "../event/event.ts";
import { unansweredOf } from "../event/attempt.ts";
import type { DeadLetterRecord, State } from "../state/state.ts";
import type { DeadLetters } from "./dead_letters.ts";
import { failedEvent } from "../state/dead_letter_name.ts";

/** An event that a subscription gave up on. */
export interface DeadLetterEntry {
  /** The event as it was delivered. */
  event: Event;
  /** The error of the last attempt. */
  error: string;
  /** The subscription that gave up on it. */
  subscription: string;
  /** When it gave up, Unix ms. */
  timestamp: number;
  /** How many attempts were made. */
  attempts: number;
  /** How many deliveries ended without an answer; absent: none, or it is not known. */
  unanswered?: number;
}

/** Which entries `getEvents` returns. */
export interface DeadLetterQuery {
  /** Only this topic. */
  topic?: string;
  /** Only this type. */
  eventType?: string;
  /** At most this many; 0 or absent means all. */
  limit?: number;
}

/** What a queue gets to know about an event besides its error. */
export interface DeadLetterDetails {
  /** How many attempts were made. */
  attempts?: number;
  /** How many deliveries ended without an answer; absent: none. */
  unanswered?: number;
}

/** The broker, as its dead-letter queue sees it. */
export interface DeadLetterHost {
  /** Throws `ConflictError` if the subscription no longer exists. */
  assertThere(subscription: string): void;
  /**
   * Redelivers an entry, if `isWanted` still returns true when its turn comes (an earlier retry may
   * have been handled meanwhile); resolves when it is scheduled.
   */
  redeliver(entry: DeadLetterEntry, isWanted: () => boolean): Promise<void>;
}

/** What a queue shall keep of a topic. */
export interface DeadLetterTrim {
  /** The topic. */
  topic: string;
  /** Entries older than this are removed, ms; 0: none. */
  retention: number;
  /** The most entries of each subscription, the newest; 0: no limit. */
  max: number;
}

/** What a queue removed of a subscription's entries. */
export interface DeadLetterTrimmed {
  /** The subscription. */
  subscription: string;
  /** How many were too old. */
  expired: number;
  /** How many were too many. */
  capped: number;
}

/**
 * Where dead letters go. The last five methods are optional; four of them are for queues that
 * redeliver events themselves.
 */
export interface DeadLetterQueue {
  /** Stores an event; durable when it resolves. */
  addEvent(
    event: Event,
    error: Error,
    subscriptionName: string,
    details?: DeadLetterDetails,
  ): Promise<void>;
  /** Newest first. */
  // deno-lint-ignore no-explicit-any -- the promised interface: implementations may leave `options` untyped
  getEvents(options?: any): Promise<DeadLetterEntry[]>;
  /** Redelivers the event; false if there is none. */
  retryEvent(eventId: string): Promise<boolean>;
  /** Removes the event; false if there is none. */
  removeEvent(eventId: string): Promise<boolean>;
  /**
   * Called by the broker that is created with the queue. From then on `retryEvent` delivers through
   * it.
   */
  attach?(host: DeadLetterHost): void;
  /** Called when a named subscription exists. */
  subscribed?(subscription: string): Promise<void>;
  /**
   * Called when an event was handled that had been attempted before: through `redeliver` or as a
   * plain retry.
   */
  delivered?(name: { subscription: string; topic: string; id: string }): Promise<void>;
  /**
   * Removes what the limits of a topic do not keep, in small steps. Without it, a broker refuses
   * topics with such limits.
   */
  trim?(limits: DeadLetterTrim): Promise<DeadLetterTrimmed[]>;
  /**
   * Called when an event was redacted, with what it says now: replace it in its entries, and drop
   * what its handlers said. Absent: the entries stay as they are, and the broker's `onError` is told.
   */
  redact?(event: Event): Promise<void>;
  /** Called when the broker is closed. */
  close?(): Promise<void>;
}

/** Throws `InvalidArgumentError` for what is no event of a subscription. */
export function assertDeadLetter(event: Event, subscriptionName: string): void {
  const { topic, id, type, metadata } = assertObject(event, "an event");
  assertTopicName(topic);
  assertText(id, "the id of an event");
  assertText(type, "the type of an event");
  assertObject(metadata, "the metadata of an event");
  assertSubscriptionName(subscriptionName);
}

/** The same for its id. */
export function assertDeadLetterId(id: string): void {
  assertText(id, "the id of an event");
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const PAGE = 500;

/** The broker's own queue: a view of the dead letters in its state. */
export class StateDeadLetterQueue implements DeadLetterQueue {
  readonly #state: State;
  readonly #deadLetters: DeadLetters;
  readonly #clock: Clock;

  constructor(state: State, deadLetters: DeadLetters, clock: Clock) {
    this.#state = state;
    this.#deadLetters = deadLetters;
    this.#clock = clock;
  }

  async addEvent(event: Event, error: Error, subscriptionName: string): Promise<void> {
    assertDeadLetter(event, subscriptionName);
    const diedAt = this.#clock.now();
    const stack = thrownStack(error);
    const record = {
      ...recordOf(event, subscriptionName),
      reason: thrownReason(error).toWellFormed().replaceAll("\0", "\u2400"),
      diedAt,
      attempts: [{
        attempt: 1,
        startedAt: diedAt,
        durationMs: 0,
        outcome: "dead" as const,
        error: thrownReason(error),
        ...defined({ stack }),
      }],
    };
    await this.#state.commit([{ op: "dead.put", record }]);
  }

  async getEvents(options: DeadLetterQuery = {}): Promise<DeadLetterEntry[]> {
    assertObject(options, "the query of getEvents");
    const limit = options.limit || Infinity;
    const filter = { topic: options.topic, type: options.eventType };
    const entries: DeadLetterEntry[] = [];
    let after: string | undefined;
    do {
      const page = await this.#state.deadLetters(filter, {
        limit: Math.min(PAGE, limit - entries.length),
        after,
      });
      entries.push(...page.records.map(entryOf));
      after = page.next;
    } while (after !== undefined && entries.length < limit);
    return entries;
  }

  async retryEvent(eventId: string): Promise<boolean> {
    assertDeadLetterId(eventId);
    if (await this.#deadLetters.count({ ids: [eventId] }) === 0) return false;
    const act = byLibrary(this.#clock);
    return (await this.#deadLetters.retry({ ids: [eventId] }, act)).count > 0;
  }

  async removeEvent(eventId: string): Promise<boolean> {
    assertDeadLetterId(eventId);
    if (await this.#deadLetters.count({ ids: [eventId] }) === 0) return false;
    const act = byLibrary(this.#clock);
    return (await this.#deadLetters.remove({ ids: [eventId] }, act)).count > 0;
  }
}

/** The event of a dead letter, as applications see it. */
export function eventOfRecord(record: { line: Uint8Array }): Event {
  return JSON.parse(decoder.decode(record.line)) as Event;
}

function entryOf(record: DeadLetterRecord): DeadLetterEntry {
  const unanswered = unansweredOf(record.attempts);
  return {
    event: eventOfRecord(record),
    error: record.reason,
    subscription: record.subscription,
    timestamp: record.diedAt,
    attempts: record.attempts.length,
    ...(unanswered === 0 ? {} : { unanswered }),
  };
}

/** The record of an event that is given as a value. */
export function recordOf(
  event: Event,
  subscription: string,
): Omit<DeadLetterRecord, "reason" | "diedAt" | "attempts"> {
  const { seq = 0, id, type, topic, key } = event;
  return {
    ...failedEvent({ subscription, topic, seq, id, type, key }),
    line: toWireLine({
      seq,
      id,
      type,
      topic,
      timestamp: event.timestamp,
      schemaVersion: event.schemaVersion,
      key,
      metadata: toJson(event.metadata ?? {}, "the metadata"),
      payload: encoder.encode(toJson(event.payload, "the payload")),
    }),
  };
}
