/**
 * Events that are published later (`schedule`).
 *
 * A scheduled event is a row of the state with a fixed id. When it is due, it is appended as if its
 * publisher had given the id, and then its row is removed: whatever happens in between, the next
 * attempt is a repeat that the store recognizes. An event that was due longer ago than a store
 * remembers ids is looked for before it is appended.
 *
 * A delay counts on the monotonic clock, so that a wall clock that jumps neither delays nor hastens
 * it; the row follows such jumps, because after a restart there is only the wall clock to go by. A
 * named time follows the wall clock, which is therefore looked at every minute.
 */
import { defined } from "../base/defined.ts";
import { isPromise, type MaybePromise, whenReady } from "../base/maybe_promise.ts";
import { type NewEvent, type StoredEvent, storedEvent, toWireLine } from "../event/event.ts";
import { storedRedactionOf } from "../event/redaction.ts";
import type { Schedule } from "../event/schedule.ts";
import { contentIn } from "../state/scheduled_row.ts";
import type { Acceptance, Scheduler, WaitingEvent, WaitingPage } from "../state/scheduler.ts";
import type { ScheduledRecord, StateChange, StateSnapshot } from "../state/state.ts";
import { DEFAULT_DEDUP_WINDOW_MS } from "../store/dedup.ts";
import { type Clocks, DueList, type ScheduledItem, scheduledItemOf } from "./due_list.ts";
import { nextWait, publishEach } from "./publish_again.ts";
import { publishNow } from "./publish_now.ts";
import { findPublished, seqsOf } from "./published_before.ts";
import { type Leaving, takeDue } from "./take_due.ts";
import type { ScheduledEventsContext } from "./scheduled_context.ts";
import { assertStored } from "./expectation.ts";
import { pageOf } from "./waiting_page.ts";
import type { WaitingIds } from "./waiting_ids.ts";

/** The wall clock is looked at this often while something waits, ms. */
const LOOK_AGAIN_MS = 60_000;
/** The smallest step of the wall clock that the rows follow, ms. */
const STEP_MS = 1000;
/** Keeps scheduled events and publishes them when they are due. */
export class ScheduledEvents implements Scheduler {
  readonly #context: ScheduledEventsContext;
  readonly #dedupWindow: number;
  readonly #ids: WaitingIds;
  readonly #due = new DueList();
  /** Those that may have been published longer ago than the store remembers ids. */
  readonly #doubtful = new Set<ScheduledItem>();
  /** Being accepted, by topic and id. */
  readonly #accepting = new Map<string, Promise<unknown>>();
  /** Held or being cancelled, until this resolves. */
  readonly #held = new Map<ScheduledItem, Promise<void>>();
  /** Being published. */
  readonly #leaving = new Set<ScheduledItem>();
  #lastNumber = 0;
  /** How far the wall clock was ahead of the monotonic one when last looked at, ms. */
  #ahead: number;
  #timer: { at: number; cancel(): void } | undefined;
  #publishing: Promise<void> | undefined;
  /** Ends when those in {@link #leaving} have been published, or have not. */
  #left: Promise<unknown> = Promise.resolve();
  /** The wait after the state could not be read, ms; 0 if it could. */
  #retryMs = 0;
  /** The last wait of each topic whose events could not be stored, ms. */
  readonly #waits = new Map<string, number>();
  #isStarted = false;
  #isClosed = false;

