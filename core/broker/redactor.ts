/**
 * Redacts events wherever the broker keeps them: in the store, in dead letters and retries, in what
 * is leased or scheduled.
 *
 * That it was asked for is durable before anything is changed, and deliveries skip the event from
 * then on. So whatever interrupts it, the next start or the next request for the same event goes on.
 * What succeeded before the interruption is repeated, which does no harm.
 */
import { NotFoundError, UnsupportedError } from "../base/errors.ts";
import type { Clock } from "../base/clock.ts";
import { refuseUnknown } from "../base/options.ts";
import { defined } from "../base/defined.ts";
import { allReady, isPromise, type MaybePromise } from "../base/maybe_promise.ts";
import { holdingAll } from "../dead_letter/move.ts";
import type { DeadLetterQueue } from "../dead_letter/queue.ts";
import type { SubscriptionDriver } from "../delivery/driver.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import { planRedacted } from "../delivery/redact.ts";
import { type StoredEvent, toEvent, toWireLine } from "../event/event.ts";
import type { Placed } from "../event/part.ts";
import {
  checkRedaction,
  keptText,
  type RedactedContent,
  redactedEvent,
  redactedKey,
  redactedMetadata,
  storedRedactionOf,
  wantedEvent,
} from "../event/redaction.ts";
import { REDACT_OPTIONS, type RedactOptions, type RedactReply } from "../protocol/redaction.ts";
import { findEvent, noSuchEvent } from "../reading/find_event.ts";
import type { ActOptions } from "../event/audit.ts";
import { audited } from "../state/audited.ts";
import { MemoryState } from "../state/memory.ts";
import { ALL_OF_ID, type EventIdentity, RedactedEvents } from "../state/redactions.ts";
import type { Scheduler, WaitingEvent } from "../state/scheduler.ts";
import type { ActOn } from "../state/shared_act.ts";
import type {
  RedactionRecord,
  RetryRecord,
  State,
  StateChange,
  StateSnapshot,
} from "../state/state.ts";
import { pagesOf } from "../reading/shared_pages.ts";
import { storedOfLine } from "../store/file/lines.ts";
import { MemoryEventStore } from "../store/memory.ts";
import { canRedact, type JournalStore } from "../store/store.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { BrokerOptions } from "./broker_options.ts";

/** What a redactor needs. */
export interface RedactorContext {
  store: JournalStore;
  state: State;
  clock: Clock;
  topics: TopicCatalog;
  subscriptions: SubscriptionManager;
  scheduled: Scheduler;
  /** Shared with the deliveries. */
  redacted: RedactedEvents;
  /** The application's own queue for dead letters. */
  queue?: DeadLetterQueue | undefined;
  onError(error: unknown, context: string): void;
}

/** The redacted events that a state knows: not all, if the events are kept and the state is not. */
export function redactedEventsOf(
  { redactions }: Pick<StateSnapshot, "redactions">,
  { state, eventStore, stores }: BrokerOptions,
): RedactedEvents {
  const isKept = state !== undefined && !(state instanceof MemoryState);
  const inMemory = eventStore === undefined || eventStore instanceof MemoryEventStore;
  return new RedactedEvents(redactions, { areAll: isKept || (inMemory && stores === undefined) });
}

/** Redacts events, one at a time. */
export class Redactor {
  readonly #context: RedactorContext;
  #last: Promise<unknown> = Promise.resolve();
  /** The redaction that is under way. */
  #current: RedactionRecord | undefined;

  constructor(context: RedactorContext) {
    this.#context = context;
  }

