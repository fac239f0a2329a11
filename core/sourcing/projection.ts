/**
 * Projections: state built from events and kept up to date.
 *
 * A projection reads its topics by seq, starting at its checkpoint. State and checkpoint are saved
 * together, so no event counts twice, and whatever was not saved is read again. It can be brought
 * up to date on demand (`catchUp`; a repository does so with each save), or follow its topics
 * (`follow`). A rebuild reads everything into a new state while the old one is still being served.
 */
import { assertObject } from "../base/options.ts";
import { thrownText } from "../base/thrown.ts";
import { BrokenHistoryError, ProjectionError, UnsupportedError } from "../base/errors.ts";
import { isPromise } from "../base/maybe_promise.ts";
import { type Event, type StoredEvent, toEvent } from "../event/event.ts";
import { redactionOf } from "../event/redaction.ts";
import type { Upcasters } from "../schema/upcasters.ts";
import type { JournalStore } from "../store/store.ts";
import { ThreeMethodStore } from "../store/basic_store.ts";
import { assertTopicPattern, compilePattern } from "../event/topic_options.ts";
import type { EventBroker } from "../broker/event_broker.ts";
import { guarded, toConsole } from "../broker/broker_options.ts";
import {
  assertProjectionName,
  MemoryProjectionStore,
  type ProjectionRecord,
  type ProjectionStore,
} from "./projection_store.ts";
import { isJsonObject } from "../json/json_object.ts";
import { unplainPart } from "../json/to_json.ts";
import { copyOfState, uncopiedPart } from "./copied_state.ts";

/** Defines a projection. */
export interface ProjectionDefinition<S> {
  /** Its name in the store. */
  name: string;
  /** A topic or pattern. Events of one topic arrive in order; there is no order between topics. */
  topic: string;
  /** The state before the first event. Plain JSON, where it is kept in a `store`. */
  initial: S;
  /**
   * A reducer per event type; none gets redacted events. Its return value becomes the new state; if
   * it returns nothing, it has changed the state in place.
   */
  // deno-lint-ignore no-explicit-any -- payloads of any type
  on: Record<string, (state: S, event: Event<any>) => S | void>;
  /** Change this when the reducers change; the projection is then rebuilt. Default `1`. */
  version?: string;
  /** Upcasts events before the reducers see them. */
  upcast?: Upcasters;
}

/** What a projection reads, and where it is stored. */
export interface ProjectionOptions {
  /** The broker whose store is read. */
  broker: Pick<EventBroker, "store" | "onCommit">;
  /** Default: in memory. */
  store?: ProjectionStore;
  /** Called when following fails. Default: logs to the console. */
  onError?: (error: unknown, context: string) => void;
}

interface Snapshot<S> {
  state: S;
  checkpoint: Record<string, number>;
  eventIds: Record<string, string>;
}

/** Events per read and per save. */
const PAGE = 500;

/**
 * State built from the events of one or more topics.
 *
 * ```ts
 * import { EventBroker, Projection } from "@env/env-event-stream";
 *
 * await using broker = new EventBroker();
 * const revenue = new Projection({
 *   name: "revenue",
 *   topic: "orders",
 *   initial: { total: 0 },
 *   on: { "order.placed": (state, event) => void (state.total += event.payload.total) },
 * }, { broker });
 * await broker.publish("orders", "order.placed", { total: 12 });
 * await revenue.catchUp();
 * console.log(revenue.state.total); // 12
 * ```
 */
export class Projection<S extends object> {
  /** Its name in the store. */
  readonly name: string;
  readonly #definition: ProjectionDefinition<S>;
  readonly #version: string;
  readonly #broker: ProjectionOptions["broker"];
  readonly #store: ProjectionStore;
  readonly #isOwnStore: boolean;
  #toldUnplain = false;
  readonly #onError: (error: unknown, context: string) => void;
  readonly #matches: (topic: string) => boolean;
  /** Only ever replaced as a whole, so that a reducer that throws leaves nothing half done. */
  #now: Snapshot<S>;
  #loaded: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #stop: (() => void) | undefined;

  /**
   * Throws `UnsupportedError` if the store keeps no history, and `InvalidArgumentError` for an
   * invalid name or topic, or a first state with an object of a class, which a copy does not keep.
   */
  constructor(definition: ProjectionDefinition<S>, options: ProjectionOptions) {
    assertObject(definition, "the definition of a projection");
    assertObject(definition.on, "on, the reducers of a projection,");
    assertObject(
      assertObject(options, "the options of Projection").broker,
      "the broker of a projection",
    );
    if (options.broker.store instanceof ThreeMethodStore) {
      throw new UnsupportedError(
        "a store with three methods has no past for a projection to read",
        {
          hint:
            "subscribe, and keep the state yourself; or use a store that assigns sequence numbers",
        },
      );
    }
    this.#matches = compilePattern(assertTopicPattern(definition.topic));
    this.name = assertProjectionName(definition.name);
    this.#definition = definition;
    this.#version = definition.version ?? "1";
    this.#broker = options.broker;
    this.#store = options.store ?? new MemoryProjectionStore();
    this.#isOwnStore = options.store === undefined;
    this.#onError = guarded(options.onError ?? toConsole);
    this.#now = this.#initial();
  }

