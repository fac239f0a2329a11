/**
 * Writes events to a store: creates the topic if allowed, finds its journal, and only passes on
 * events that are not persistent.
 */
import { closedBroker } from "../base/errors.ts";
import type { TopicRecord } from "../state/state.ts";
import { meets } from "../store/append.ts";
import type { AppendWaiter, PublishStream } from "../store/journal.ts";
import type { Journals } from "../store/journals.ts";
import type { StoreRequest } from "../store/pack.ts";
import type { AppendOutcome, CheckedUnder, Condition } from "../store/store.ts";
import { waitingError } from "../store/waiting_error.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { TopicStores } from "../topic/stores.ts";
import type { CommitDispatcher } from "./commit_dispatcher.ts";
import { refuseExpected, refuseUncountable, refuseUncounted } from "./expectation.ts";
import type { Startup } from "./startup.ts";
import { appendNew, WaitingIds } from "./waiting_ids.ts";

/** What a writer needs. */
export interface EventWriterContext {
  topics: TopicCatalog;
  stores: TopicStores;
  journals: Journals;
  dispatcher: CommitDispatcher;
  startup: Startup;
  /**
   * Set for a three-method store, which may fail in the middle: with one request at a time, only
   * that one is in doubt.
   */
  oneAtATime: boolean;
  /** Set if other nodes change topics and schemas: the rev of the schemas here. */
  schemas?: { readonly rev: number } | undefined;
}

/** The rev of a topic that is not there. */
const UNKNOWN = -1;

/** Appends events to the journals of their topics. */
export class EventWriter {
  /** The ids of scheduled events. */
  readonly waiting: WaitingIds = new WaitingIds();
  readonly #context: EventWriterContext;
  #chain: Promise<unknown> | undefined;
  #isClosed = false;

  constructor(context: EventWriterContext) {
    this.#context = context;
    if (context.oneAtATime) this.#chain = Promise.resolve();
  }

  /**
   * What events of a topic are checked under at this moment; undefined where nobody else changes
   * topics and schemas. Whoever passes events on in a later turn asks for it when it checks them.
   */
  under(topic: string): CheckedUnder | undefined {
    const { topics, schemas } = this.#context;
    if (!schemas) return undefined;
    const record = topics.get(topic);
    return { topic: record ? record.rev ?? 0 : UNKNOWN, schemas: schemas.rev };
  }

  #note(request: StoreRequest): void {
    if (this.#context.schemas) request.under ??= this.under(request.topic)!;
  }

  /** Requests of one stream are stored in the order of their calls. */
  append(request: StoreRequest, stream?: PublishStream): Promise<AppendOutcome> {
    this.#note(request);
    const waiting = this.waiting.of(request.topic);
    if (waiting === undefined) return this.appendAll(request, stream);
    return appendNew(request, { waiting, append: (rest) => this.appendAll(rest, stream) });
  }