  /** Redactions that are not finished and not under way: they failed, or were interrupted. */
  get unfinished(): RedactionRecord[] {
    const current = this.#current;
    return this.#context.redacted.unfinished().filter(({ topic, seq, id }) =>
      topic !== current?.topic || seq !== current.seq || id !== current.id
    );
  }

  /** Other nodes have redacted these, or are at it: they are not delivered here, either. */
  learn(records: readonly RedactionRecord[]): void {
    for (const record of records) this.#context.redacted.put(record);
  }

  /** False if no event of the topic was redacted. */
  mayHave(topic: string): boolean {
    return this.#context.redacted.mayHave(topic);
  }

  /**
   * Redacts the event with this seq or id; durable, and without a trace of it, when it resolves.
   * Rejects with `NotFoundError`, `UnsupportedError` (a store that cannot), or `CannotStoreError`:
   * then the same again goes on.
   */
  redact(
    topic: string,
    event: number | string,
    options: RedactOptions = {},
    how: ActOptions = {},
  ): Promise<RedactReply> {
    return this.#inTurn(() => this.#redact(topic, wantedEvent(event), { options, ...how }));
  }

  /**
   * Records that an event was redacted which the broker does not have: an older backup may have it.
   * Durable when it resolves.
   */
  record(
    topic: string,
    id: string,
    options: RedactOptions = {},
    how: ActOptions = {},
  ): Promise<RedactReply> {
    return this.#inTurn(async () => {
      const { state, redacted } = this.#context;
      const record = { ...this.#recordOf({ topic, seq: 0, id }, options), done: true };
      await state.commit([{ op: "redaction.put", record }, ...auditedRedaction(record, how)]);
      redacted.put(record);
      return replyOf(record, { created: true });
    });
  }

  /** What the events of a key have as their key: those that were redacted have its digest. */
  async keysOf(topic: string, key: string): Promise<string[]> {
    return this.#context.redacted.has(topic) ? [key, await redactedKey(topic, key)] : [key];
  }

  /** Finishes what was interrupted; what cannot be finished is reported, and stays unfinished. */
  async finish(): Promise<void> {
    for (const record of this.unfinished) {
      try {
        await this.#inTurn(() => this.#execute(record));
      } catch (error) {
        const { topic, seq } = record;
        this.#context.onError(error, `the redaction of ${topic} ${seq}, which is not finished`);
      }
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {}); // the caller gets the error
    return done;
  }

  async #redact(
    topic: string,
    wanted: string,
    how: ActOptions & { options: RedactOptions },
  ): Promise<RedactReply> {
    const { options } = how;
    refuseUnknown(options, { of: "redact", known: REDACT_OPTIONS });
    checkRedaction(options);
    const { store, topics, redacted, state, scheduled } = this.#context;
    topics.require(topic);
    const item = await scheduled.find(topic, wanted);
    if (!item && !canRedact(store, topic)) throw cannot(topic);
    if (store.refresh) await store.refresh([topic]);
    const found = await this.#find(topic, wanted);
    // One that is just being published has its record after that.
    if (found && found.id !== wanted) await scheduled.find(topic, found.id);
    const before = found && redacted.of(found);
    // An id may be scheduled that was published before the store forgot ids.
    if (item && (!found || before?.done)) return await this.#redactScheduled(item, how);
    if (!found) throw noSuchEvent(store, topic, wanted);
    if (before?.done) {
      const scheduledBefore = redacted.get({ ...found, seq: 0 });
      if (scheduledBefore?.done === false) await this.#execute(scheduledBefore);
      return replyOf(before, { created: false });
    }
    const record = before ?? this.#recordOf(found, options);
    if (!before) {
      await state.commit([{ op: "redaction.put", record }, ...auditedRedaction(record, how)]);
    }
    redacted.put(record);
    return await this.#execute(record);
  }

  #recordOf(
    { topic, seq, id }: EventIdentity,
    options: Pick<RedactOptions, "by" | "reason">,
  ): RedactionRecord {
    const at = Math.round(this.#context.clock.now());
    const [by, reason] = [keptText(options.by), keptText(options.reason)];
    return { topic, seq, id, at, ...defined({ by, reason }), done: false };
  }

  /**
   * What waits is replaced together with the intent, and is published as that when it is due: so its
   * id stays known, and a publisher that tries again stores nothing.
   */
  async #redactScheduled(
    item: WaitingEvent,
    how: ActOptions & { options: RedactOptions },
  ): Promise<RedactReply> {
    const { scheduled, redacted } = this.#context;
    const identity = { topic: item.topic, seq: 0, id: item.id };
    const before = item.redacted ? redacted.get(identity) : undefined;
    if (before?.done) return replyOf(before, { created: false });
    const reply = await scheduled.hold(item, async () => {
      const record = before ?? this.#recordOf(identity, how.options);
      if (!before) {
        const { event } = await redactedBy(record, await scheduled.contentOf(item));
        const also = auditedRedaction(record, how);
        await scheduled.redact(item, {
          event,
          changes: [{ op: "redaction.put", record }, ...also],
        });
        redacted.put(record);
      }
      return await this.#execute(record);
    });
    // Else it was published or cancelled meanwhile.
    return reply ?? await this.#redact(item.topic, item.id, how);
  }

  async #execute(record: RedactionRecord): Promise<RedactReply> {
    const { state, redacted } = this.#context;
    this.#current = record;
    try {
      const counts = await this.#redactEverywhere(record);
      const done = { ...record, done: true };
      await state.commit([{ op: "redaction.put", record: done }]);
      redacted.put(done);
      return replyOf(done, { created: true, ...counts });
    } finally {
      this.#current = undefined;
    }
  }

  /** Replaces the event in every place that keeps it, and removes what it said from their files. */
  async #redactEverywhere(
    record: RedactionRecord,
  ): Promise<Pick<RedactReply, "deadLetters" | "undelivered">> {
    const { store, state } = this.#context;
    const { topic, seq, id } = record;
    const read = store.readPage(topic, { from: seq, to: seq, limit: 1 });
    const { events: [stored] } = isPromise(read) ? await read : read;
    const isStored = stored?.id === id;
    const copies = isStored ? [] : await this.#copiesOf(record);
    const found = isStored ? stored : copies.find((copy) => copy.seq === seq);
    let counts = { deadLetters: 0, undelivered: 0 };
    let content: RedactedContent = { metadata: redactedMetadata(record) };
    let redacted: StoredEvent | undefined;
    let of: readonly Placed[] | undefined;
    if (found) {
      const { event, content: replaced } = await redactedBy(record, found);
      [redacted, content] = [event, replaced];
      of = placesOf(found);
      counts = await this.#redactState(event, { isStored, of });
    }
    // Also where retention has deleted it: then its files may still have its bytes.
    if (canRedact(store, topic)) await store.redact!(topic, { seq, id, ...content });
    pagesOf(store).forget(topic);
    // Until then another node may have read it again as it was.
    if (redacted && state.transact) await this.#commitOn(redacted, of);
    await state.scrub?.();
    return counts;
  }

  /**
   * Dead letters come first, so that none of them returns to a queue as it was, and once more after
   * the queues, whose handlers may have added some.
   */
  async #redactState(
    event: StoredEvent,
    { isStored, of }: { isStored: boolean; of: readonly Placed[] | undefined },
  ): Promise<{ deadLetters: number; undelivered: number }> {
    const { state, subscriptions } = this.#context;
    const { topic, id } = event;
    await this.#commitOn(event, of);
    let undelivered = 0;
    for (const driver of subscriptions.of(topic)) {
      if (driver.closed) continue;
      const redacting = driver.plan(() => {
        driver.look();
        return planRedacted(driver.queue, event, { isStored });
      });
      // A subscription that is removed meanwhile has nothing left of it.
      const isPending = await redacting.catch((error) => {
        if (error instanceof NotFoundError) return false;
        throw error;
      });
      if (isPending) undelivered++;
    }
    await this.#commitOn(event, of);
    await this.#redactQueue(event);
    return { deadLetters: await state.countDeadLetters({ ids: [id], topic }), undelivered };
  }

  /**
   * Replaces what dead letters and retries say. Where other nodes deliver the topic, too, the part
   * of the event is taken from its owners: what they have leased or read of it is no row that could
   * be replaced, and would be stored again as it was when it fails. Without `of`, all parts are.
   */
  async #commitOn(event: StoredEvent, of: readonly Placed[] | undefined): Promise<void> {
    const { state, subscriptions } = this.#context;
    const { topic, seq, id, key } = event;
    const line = toWireLine(event);
    const change: StateChange = { op: "event.redact", topic, seq, id, key, line };
    const { transact } = state;
    if (!transact) return await state.commit([change]);
    const on = subscriptions.of(topic).filter(({ ledger }) => ledger.lasts)
      .map(({ record: { name } }): ActOn => ({
        subscription: name,
        ...defined({ of }),
        seize: true,
      }));
    await transact({ on, decide: () => ({ changes: [change], result: undefined }) });
  }

  /** The application's own queue may not be able to: then it is said what is left there. */
  async #redactQueue(event: StoredEvent): Promise<void> {
    const { queue, onError } = this.#context;
    if (!queue) return;
    if (queue.redact) return await queue.redact(toEvent(event));
    const { topic, id } = event;
    const entries = await queue.getEvents({ topic });
    if (!entries.some((entry) => entry.event.id === id)) return;
    const error = new UnsupportedError(
      `the dead-letter queue still has ${id} of ${topic} as it was`,
      {
        hint: `give the queue a method \`redact\`, or remove it there: removeEvent("${id}")`,
        details: { topic, id },
      },
    );
    onError(error, `the redaction of ${topic} ${event.seq}`);
  }

  /** An id may be that of several events: those that are not redacted come first. */
  async #find(topic: string, wanted: string): Promise<StoredEvent | undefined> {
    const { store, redacted } = this.#context;
    const stored = await findEvent(store, topic, wanted);
    if (stored && (stored.id !== wanted || !redacted.of(stored)?.done)) return stored;
    const copies = await this.#copiesOf({ topic, id: wanted });
    return copies.find((copy) => !redacted.of(copy)?.done) ?? stored ?? copies[0];
  }

  /**
   * Copies of events that the topic may no longer have: those of dead letters and of retries. Both
   * are read while nothing of any subscription is committed: otherwise one that becomes the other in
   * between would be in neither, and a redaction that does not find it would count as done.
   */
  #copiesOf({ topic, id }: { topic: string; id: string }): Promise<StoredEvent[]> {
    const { state, subscriptions } = this.#context;
    const names = (drivers: readonly SubscriptionDriver[]) => drivers.map((one) => one.record.name);
    const copies = async (
      rows: Pick<State, "deadLetters">,
      retryOf: (driver: SubscriptionDriver) => MaybePromise<RetryRecord | undefined>,
    ) => {
      const { records } = await rows.deadLetters({ ids: [id], topic }, { limit: ALL_OF_ID });
      const retries = await allReady(subscriptions.of(topic).map(retryOf));
      return [...records, ...retries].flatMap((record) => record ? storedOfLine(record.line) : [])
        .filter((event) => event.id === id);
    };
    const retryOf = ({ ledger }: SubscriptionDriver) => ledger.retry(topic, id);
    const all = subscriptions.all();
    const { transact } = state;
    if (!transact) return holdingAll(names(all), subscriptions, () => copies(state, retryOf));
    // No parts of them change, but their owners wait.
    const on = names(all.filter(({ ledger }) => ledger.lasts))
      .map((subscription): ActOn => ({ subscription, of: [] }));
    return transact({
      on,
      decide: async (rows) => {
        const retryIn = (driver: SubscriptionDriver) =>
          driver.ledger.lasts ? rows.retry(driver.record.name, topic, id) : retryOf(driver);
        return { changes: [], result: await copies(rows, retryIn) };
      },
    });
  }
}

