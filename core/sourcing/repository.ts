/**
 * Aggregates, loaded from their events and saved by appending to them.
 *
 * A save is one append, provided that nobody else has saved since the aggregate was loaded: all of
 * its events are stored, or none. Snapshots and projections come after the events are safe; their
 * failures go to `onError`, never to the command.
 */
import { assertObject } from "../base/options.ts";
import { defaultBroker } from "../broker/default_broker.ts";
import { EventBroker } from "../broker/event_broker.ts";
import { guarded, toConsole } from "../broker/broker_options.ts";
import { defined } from "../base/defined.ts";
import {
  InvalidArgumentError,
  NotFoundError,
  RedactedEventError,
  VersionConflictError,
} from "../base/errors.ts";
import type { Event } from "../event/event.ts";
import { type Redaction, redactionOf } from "../event/redaction.ts";
import type { Upcasters } from "../schema/upcasters.ts";
import type { EventStore } from "../store/store.ts";
import { access, type AggregateRoot, unknownEvent } from "./aggregate.ts";
import { History, type SourcingBroker } from "./history.ts";
import {
  assertPlainState,
  broken,
  checkPolicy,
  checkSnapshot,
  isDue,
  type SnapshotPolicy,
} from "./snapshot.ts";

/** How a repository stores its aggregates. */
export interface RepositoryOptions {
  /**
   * The broker whose store is used, and whose subscribers receive what is saved. Default:
   * `defaultBroker`.
   */
  broker?: SourcingBroker;
  /** A store without a broker, instead of `broker`. */
  eventStore?: EventStore;
  /** Default `aggregates`. Use two topics for two kinds of aggregates that share ids. */
  topic?: string;
  /**
   * The event types that the aggregate knows; an event of another type fails the load. Default:
   * `applyEvent` decides.
   */
  eventTypes?: readonly string[];
  /** Upcasts old events when they are read. */
  upcast?: Upcasters;
  /**
   * What to do where an event of the aggregate was redacted: `throw` a `RedactedEventError`, or
   * `skip` it, so that it counts in the version and nothing else. Default `throw`.
   */
  redacted?: "throw" | "skip";
  /** Default: no snapshots. */
  snapshots?: SnapshotPolicy;
  /** Brought up to date after each save, before it resolves. */
  projections?: readonly { catchUp(): Promise<void> }[];
  /**
   * Guarantees that no other process saves to this store. Required for a store with three methods,
   * which cannot detect it. Default false.
   */
  singleProcess?: boolean;
  /** Called with failures that no command gets to see. Default: logs to the console. */
  onError?: (error: unknown, context: string) => void;
}

/** How `update` retries, and whether it creates the aggregate. */
export interface UpdateOptions {
  /** How often to retry if somebody else saved meanwhile. Default 5. */
  retries?: number;
  /** Throw `NotFoundError` if the aggregate does not exist. Default false: create it. */
  mustExist?: boolean;
}

const DEFAULT_TOPIC = "aggregates";
const RETRIES = 5;

/**
 * Loads and saves aggregates; {@link AggregateRoot} has an example.
 *
 * ```ts
 * import { AggregateRoot } from "@env/env-event-stream";
 *
 * declare class Order extends AggregateRoot<{ paid: boolean }> {
 *   constructor(id: string);
 *   protected applyEvent(): void;
 *   pay(): void;
 * }
 * const orders = new EventSourcedRepository((id) => new Order(id), { topic: "orders" });
 * await orders.update("o-1", (order) => order.pay());
 * ```
 */
export class EventSourcedRepository<T extends AggregateRoot<object>> {
  /** The topic of the events. */
  readonly topic: string;
  readonly #create: (id: string) => T;
  readonly #options: RepositoryOptions;
  readonly #history: History;
  readonly #snapshots: SnapshotPolicy | undefined;
  /** The version of the last snapshot of each aggregate loaded or saved here. */
  readonly #snapshotOf = new WeakMap<T, number>();

  /** `create` returns an aggregate without events. */
  constructor(create: (id: string) => T, options: RepositoryOptions = {}) {
    assertObject(options, "the options of EventSourcedRepository");
    const { broker, eventStore, topic = DEFAULT_TOPIC, singleProcess = false } = options;
    if (broker && eventStore) {
      throw new InvalidArgumentError("a repository has a broker or a store of its own, not both", {
        hint: "new EventBroker({ eventStore }) makes a broker of the store",
      });
    }
    this.#create = create;
    this.#options = options;
    this.topic = topic;
    const host = broker ?? (eventStore ? new EventBroker({ eventStore }) : defaultBroker);
    this.#history = new History(host, { topic, singleProcess });
    this.#snapshots = checkPolicy(options.snapshots);
  }