  /** The state after the events up to the checkpoint. Do not modify it. */
  get state(): Readonly<S> {
    return this.#now.state;
  }

  /** The last seq in the state, by topic. */
  get checkpoint(): Readonly<Record<string, number>> {
    return { ...this.#now.checkpoint };
  }

  /**
   * Applies stored events that are not in the state yet. Throws `ProjectionError` if a reducer
   * throws; the state then stops before that event, and the next call tries it again.
   */
  catchUp(): Promise<void> {
    return this.#inTurn(async () => {
      await (this.#loaded ??= this.#load().catch((error) => {
        this.#loaded = undefined;
        throw error;
      }));
      await this.#advance(this.#now, {
        take: (next) => this.#now = next,
        missed: (error) => this.#onError(error, `the projection ${this.name}`),
      });
    });
  }

  /** Rebuilds from the first event. The old state is served until the new one is complete. */
  rebuild(): Promise<void> {
    return this.#inTurn(async () => {
      this.#assertWhole();
      let fresh = this.#initial();
      await this.#advance(fresh, {
        take: (next) => fresh = next,
        missed(error) {
          throw error;
        },
        save: false,
      });
      await this.#save(fresh);
      this.#now = fresh;
      this.#loaded = Promise.resolve();
    });
  }

  /** Catches up now and after every commit, until `stop` or the end of the `using` block. */
  async follow(): Promise<AsyncDisposable & { stop(): Promise<void> }> {
    const failed = (error: unknown) => this.#onError(error, `the projection ${this.name}`);
    let waiting = false;
    this.#stop ??= this.#broker.onCommit(({ topic, ephemeral }) => {
      if (ephemeral || waiting || !this.#matches(topic)) return;
      waiting = true;
      // Deferred, so that the publisher need not wait; this also batches commits.
      queueMicrotask(() => {
        waiting = false;
        this.catchUp().catch(failed);
      });
    });
    await this.catchUp();
    const stop = async () => {
      this.#stop?.();
      this.#stop = undefined;
      await this.#turn;
    };
    return { stop, [Symbol.asyncDispose]: stop };
  }

  #initial(): Snapshot<S> {
    const state = copyOfState(this.#definition.initial, `the first state of ${this.name}`);
    return { state, checkpoint: {}, eventIds: {} };
  }

  async #load(): Promise<void> {
    let record: ProjectionRecord | undefined;
    try {
      record = await this.#store.load(this.name);
    } catch (error) {
      // A record is a cache; one that cannot be read is rebuilt.
      this.#onError(error, `loading the projection ${this.name}`);
    }
    if (record && await isUsable(record, this.#version, this.#broker.store)) {
      const { checkpoint, eventIds } = record;
      this.#now = { state: record.state as S, checkpoint, eventIds };
    }
  }

  /** The topics it reads, and where they begin and end. */
  #topics(): Map<string, { firstSeq: number; lastSeq: number }> {
    const { store } = this.#broker;
    return new Map(
      store.topics().filter(this.#matches).map((topic) => [topic, store.head(topic)]),
    );
  }

  /** A rebuild from an incomplete topic would lose what only the state still has. */
  #assertWhole(): void {
    for (const [topic, { firstSeq }] of this.#topics()) {
      if (firstSeq === 1) continue;
      throw new BrokenHistoryError(
        `${this.name} cannot be rebuilt: ${topic} begins at seq ${firstSeq}; the state is left as it is`,
        { details: { projection: this.name, topic, firstSeq } },
      );
    }
  }

  /** `missed` is told of what retention took, at the start or while the pages are read. */
  async #advance(
    from: Snapshot<S>,
    { take, missed, save = true }: {
      take: (next: Snapshot<S>) => void;
      missed: (error: BrokenHistoryError) => void;
      save?: boolean;
    },
  ): Promise<void> {
    const { store } = this.#broker;
    if (store.refresh) await store.refresh();
    let now = from;
    for (const [topic, { lastSeq }] of this.#topics()) {
      let at = (now.checkpoint[topic] ?? 0) + 1;
      while (at <= lastSeq) {
        const read = store.readPage(topic, { from: at, to: lastSeq, limit: PAGE });
        const page = isPromise(read) ? await read : read;
        // After the read: what was deleted while it was under way is not in the page.
        const { firstSeq } = store.head(topic);
        const found = page.events[0]?.seq ?? page.next;
        const gone = Math.min(found, firstSeq, lastSeq + 1) - 1;
        if (at <= gone) missed(this.#missed(topic, at, gone));
        at = page.next;
        const step = this.#reduce(now, topic, page.events);
        now = step.failure
          ? step.next
          : { ...step.next, checkpoint: { ...now.checkpoint, [topic]: Math.min(at - 1, lastSeq) } };
        take(now);
        if (save) await this.#save(now);
        else await new Promise((resolve) => setTimeout(resolve, 0));
        if (step.failure) throw step.failure;
      }
    }
  }

  /** The state after the events, or up to the one whose reducer threw. */
  #reduce(
    from: Snapshot<S>,
    topic: string,
    events: readonly StoredEvent[],
  ): { next: Snapshot<S>; failure?: ProjectionError } {
    let state = structuredClone(from.state);
    for (const [i, stored] of events.entries()) {
      try {
        const event = this.#definition.upcast?.upcast(toEvent(stored)) ?? toEvent(stored);
        const reducer = redactionOf(event) ? undefined : this.#definition.on[event.type];
        if (reducer) state = reducer(state, event) ?? state;
      } catch (cause) {
        // The reducer may have half-changed the state, so apply the earlier events again to a clean
        // copy.
        const before = i === 0 ? { next: from } : this.#reduce(from, topic, events.slice(0, i));
        const checkpoint = { ...from.checkpoint, [topic]: stored.seq - 1 };
        return { next: { ...before.next, checkpoint }, failure: failed(this.name, stored, cause) };
      }
    }
    const last = events.at(-1);
    if (!last) return { next: { ...from, state } };
    const checkpoint = { ...from.checkpoint, [topic]: last.seq };
    return { next: { state, checkpoint, eventIds: { ...from.eventIds, [topic]: last.id } } };
  }

  /** A failed save only means that some events are read again. */
  async #save(now: Snapshot<S>): Promise<void> {
    if (!this.#isPlain(now)) return;
    try {
      await this.#store.save({ name: this.name, version: this.#version, ...now });
    } catch (error) {
      this.#onError(error, `saving the projection ${this.name}`);
    }
  }

  /**
   * False for a state that JSON does not keep as it is: read again, it would be another one. That
   * is reported once, not with each page. Nobody else reads a store of our own, so there it is only
   * reported what a copy does not keep: each page starts from a copy.
   */
  #isPlain({ state }: Snapshot<S>): boolean {
    const isOwn = this.#isOwnStore;
    const unplain = isOwn ? uncopiedPart(state) : unplainPart(state);
    if (unplain && !this.#toldUnplain) {
      const { pointer, found, hint } = unplain;
      const where = pointer === "" ? "it" : pointer;
      this.#onError(
        new ProjectionError(
          isOwn
            ? `${this.name} does not keep its state as it is: ${where} is ${found}`
            : `${this.name} is not saved: its state is not plain JSON, ${where} is ${found}`,
          { hint, details: { projection: this.name, pointer } },
        ),
        `saving the projection ${this.name}`,
      );
    }
    this.#toldUnplain = unplain !== undefined;
    return isOwn || unplain === undefined;
  }

  #missed(topic: string, from: number, to: number): BrokenHistoryError {
    return new BrokenHistoryError(
      `${this.name} missed ${topic} ${from} to ${to}: retention deleted them first`,
      { details: { projection: this.name, topic, from, to } },
    );
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {}); // the caller gets the error
    return result;
  }
}

