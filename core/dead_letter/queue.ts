/** A dead-letter queue as an application sees it, and may write its own. */
import { toJson } from "../json/to_json.ts";
import { thrownStack } from "../base/thrown.ts";
import { thrownReason } from "../base/thrown_reason.ts";
import type { Event } from "../event/event.ts";
import { toWireLine } from "../event/event.ts";
import type { DeadLetterRecord, State } from "../state/state.ts";
import type { DeadLetters } from "./dead_letters.ts";
import { failedEvent } from "../state/dead_letter_name.ts";

/** An event that a subscription gave up on. */
export interface DeadLetterEntry {
  /** The event as it was delivered. */
  event: Event;
  /** The last attempt's error. */
  error: string;
  /** The subscription that gave it up. */
  subscription: string;
  /** When it was given up, Unix ms. */
  timestamp: number;
  /** How many attempts were made. */
  attempts: number;
}

/** Which entries `getEvents` returns. */
export interface DeadLetterQuery {
  /** Only of this topic. */
  topic?: string;
  /** Only of this type. */
  eventType?: string;
  /** At most this many; 0 or absent means all. */
  limit?: number;
}

/** What a queue may know of an event beside its error. */
export interface DeadLetterDetails {
  /** How many attempts were made. */
  attempts?: number;
}

/** The broker, as the queue that it holds sees it. */
export interface DeadLetterHost {
  /** Throws `ConflictError` where the subscription is gone. */
  assertThere(subscription: string): void;
  /**
   * Delivers an entry again, if `isWanted` still says so when its turn comes (a retry that was
   * under way may have been handled meanwhile); resolves when it is on its way.
   */
  redeliver(entry: DeadLetterEntry, isWanted: () => boolean): Promise<void>;
}

/** Where dead letters go. The last four methods are for queues that deliver again by themselves. */
export interface DeadLetterQueue {
  /** Keeps an event; durable when it resolves. */
  addEvent(
    event: Event,
    error: Error,
    subscriptionName: string,
    details?: DeadLetterDetails,
  ): Promise<void>;
  /** Newest first. */
  // deno-lint-ignore no-explicit-any -- the promised interface: implementations may leave `options` untyped
  getEvents(options?: any): Promise<DeadLetterEntry[]>;
  /** Delivers the event again; false when there is none. */
  retryEvent(eventId: string): Promise<boolean>;
  /** Forgets the event; false when there is none. */
  removeEvent(eventId: string): Promise<boolean>;
  /**
   * The broker that is made with the queue says so. From then on `retryEvent` delivers through it.
   */
  attach?(host: DeadLetterHost): void;
  /** A named subscription is there. */
  subscribed?(subscription: string): Promise<void>;
  /**
   * An event was handled that had been tried before: by way of `redeliver`, or of a plain retry.
   */
  delivered?(name: { subscription: string; topic: string; id: string }): Promise<void>;
  /** Called when the broker is closed. */
  close?(): Promise<void>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const PAGE = 500;

/** The broker's own: a view on the dead letters in its state. */
export class StateDeadLetterQueue implements DeadLetterQueue {
  readonly #state: State;
  readonly #deadLetters: DeadLetters;
  readonly #now: () => number;

  constructor(state: State, deadLetters: DeadLetters, now: () => number) {
    this.#state = state;
    this.#deadLetters = deadLetters;
    this.#now = now;
  }

  async addEvent(event: Event, error: Error, subscriptionName: string): Promise<void> {
    const diedAt = this.#now();
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
        ...(stack === undefined ? {} : { stack }),
      }],
    };
    await this.#state.commit([{ op: "dead.put", record }]);
  }

  getEvents(options: DeadLetterQuery = {}): Promise<DeadLetterEntry[]> {
    const limit = options.limit || Infinity;
    const filter = {
      ...(options.topic === undefined ? {} : { topic: options.topic }),
      ...(options.eventType === undefined ? {} : { type: options.eventType }),
    };
    const entries: DeadLetterEntry[] = [];
    let after: string | undefined;
    do {
      const page = this.#state.deadLetters(filter, {
        limit: Math.min(PAGE, limit - entries.length),
        ...(after === undefined ? {} : { after }),
      });
      entries.push(...page.records.map(entryOf));
      after = page.next;
    } while (after !== undefined && entries.length < limit);
    return Promise.resolve(entries);
  }

  async retryEvent(eventId: string): Promise<boolean> {
    if (this.#deadLetters.count({ ids: [eventId] }) === 0) return false;
    return (await this.#deadLetters.retry({ ids: [eventId] })).count > 0;
  }

  async removeEvent(eventId: string): Promise<boolean> {
    if (this.#deadLetters.count({ ids: [eventId] }) === 0) return false;
    return (await this.#deadLetters.remove({ ids: [eventId] })).count > 0;
  }
}

/** The event of a dead letter, as applications see it. */
export function eventOfRecord(record: { line: Uint8Array }): Event {
  return JSON.parse(decoder.decode(record.line)) as Event;
}

function entryOf(record: DeadLetterRecord): DeadLetterEntry {
  return {
    event: eventOfRecord(record),
    error: record.reason,
    subscription: record.subscription,
    timestamp: record.diedAt,
    attempts: record.attempts.length,
  };
}

/** What a record keeps of an event that came as a value. */
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
      ...(key === undefined ? {} : { key }),
      metadata: toJson(event.metadata ?? {}, "the metadata"),
      payload: encoder.encode(toJson(event.payload, "the payload")),
    }),
  };
}