  /**
   * Stores the recorded events, all or none; does nothing if there are none. Throws
   * `VersionConflictError` if somebody else saved the aggregate since it was loaded. Then load it
   * and decide again, as {@link update} does.
   */
  async save(aggregate: T): Promise<void> {
    const events = access.recorded(aggregate);
    if (events.length === 0) return;
    const version = access.savedVersion(aggregate);
    const outcome = await this.#history.append(aggregate.id, {
      events: [...events],
      version,
      seq: access.savedSeq(aggregate),
    });
    if (!outcome.ok) throw conflict(aggregate.id, version, outcome.actualVersion);
    access.saved(aggregate, outcome.lastSeq);
    await this.#project();
    await this.#takeSnapshot(aggregate);
  }

  /** The aggregate, or undefined if it has no stored event. */
  async getById(id: string): Promise<T | undefined> {
    const aggregate = await this.#begin(id);
    const after = { version: access.savedVersion(aggregate), seq: access.savedSeq(aggregate) };
    for await (const stored of this.#history.read(id, after)) {
      const redaction = redactionOf(stored);
      if (redaction) {
        if (this.#options.redacted !== "skip") throw redactedError(id, stored, redaction);
        access.skip(aggregate, stored);
        continue;
      }
      const event = this.#options.upcast?.upcast(stored) ?? stored;
      this.#assertKnown(aggregate, event);
      access.replay(aggregate, event);
    }
    return aggregate.version > 0 ? aggregate : undefined;
  }

  /**
   * Loads (or creates) the aggregate, runs `command` on it, saves it, and resolves to it. If
   * somebody else saved meanwhile it starts over, so `command` may run several times and must not
   * have side effects.
   */
  async update(
    id: string,
    command: (aggregate: T) => unknown,
    { retries = RETRIES, mustExist = false }: UpdateOptions = {},
  ): Promise<T> {
    for (let tries = 0;; tries++) {
      const aggregate = await this.getById(id) ?? this.#make(id, mustExist);
      await command(aggregate);
      try {
        await this.save(aggregate);
        return aggregate;
      } catch (error) {
        if (!(error instanceof VersionConflictError) || tries >= retries) throw error;
      }
    }
  }

  #make(id: string, mustExist: boolean): T {
    if (!mustExist) return this.#create(id);
    throw new NotFoundError("aggregate", `there is no aggregate ${id} in ${this.topic}`, {
      details: { aggregate: id, topic: this.topic },
    });
  }

  #assertKnown(aggregate: T, event: Event): void {
    const known = this.#options.eventTypes;
    if (known && !known.includes(event.type)) throw unknownEvent(aggregate, event);
  }

  /** A new aggregate, starting from its snapshot if there is one. */
  async #begin(id: string): Promise<T> {
    const aggregate = this.#create(id);
    if (!this.#snapshots) return aggregate;
    const { store, shape = "1" } = this.#snapshots;
    try {
      const snapshot = await store.load(this.topic, id);
      if (!snapshot) return aggregate;
      const verdict = checkSnapshot(snapshot, shape);
      if (verdict.usable && !await this.#history.has(id, snapshot)) {
        const why = `the store does not have its event at seq ${snapshot.seq}`;
        this.#tell(broken(snapshot, why), `the snapshot of ${id}`);
      } else if (verdict.usable && await this.#history.hasRedacted(id, snapshot.seq)) {
        const why = "an event that went into it may have been redacted since";
        this.#tell(broken(snapshot, why), `the snapshot of ${id}`);
      } else if (verdict.usable) {
        access.restore(aggregate, { ...snapshot, state: snapshot.state as object });
        this.#snapshotOf.set(aggregate, snapshot.version);
      } else if (verdict.why) {
        this.#tell(verdict.why, `the snapshot of ${id}`);
      }
    } catch (error) {
      this.#tell(
        broken({ topic: this.topic, id }, "it cannot be read", error),
        `the snapshot of ${id}`,
      );
    }
    return aggregate;
  }

  async #takeSnapshot(aggregate: T): Promise<void> {
    if (!this.#snapshots) return;
    const { store, shape = "1" } = this.#snapshots;
    const { id, version } = aggregate;
    try {
      if (!isDue(this.#snapshots, { version, snapshot: this.#snapshotOf.get(aggregate) ?? 0 })) {
        return;
      }
      const snapshot = {
        topic: this.topic,
        id,
        version,
        seq: access.savedSeq(aggregate),
        eventId: access.savedId(aggregate),
        shape,
        // Not a copy, which would have made plain objects of those of a class.
        state: access.state(aggregate),
      };
      assertPlainState(snapshot);
      await store.save({ ...snapshot, state: structuredClone(snapshot.state) });
      this.#snapshotOf.set(aggregate, version);
    } catch (error) {
      this.#tell(error, `the snapshot of ${id}`);
    }
  }

  async #project(): Promise<void> {
    for (const projection of this.#options.projections ?? []) {
      try {
        await projection.catchUp();
      } catch (error) {
        this.#tell(error, "a projection");
      }
    }
  }

  #tell(error: unknown, context: string): void {
    guarded(this.#options.onError ?? toConsole)(error, context);
  }
}

function redactedError(id: string, event: Event, { by, reason }: Redaction): RedactedEventError {
  const { topic, seq } = event;
  const why = reason === undefined ? "" : `: ${reason}`;
  return new RedactedEventError(
    `${id}: event ${seq} of ${topic} was redacted${by === undefined ? "" : ` by ${by}`}${why}`,
    {
      hint: 'redacted: "skip" loads the aggregate without what it said',
      details: { aggregate: id, topic, seq, eventId: event.id, ...defined({ by, reason }) },
    },
  );
}

function conflict(id: string, expected: number, actual: number): VersionConflictError {
  return new VersionConflictError(
    `${id} was saved by somebody else: this save expected version ${expected}, and it is at ${actual}; nothing of it was stored`,
    {
      hint: "load it and decide again: repository.update(id, command) does",
      details: { aggregate: id, expectedVersion: expected, actualVersion: actual },
    },
  );
}