/**
 * False for a record of another version, an incomplete one, and one whose events the store does not
 * have: it may have been restored from a backup and have continued differently since. Events that
 * retention deleted are assumed to match.
 */
async function isUsable(
  record: ProjectionRecord,
  version: string,
  store: JournalStore,
): Promise<boolean> {
  const { checkpoint, eventIds, state } = record;
  if (record.version !== version || typeof state !== "object" || state === null) return false;
  if (!isJsonObject(checkpoint) || !isJsonObject(eventIds)) return false;
  if (store.refresh) await store.refresh(Object.keys(checkpoint));
  for (const [topic, seq] of Object.entries(checkpoint)) {
    const { firstSeq, lastSeq } = store.head(topic);
    if (seq > lastSeq) return false;
    const { events: [event] } = await store.readPage(topic, { from: seq, to: seq, limit: 1 });
    if (seq >= firstSeq && event !== undefined && event.id !== eventIds[topic]) return false;
  }
  return true;
}

function failed(name: string, event: StoredEvent, cause: unknown): ProjectionError {
  const why = thrownText(cause);
  const { topic, seq, type } = event;
  return new ProjectionError(
    `${name} cannot apply ${topic} ${seq} (${type}): ${why}; it stopped at ${seq - 1}`,
    {
      cause,
      hint: "fix the reducer and start again: nothing before this event is read twice",
      details: { projection: name, topic, seq, type },
    },
  );
}
