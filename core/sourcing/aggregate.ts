/**
 * An aggregate: state derived only from its events.
 *
 * A subclass's command makes a decision and calls `recordEvent`. Only `applyEvent` changes the
 * state, both when an event is recorded and when it is read back, so both give the same result.
 * Recorded events stay in the aggregate until a repository saves them. The payload is captured as
 * JSON when it is recorded, so `applyEvent` sees exactly what later readers will see.
 */
import { moduleState } from "../base/module_state.ts";
import { toJson } from "../json/to_json.ts";
import { copyOfState } from "./copied_state.ts";
import { assertName } from "../event/name.ts";
import { systemClock } from "../base/clock.ts";
import { UnknownEventTypeError } from "../base/errors.ts";
import type { Event } from "../event/event.ts";
import { IdSource } from "../event/id.ts";

/** What a recorded event may carry besides its payload. */
export interface RecordOptions {
  /** The version of the payload's schema; default: the highest registered one. */
  schemaVersion?: string;
  /** Stored with the payload. */
  metadata?: Record<string, unknown>;
}

/** Operations on an aggregate that are reserved for repositories. */
export interface AggregateAccess {
  /**
   * Recorded but unsaved events, oldest first. Their topic is empty, and so is a `schemaVersion`
   * that was not given.
   */
  recorded(aggregate: AggregateRoot<object>): readonly Event[];
  /** The version before those events. */
  savedVersion(aggregate: AggregateRoot<object>): number;
  /** The seq of the last saved event; 0 before the first. */
  savedSeq(aggregate: AggregateRoot<object>): number;
  /** The id of that event; empty before the first. */
  savedId(aggregate: AggregateRoot<object>): string;
  /** The state itself, not a copy. */
  state(aggregate: AggregateRoot<object>): object;
  /** Applies a stored event. */
  replay(aggregate: AggregateRoot<object>, event: Event): void;
  /** Counts an event without applying it. */
  skip(aggregate: AggregateRoot<object>, event: Event): void;
  /** Restores the state from a snapshot. */
  restore(
    aggregate: AggregateRoot<object>,
    snapshot: { state: object; version: number; seq: number; eventId: string },
  ): void;
  /** Marks the recorded events as saved, up to this seq. */
  saved(aggregate: AggregateRoot<object>, seq: number): void;
}

let friend: AggregateAccess;
const ids = moduleState(() => new IdSource());

/**
 * The base of an aggregate.
 *
 * ```ts
 * import { AggregateRoot, type Event, EventSourcedRepository } from "@env/env-event-stream";
 *
 * class Account extends AggregateRoot<{ balance: number }> {
 *   constructor(id: string) {
 *     super(id, { balance: 0 });
 *   }
 *   deposit(amount: number): void {
 *     this.recordEvent("deposited", { amount });
 *   }
 *   protected applyEvent(event: Event): void {
 *     if (event.type === "deposited") this.state.balance += event.payload.amount;
 *     else this.refuseEvent(event);
 *   }
 * }
 *
 * const accounts = new EventSourcedRepository<Account>((id) => new Account(id));
 * await accounts.update("a-1", (account) => account.deposit(5));
 * console.log((await accounts.getById("a-1"))?.getState().balance); // 5
 * ```
 */
export abstract class AggregateRoot<State extends object> {
  /** Identifies the aggregate; the key of its events. */
  readonly id: string;
  /** Only changed by `applyEvent`. */
  protected state: State;
  #version = 0;
  #seq = 0;
  #savedId = "";
  #recorded: Event[] = [];

  static {
    friend = {
      recorded: (aggregate) => aggregate.#recorded,
      savedVersion: (aggregate) => aggregate.#version - aggregate.#recorded.length,
      savedSeq: (aggregate) => aggregate.#seq,
      savedId: (aggregate) => aggregate.#savedId,
      state: (aggregate) => aggregate.state,
      replay(aggregate, event) {
        aggregate.applyEvent(event);
        this.skip(aggregate, event);
      },
      skip(aggregate, event) {
        aggregate.#version++;
        aggregate.#seq = event.seq ?? aggregate.#seq;
        aggregate.#savedId = event.id;
      },
      restore(aggregate, { state, version, seq, eventId }) {
        aggregate.state = state;
        aggregate.#version = version;
        aggregate.#seq = seq;
        aggregate.#savedId = eventId;
      },
      saved(aggregate, seq) {
        aggregate.#savedId = aggregate.#recorded.at(-1)?.id ?? aggregate.#savedId;
        aggregate.#recorded = [];
        aggregate.#seq = seq;
      },
    };
  }

  /**
   * Starts from a copy of `initialState`. Throws `InvalidArgumentError` if that contains an object
   * of a class, which a copy does not keep.
   */
  constructor(id: string, initialState: State) {
    this.id = assertName(id, "the aggregate's id");
    // A copy: two aggregates made from the same object must not share it.
    this.state = copyOfState(initialState, `the first state of ${this.#named}`);
  }

  /** The number of its events, including unsaved ones. */
  get version(): number {
    return this.#version;
  }

  /** The recorded events that are not saved yet. */
  get uncommittedEvents(): readonly Event[] {
    return [...this.#recorded];
  }

  /**
   * A copy of the state. Throws `InvalidArgumentError` if it contains an object of a class, which a
   * copy does not keep.
   */
  getState(): State {
    return copyOfState(this.state, `the state of ${this.#named}`);
  }

  get #named(): string {
    return `${this.constructor.name} ${this.id}`;
  }

  /** The timestamp of recorded events, Unix ms. A test may override it. */
  protected now(): number {
    return systemClock.now();
  }

  /**
   * Records an event and applies it. Throws `EventRefusedError` if the payload is not JSON. Nothing
   * is recorded if it throws, or if `applyEvent` does.
   */
  protected recordEvent(type: string, payload: unknown, options: RecordOptions = {}): void {
    const now = this.now();
    const event: Event = {
      id: ids().next(now),
      type: assertName(type, "the type"),
      topic: "",
      timestamp: now,
      schemaVersion: options.schemaVersion ?? "",
      payload: JSON.parse(toJson(payload, "the payload")),
      metadata: JSON.parse(toJson(options.metadata ?? {}, "the metadata")),
      key: this.id,
    };
    this.applyEvent(event);
    this.#recorded.push(event);
    this.#version++;
  }

  /** Applies one event to the state. Must neither make decisions nor modify the event. */
  protected abstract applyEvent(event: Event): void;

  /**
   * For the last branch of `applyEvent`: throws `UnknownEventTypeError`, so that no event is
   * skipped silently.
   */
  protected refuseEvent(event: Event): never {
    throw unknownEvent(this, event);
  }
}

/** The error for an event type that an aggregate does not know. */
export function unknownEvent(
  aggregate: AggregateRoot<object>,
  event: Event,
): UnknownEventTypeError {
  const at = event.seq === undefined ? "" : ` (${event.topic} ${event.seq})`;
  return new UnknownEventTypeError(
    `${aggregate.constructor.name} ${aggregate.id} does not know events of type ${event.type}${at}; they are kept`,
    {
      hint: "load it with code that knows the type: an older or newer program wrote it",
      details: {
        aggregate: aggregate.id,
        type: event.type,
        id: event.id,
        ...(event.seq === undefined ? {} : { topic: event.topic, seq: event.seq }),
      },
    },
  );
}

/** Access for repositories. */
export const access: AggregateAccess = friend!;
