/**
 * Writes events to a store: creates the topic if allowed, finds its journal, and only passes on
 * events that are not persistent.
 */
import { closedBroker } from "../base/errors.ts";
import type { TopicRecord } from "../state/state.ts";
import type { PublishStream } from "../store/journal.ts";
import type { Journals } from "../store/journals.ts";
import type { StoreRequest } from "../store/pack.ts";
import type { AppendOutcome } from "../store/store.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { TopicStores } from "../topic/stores.ts";
import type { CommitDispatcher } from "./commit_dispatcher.ts";
import { refuseExpected } from "./expectation.ts";
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
}

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

  /** Requests of one stream are stored in the order of their calls. */
  append(request: StoreRequest, stream?: PublishStream): Promise<AppendOutcome> {
    const waiting = this.waiting.of(request.topic);
    if (waiting === undefined) return this.appendAll(request, stream);
    return appendNew(request, { waiting, append: (rest) => this.appendAll(rest, stream) });
  }

  /** The same, whichever ids are scheduled. */
  appendAll(request: StoreRequest, stream?: PublishStream): Promise<AppendOutcome> {
    if (this.#isClosed) return Promise.reject(closedBroker());
    const { topics, startup: { opening } } = this.#context;
    if (opening) return opening.then(() => this.appendAll(request, stream));
    const record = topics.get(request.topic);
    if (record && !topics.pending(request.topic)) return this.#submit(record, request, stream);
    return topics.ensure(request.topic).then((made) => this.#submit(made, request, stream));
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
    const { stores, journals } = this.#context;
    const target = stores.target(record.name, record.options);
    if (!this.#chain) return journals.submit(target, request, stream);
    refuseExpected(request.expected);
    const submitted = this.#chain.then(() => journals.submit(target, request, stream));
    this.#chain = submitted.catch(() => {}); // the submitter gets the error
    return submitted;
  }

  // deno-lint-ignore require-await -- async turns what it throws into a rejection
  async #handOn(request: StoreRequest): Promise<AppendOutcome> {
    refuseExpected(request.expected);
    return this.#context.dispatcher.handOn(request);
  }
}