function auditedRedaction(
  { topic, seq, id, by, reason }: RedactionRecord,
  { act }: ActOptions,
): StateChange[] {
  return audited(act, { act: "event.redact", topic, details: { seq, id, by, reason } });
}

function replyOf(
  { topic, seq, id, at, by, reason }: RedactionRecord,
  { created, deadLetters = 0, undelivered = 0 }:
    & Pick<RedactReply, "created">
    & Partial<RedactReply>,
): RedactReply {
  return { topic, seq, id, at, ...defined({ by, reason }), created, deadLetters, undelivered };
}

/**
 * What the part of an event follows from; undefined if nobody knows: an earlier process has replaced
 * the key, and it keeps the part that it had.
 */
function placesOf(found: StoredEvent): readonly Placed[] | undefined {
  const { seq, key } = found;
  return key !== undefined && storedRedactionOf(found) ? undefined : [{ seq, ...defined({ key }) }];
}

/** The event as the redaction leaves it, and what replaces its content. */
async function redactedBy(
  record: RedactionRecord,
  event: StoredEvent,
): Promise<{ event: StoredEvent; content: RedactedContent }> {
  const { topic } = record;
  const key = event.key === undefined ? undefined : await redactedKey(topic, event.key);
  const content = { metadata: redactedMetadata(record), ...defined({ key }) };
  return { event: redactedEvent(event, content), content };
}

function cannot(topic: string): UnsupportedError {
  return new UnsupportedError(
    `the store of ${topic} cannot replace an event that it has; nothing was redacted`,
    {
      hint: "use a store that has `redact`, such as SqliteEventStore or FileEventStore",
      details: { topic },
    },
  );
}