  constructor(
    context: ScheduledEventsContext,
    { scheduled = [] }: Partial<Pick<StateSnapshot, "scheduled">>,
  ) {
    this.#context = context;
    this.#ids = context.writer.waiting;
    this.#dedupWindow = context.dedupWindow ?? DEFAULT_DEDUP_WINDOW_MS;
    const now = this.#now();
    this.#ahead = now.wall - now.mono;
    this.#due.addAll(scheduled.map((record) => this.#load(record, now)));
    if (scheduled.some(({ dueAt, waitMs = Infinity }) => dueAt > now.wall + waitMs)) {
      void this.#commit([{ op: "scheduled.clamp", now: now.wall }]);
    }
    context.topics.onRemove((topic) => {
      const items = new Set(this.#ids.of(topic)?.values());
      this.#due.removeAll(items);
      this.#waits.delete(topic);
      for (const item of items) this.#forget(item);
    });
  }

  start(): void {
    this.#isStarted = true;
    this.#arm();
  }

  #load(record: Omit<ScheduledRecord, "line">, now: Clocks): ScheduledItem {
    const { topic, id, number, waitMs } = record;
    // Below 0 if it is overdue: the order stays.
    const left = Math.min(record.dueAt - now.wall, waitMs ?? Infinity);
    const item: ScheduledItem = waitMs === undefined
      ? { ...record }
      : { ...record, dueAt: now.wall + left, dueMono: now.mono + left };
    if (record.dueAt <= now.wall - this.#dedupWindow / 2) this.#doubtful.add(item);
    this.#lastNumber = Math.max(this.#lastNumber, number);
    this.#ids.add(topic, id, item);
    if (record.redacted) this.#context.redacted.expect(record);
    return item;
  }

  get size(): number {
    return this.#ids.size;
  }

  page(page: WaitingPage): { items: WaitingEvent[]; total: number } {
    return pageOf(this.#ids.all(), page);
  }

  async accept(
    topic: string,
    event: NewEvent,
    { schedule, stamped }: { schedule: Schedule; stamped: boolean },
  ): Promise<Acceptance> {
    const name = `${topic}\n${event.id}`;
    // Whatever becomes of the other one, this one is decided after it.
    for (let other; (other = this.#accepting.get(name));) await other.catch(() => {});
    const waits = this.#ids.of(topic)?.get(event.id);
    if (waits !== undefined) return { dueAt: waits.dueAt, seq: 0, duplicate: true };
    const work = this.#accept(topic, event, { schedule, stamped });
    this.#accepting.set(name, work);
    return await work.finally(() => this.#accepting.delete(name));
  }

  async #accept(
    topic: string,
    event: NewEvent,
    { schedule, stamped }: { schedule: Schedule; stamped: boolean },
  ): Promise<Acceptance> {
    const { topics, store } = this.#context;
    const now = this.#now();
    const dueAt = schedule.at ?? now.wall + schedule.delayMs;
    if (dueAt <= now.wall) {
      const past = schedule.at === undefined ? {} : { past: true as const };
      return { ...await publishNow(this.#context, topic, event), ...past };
    }
    return await topics.locks.share(topic, async () => {
      await topics.ensure(topic);
      // Before the id is looked for: what is stored while that is under way is looked for later.
      const { lastSeq: afterSeq } = store.head(topic);
      const found = event.idGiven ? store.find(topic, event.id) : undefined;
      const known = isPromise(found) ? await found : found;
      if (known !== undefined && known.timestamp > now.wall - this.#dedupWindow) {
        return { seq: known.seq, duplicate: true };
      }
      const number = ++this.#lastNumber;
      const item = scheduledItemOf(event, {
        number,
        topic,
        schedule,
        now,
        dueAt,
        afterSeq,
        stamped,
      });
      return await this.#put(item, event).then(() => ({ dueAt, seq: 0 }));
    });
  }

  async #put(item: ScheduledItem, event: NewEvent): Promise<void> {
    const { dueMono: _dueMono, ...record } = item;
    const line = toWireLine(storedEvent(event, { topic: item.topic, seq: 0 }));
    await this.#store([...this.#followClock(), {
      op: "scheduled.put",
      record: { ...record, line },
    }]);
    this.#ids.add(item.topic, item.id, item);
    this.#due.add(item);
    this.#arm();
  }

  /** Those that are being published are not waiting any more. */
  async cancel(
    { ids, topic }: { ids: readonly string[]; topic?: string | undefined },
    also: (count: number) => readonly StateChange[],
  ): Promise<{ count: number; missing: string[] }> {
    const missing = new Set(ids);
    const chosen = [...this.#ids.all()].filter((item) =>
      missing.has(item.id) && (topic === undefined || item.topic === topic) && this.waits(item)
    );
    for (const { id } of chosen) missing.delete(id);
    if (missing.size > 0) return { count: 0, missing: [...missing] };
    await this.#inTurn(chosen, () => this.#cancel(chosen, also(chosen.length)));
    return { count: chosen.length, missing: [] };
  }

  async #cancel(items: readonly ScheduledItem[], also: readonly StateChange[]): Promise<void> {
    const still = items.filter((item) => this.waits(item));
    // Not due while this is being written down.
    for (const item of still) this.#due.remove(item);
    try {
      const numbers = still.map(({ number }) => number);
      await this.#context.state.commit([{ op: "scheduled.remove", numbers }, ...also]);
    } catch (error) {
      for (const item of still) this.#due.add(item);
      throw error;
    } finally {
      this.#arm();
    }
    for (const item of still) this.#forget(item);
  }

  /** True if it can still be given up. */
  waits(item: ScheduledItem): boolean {
    return !this.#leaving.has(item) && this.#ids.has(item);
  }

  /** The event that waits under this id, after it has left if it is just being published. */
  async find(topic: string, id: string): Promise<ScheduledItem | undefined> {
    const item = this.#ids.of(topic)?.get(id);
    while (item && this.#leaving.has(item)) await this.#left;
    return item && this.waits(item) ? item : undefined;
  }

  contentOf(item: ScheduledItem): MaybePromise<StoredEvent> {
    return whenReady(
      this.#context.state.scheduledLine(item.number),
      (line) => contentIn(line ?? new Uint8Array(), item),
    );
  }

  /**
   * Runs `work` while the event cannot be published or cancelled, so that what is read of it is
   * there; undefined if it does not wait any more.
   */
  hold<T>(item: ScheduledItem, work: () => Promise<T>): Promise<T | undefined> {
    return this.#inTurn([item], () => this.#hold(item, work));
  }

  /** Runs `work` when nobody else holds or cancels any of these. */
  async #inTurn<T>(items: readonly ScheduledItem[], work: () => Promise<T>): Promise<T> {
    const isHeld = (item: ScheduledItem) => this.#held.has(item);
    for (let item; (item = items.find(isHeld));) await this.#held.get(item);
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const item of items) this.#held.set(item, promise);
    try {
      return await work();
    } finally {
      for (const item of items) this.#held.delete(item);
      resolve();
    }
  }