  /** The same, whichever ids are scheduled. */
  appendAll(request: StoreRequest, stream?: PublishStream): Promise<AppendOutcome> {
    this.#note(request);
    const { topics, startup: { opening } } = this.#context;
    if (opening) return opening.then(() => this.appendAll(request, stream));
    const held = topics.locks.held(request.topic);
    // Not to wait again: who has the topic next waits for this one.
    if (held) return held.then(() => this.#appendNow(request, stream));
    return this.#appendNow(request, stream);
  }

  /** Like {@link append}, for who needs no promise. It takes none where nothing is waited for. */
  appendFor(waiter: AppendWaiter, request: StoreRequest): void {
    const { topics, stores, journals, startup } = this.#context;
    const { topic, expected } = request;
    const record = topics.get(topic);
    const waits = startup.opening ?? topics.locks.held(topic) ?? topics.pending(topic);
    const isPlain = record?.options.persistent && typeof expected !== "object" &&
      this.waiting.of(topic) === undefined && this.#chain === undefined;
    if (waits !== undefined || !isPlain || this.#isClosed) {
      this.append(request).then((outcome) => waiter.resolve(outcome), (e) => waiter.reject(e));
      return;
    }
    this.#note(request);
    this.known(record, request);
    journals.submitFor(waiter, stores.target(topic, record.options), request);
  }

  #appendNow(request: StoreRequest, stream: PublishStream | undefined): Promise<AppendOutcome> {
    if (this.#isClosed) return Promise.reject(closedBroker());
    const { topics } = this.#context;
    const record = topics.get(request.topic);
    if (record && !topics.pending(request.topic)) return this.#submit(record, request, stream);
    return topics.ensure(request.topic).then((made) => this.#submit(made, request, stream));
  }

  /** Stores requests for several topics, all or none, if the conditions hold. */
  appendGroup(
    requests: readonly StoreRequest[],
    conditions: readonly Condition[],
  ): Promise<AppendOutcome[]> {
    if (this.#isClosed) return Promise.reject(closedBroker());
    for (const request of requests) this.#note(request);
    const { topics, startup: { opening } } = this.#context;
    if (opening) return opening.then(() => this.appendGroup(requests, conditions));
    const ids = this.waiting.in(requests);
    if (ids.length > 0) return Promise.reject(waitingError(ids));
    const submit = (records: readonly TopicRecord[]) =>
      this.#submitGroup(records, { requests, conditions });
    const names = requests.map(({ topic }) => topic);
    const waits = names.some((name) => topics.pending(name) ?? topics.locks.held(name));
    const known = names.flatMap((name) => topics.get(name) ?? []);
    if (!waits && known.length === names.length) return submit(known);
    const waited = Promise.all(names.map((name) => topics.locks.held(name)));
    const outcomes = waited.then(async () => {
      const refused = this.#refusedBefore(names, conditions);
      if (refused) return { stored: Promise.resolve(requests.map(() => refused)) };
      const records = await Promise.all(names.map((name) => topics.ensure(name)));
      return { stored: submit(records) };
    });
    topics.locks.hold(names, outcomes);
    return outcomes.then(({ stored }) => stored);
  }

  /**
   * What refuses a group before its topics are created, so that none is created for nothing: their
   * stores, and what is expected of a topic that is not there. The store judges the rest.
   */
  #refusedBefore(
    names: readonly string[],
    conditions: readonly Condition[],
  ): Extract<AppendOutcome, { ok: false }> | undefined {
    const { topics, stores } = this.#context;
    refuseUncounted(
      stores.groupTarget(names.map((name) => topics.planned(name))).store,
      conditions,
    );
    for (const [condition, { topic, key, expected }] of conditions.entries()) {
      if (topics.get(topic) !== undefined) continue;
      // A topic that was removed goes on from its last seq.
      const actual = key === undefined ? stores.store.head(topic).lastSeq : 0;
      if (meets(expected, actual)) continue;
      const failed = { ok: false, expected, actual, condition } as const;
      return key === undefined
        ? { ...failed, subject: "topic" }
        : { ...failed, subject: "key", key };
    }
    return undefined;
  }

  /** Resolves when all that was published to a topic, and does not wait, is stored or refused. */
  async settled(topic: string): Promise<void> {
    const { topics, journals } = this.#context;
    await topics.pending(topic)?.then(() => {}, () => {}); // those who wait for it get the error
    await this.#chain;
    await journals.settled(topic);
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async #submitGroup(
    records: readonly TopicRecord[],
    { requests, conditions }: {
      requests: readonly StoreRequest[];
      conditions: readonly Condition[];
    },
  ): Promise<AppendOutcome[]> {
    const { stores, journals } = this.#context;
    for (const [i, record] of records.entries()) this.known(record, requests[i]!);
    const target = stores.groupTarget(records);
    refuseUncounted(target.store, conditions);
    return journals.submitGroup(target, requests, conditions);
  }

  /** Refuses further requests, and resolves when the earlier ones are submitted. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#chain;
  }

  #submit(
    record: TopicRecord,
    request: StoreRequest,
    stream: PublishStream | undefined,
  ): Promise<AppendOutcome> {
    if (!record.options.persistent) return this.#handOn(request);
    this.known(record, request);
    const { stores, journals } = this.#context;
    const target = stores.target(record.name, record.options);
    if (typeof request.expected === "object") refuseUncountable(target.store, request);
    if (!this.#chain) return journals.submit(target, request, stream);
    refuseExpected(request.expected);
    const submitted = this.#chain.then(() => journals.submit(target, request, stream));
    this.#chain = submitted.catch(() => {}); // the submitter gets the error
    return submitted;
  }

  /**
   * A topic that was made for these events is as it was expected to be. So it is for events that
   * were accepted before, whatever it is.
   */
  known(record: TopicRecord, { under }: Pick<StoreRequest, "under">): void {
    if (!under) return;
    const isMade = under.topic === UNKNOWN && !this.#context.topics.isLearned(record);
    if (isMade || under.schemas === undefined) under.topic = record.rev ?? 0;
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async #handOn(request: StoreRequest): Promise<AppendOutcome> {
    refuseExpected(request.expected);
    return this.#context.dispatcher.handOn(request);
  }
}