  async #hold<T>(item: ScheduledItem, work: () => Promise<T>): Promise<T | undefined> {
    if (!this.waits(item)) return undefined;
    this.#due.remove(item);
    try {
      return await work();
    } finally {
      if (this.waits(item)) this.#due.add(item);
      this.#arm();
    }
  }

  async redact(
    item: ScheduledItem,
    { event, changes }: { event: StoredEvent; changes: readonly StateChange[] },
  ): Promise<void> {
    const { state, redacted } = this.#context;
    const { number } = item;
    const { key } = event;
    const line = toWireLine(event);
    await state.commit([...changes, { op: "scheduled.redact", number, key, line }]);
    delete item.key;
    Object.assign(item, defined({ key }), { redacted: true });
    if (this.waits(item)) redacted.expect(item);
  }

  /** Stops publishing, waits for what is under way, and stores how the clocks stand. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await Promise.allSettled(this.#accepting.values());
    await this.#publishing;
    await this.#commit([...this.#followClock(), ...this.#context.expiry.changes()]);
  }

  #forget(item: ScheduledItem): void {
    this.#due.remove(item);
    this.#doubtful.delete(item);
    // Its topic may have been removed meanwhile: then its id may be that of a later one.
    if (!this.#ids.has(item)) return;
    this.#ids.delete(item.topic, item.id);
    if (item.redacted) this.#context.redacted.expectNoMore(item);
  }

  #now(): Clocks {
    const { clock } = this.#context;
    return { wall: clock.now(), mono: clock.monotonic() };
  }

  /** The change that lets the rows follow a step of the wall clock, if there was one. */
  #followClock(): StateChange[] {
    const now = this.#now();
    const byMs = now.wall - now.mono - this.#ahead;
    if (Math.abs(byMs) < STEP_MS) return [];
    this.#shift(byMs);
    return this.#due.delays.length === 0 ? [] : [{ op: "scheduled.shift", byMs }];
  }

  #shift(byMs: number): void {
    this.#ahead += byMs;
    for (const item of this.#due.delays) item.dueAt += byMs;
  }

  /** Commits changes. A step of the clock that is refused is found again at the next look. */
  async #store(changes: readonly StateChange[]): Promise<void> {
    try {
      await this.#context.state.commit(changes);
    } catch (error) {
      for (const change of changes) if (change.op === "scheduled.shift") this.#shift(-change.byMs);
      throw error;
    }
  }

  /** Never rejects. */
  async #commit(changes: readonly StateChange[]): Promise<void> {
    if (changes.length === 0) return;
    try {
      await this.#store(changes);
    } catch (error) {
      this.#context.onError(error, "scheduled events");
    }
  }

  /** Sets the timer for the next event, or for the next look at the clock. */
  #arm(): void {
    if (!this.#isStarted || this.#isClosed || this.#publishing !== undefined) return;
    const now = this.#now();
    const left = Math.max(this.#due.left(now), this.#retryMs);
    const at = left === Infinity ? Infinity : now.mono + Math.max(0, Math.min(left, LOOK_AGAIN_MS));
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    if (at === Infinity) return;
    const cancel = this.#context.clock.setTimer(() => {
      this.#timer = undefined;
      void this.#commit(this.#followClock());
      // A pass with nothing to do ends at once: what follows it must not come before this.
      this.#publishing = this.#publishDue().then(() => {
        this.#publishing = undefined;
        this.#arm();
      });
    }, at - now.mono);
    this.#timer = { at, cancel };
  }

  /** Never rejects. */
  async #publishDue(): Promise<void> {
    try {
      for (let isMore = true; isMore && !this.#isClosed;) {
        const due = this.#takeDue();
        if (!isPromise(due) && due.length === 0) break;
        const leaving = isPromise(due) ? due.then((due) => this.#leave(due)) : this.#leave(due);
        this.#left = leaving.catch(() => {}); // reported below
        isMore = await leaving;
      }
      this.#retryMs = 0;
    } catch (error) {
      if (this.#retryMs === 0) this.#context.onError(error, "publishing scheduled events");
      this.#retryMs = nextWait(this.#retryMs);
    }
  }

  #takeDue(): MaybePromise<Leaving[]> {
    const context = {
      ...this.#context,
      due: this.#due,
      leaving: this.#leaving,
      isKnown: (item: ScheduledItem) => this.#ids.has(item),
    };
    return takeDue(context, () => this.#now());
  }

  /**
   * Publishes them. A topic that takes none is tried again by itself, and one that is being removed
   * when that is over; the others go on. False if there was none.
   */
  async #leave(due: readonly Leaving[]): Promise<boolean> {
    const groups = [...Map.groupBy(due, ({ item }) => item.topic)];
    const outcomes = await publishEach(groups.map(([, group]) => () => this.#publish(group)), {
      apart: groups.some(([topic]) => this.#waits.has(topic)),
    });
    for (const { item } of due) this.#leaving.delete(item);
    for (const [i, outcome] of outcomes.entries()) {
      const [topic, group] = groups[i]!;
      if (outcome.status === "rejected") {
        this.#refused(topic, { group, error: outcome.reason });
        continue;
      }
      this.#waits.delete(topic);
      if (!outcome.value) this.#putAside(topic, group);
      else for (const { item } of group) this.#forget(item);
    }
    return due.length > 0;
  }

  /** Until nobody has the topic alone any more. */
  #putAside(topic: string, group: readonly { item: ScheduledItem }[]): void {
    const items = group.map(({ item }) => item).filter((item) => this.waits(item));
    this.#due.putAside(topic, items, Infinity);
    const goOn = () => {
      this.#due.bringBack(topic);
      this.#arm();
    };
    void (this.#context.topics.locks.held(topic) ?? Promise.resolve()).then(goOn);
  }

  /** Reported once, until the topic takes events again. */
  #refused(
    topic: string,
    { group, error }: { group: readonly { item: ScheduledItem }[]; error: unknown },
  ): void {
    const last = this.#waits.get(topic) ?? 0;
    if (last === 0) this.#context.onError(error, `publishing scheduled events of ${topic}`);
    const items = group.map(({ item }) => item).filter((item) => this.waits(item));
    // The topic may have been removed meanwhile.
    if (items.length === 0) return void this.#waits.delete(topic);
    this.#waits.set(topic, nextWait(last));
    this.#due.putAside(topic, items, this.#now().mono + nextWait(last));
  }

  /**
   * Publishes events of one topic and removes their rows. False if somebody has the topic alone: all
   * others would wait for that, too.
   */
  async #publish(group: readonly Leaving[]): Promise<boolean> {
    const { state, store, topics, writer } = this.#context;
    const { topic } = group[0]!.item;
    const remove = (more: StateChange[] = []) => {
      const numbers = group.map(({ item }) => item.number);
      return state.commit([{ op: "scheduled.remove", numbers }, ...more]);
    };
    // What nobody stores would not be recognized as a repeat.
    const isStored = topics.get(topic)?.options.persistent !== false;
    if (topics.locks.held(topic)) return false;
    if (!isStored) await remove();
    const doubtful = group.flatMap(({ item }) => this.#doubtful.has(item) ? [item] : []);
    const seqs = await findPublished(store, topic, isStored ? doubtful : []);
    // What its topic's removal takes along is not published to a new one.
    if (isStored && topics.locks.held(topic)) return false;
    // Where nothing is stored, publishing is delivering.
    const rest = group.filter(({ item }) =>
      this.#ids.has(item) && !seqs.has(item) && (isStored || !item.redacted)
    );
    const events = rest.map(({ event }) => event);
    if (events.length > 0) {
      const outcome = assertStored(topic, await writer.appendAll({ topic, events }));
      for (const [i, seq] of seqsOf(events.length, outcome).entries()) seqs.set(rest[i]!.item, seq);
    }
    for (const { item } of group) this.#doubtful.delete(item);
    if (isStored) await remove(group.flatMap((one) => this.#recordOf(one, seqs)));
    return true;
  }

  /** The redaction under the seq that the event has now; nothing if it was not redacted. */
  #recordOf(
    { item, event }: Leaving,
    seqs: ReadonlyMap<ScheduledItem, number>,
  ): StateChange[] {
    const { topic, id, afterSeq } = item;
    const seq = seqs.get(item) ?? 0;
    const redaction = storedRedactionOf(event);
    if (!item.redacted || redaction === undefined || seq <= afterSeq) return [];
    const record = { ...redaction, topic, seq, id, done: true };
    this.#context.redacted.put(record);
    return [{ op: "redaction.put", record }];
  }
}
