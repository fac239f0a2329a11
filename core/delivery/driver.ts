/**
 * Drives one {@link DeliveryQueue}: reads pages for it while a consumer waits, runs its timers, and
 * commits its plans one at a time. Acks that arrive during a commit share the next one. While
 * nobody asks for events, nothing is read and no retry timer runs.
 */
import { ClosedError, type EvsError } from "../base/errors.ts";
import { isPromise, type MaybePromise } from "../base/maybe_promise.ts";
import type { Event, NewEvent, StoredEvent } from "../event/event.ts";
import type { SubscriptionRecord } from "../state/state.ts";
import type { Commit } from "../store/journal.ts";
import { BegunDeliveries } from "./begun_deliveries.ts";
import { Committer, type Ledger } from "./committer.ts";
import type { DriverContext } from "./driver_context.ts";
import { DriverShare } from "./driver_share.ts";
import { Deliverable } from "./deliverable.ts";
import { ExpiredLeases } from "./expired_leases.ts";
import { FlushTimer } from "./flush_timer.ts";
import { type LeaseWait, type Waiter, Waiters } from "./lease_wait.ts";
import { PageReader } from "./page_reader.ts";
import { fitsWindow, PAGES_A_TURN, wantedOf, wantsType, WINDOW } from "./read_window.ts";
import { newToken } from "./tokens.ts";
import { withLateRecords } from "./late_records.ts";
import { finishedIn } from "./progress.ts";
import type { Now } from "./entry.ts";
import type { Lease } from "./leases.ts";
import { type Outcome, type Plan, planFlush, planSettle, type Settlement } from "./plan.ts";
import { DeliveryQueue, type LeaseOrder, type QueueStart } from "./queue.ts";
import { ReadAhead } from "./read_ahead.ts";
import { WakeTimer } from "./wake_timer.ts";
import { isProcessed, processedAnywhere, Watches } from "./watches.ts";

/** Drives one subscription. */
export class SubscriptionDriver {
  record: SubscriptionRecord;
  readonly queue: DeliveryQueue;
  readonly #context: DriverContext;
  readonly #reader: PageReader;
  readonly #waiters: Waiters;
  readonly #watches = new Watches();
  readonly #committer: Committer;
  readonly #ahead = new ReadAhead({
    lacks: (events) => this.queue.ready.buffered < events && this.#reader.canRead,
    read: () => this.#reader.readPage(),
    failed: (error) => this.#readFailed(error),
  });
  #reading = false;
  /** Tracks what handlers have begun, and what to do if nobody answers. */
  readonly begun: BegunDeliveries;
  readonly deliverable: Deliverable;
  readonly #timer: WakeTimer;
  readonly #expired: ExpiredLeases;
  readonly #flushTimer: FlushTimer;
  /** Undefined: all of the subscription is delivered here. */
  readonly #share: DriverShare | undefined;
  /** The epoch of the claim of a part; undefined where the subscription is not divided. */
  epochOf = (part: number): number | undefined => this.#share?.epochOf(part);
  #closed = false;

  constructor(
    record: SubscriptionRecord,
    start: Omit<QueueStart, "name" | "settings">,
    context: DriverContext,
  ) {
    this.record = record;
    this.#context = context;
    this.#waiters = new Waiters(context.clock);
    this.#timer = new WakeTimer(context.clock, {
      woken: (mayExpire) => {
        if (mayExpire) this.#expired.end();
        this.serve();
      },
      stood: (ms) => {
        this.queue.ready.extendAll(ms);
        this.#arm();
      },
    });
    this.queue = new DeliveryQueue(
      { ...start, name: record.name, settings: record.settings },
      this.now(),
    );
    this.#reader = new PageReader({
      store: context.store,
      queue: this.queue,
      skipped: () => this.#flushTimer.soon(),
      ended: () => this.serve(),
      failed: (error) => this.#lateReadFailed(error),
    });
    this.deliverable = new Deliverable({
      ...context,
      queue: this.queue,
      plan: (make) => this.plan(make),
      isDivided: context.coordinator !== undefined,
      changed: () => this.serve(),
    });
    this.begun = new BegunDeliveries(this, {
      ...context,
      withRecord: (lease) => this.deliverable.withRecord(lease),
      storeShared: (changes) => this.#share?.storeOf(changes),
    });
    this.#expired = new ExpiredLeases({
      ...context,
      driver: this,
      endWaits: (silent) => this.#waiters.endOf(silent),
      watched: () => this.#arm(),
    });
    this.#flushTimer = new FlushTimer(context.clock, {
      isDue: () => this.queue.dirty,
      flush: () => this.flush(),
      failed: (error) => context.onError(error, `the cursor of ${this.record.name}`),
    });
    const { coordinator, topics = () => [], clock, onError } = context;
    this.#share = coordinator &&
      new DriverShare(this, { coordinator, topics, clock, onError });
    this.#committer = this.#newCommitter(context);
  }

  #newCommitter(context: DriverContext): Committer {
    return new Committer(context.ledger, {
      settle: (items) =>
        withLateRecords(
          { queue: this.queue, ledger: context.ledger },
          items,
          (recordOf) =>
            planSettle(this.queue, items, { now: this.now(), random: context.random, recordOf }),
        ),
      begun: () => this.#ahead.begin(),
      stored: (changes) => context.progressed && finishedIn(changes).forEach(context.progressed),
      changed: () => this.serve(),
      fencing: this.#share,
    });
  }

  now(): Now {
    return { wall: this.#context.clock.now(), mono: this.#context.clock.monotonic() };
  }

  /** Sets the compiled filter; nothing is read until the promise resolves. */
  async useFilter(filter: Promise<(event: Event) => boolean> | undefined): Promise<void> {
    const ready = this.#reader.useFilter(filter);
    if (filter) await ready;
    this.serve();
  }

  /** Starts on a topic that now matches. */
  addTopic(topic: string, next: number): void {
    if (!this.queue.addTopic(topic, next)) return;
    this.#reader.add(topic);
    this.#flushTimer.soon();
  }

  /** Brings what is known of the topics up to date with what others have stored. */
  async refresh(): Promise<void> {
    await this.#reader.refresh();
  }

  /** Updates what is known of the topics: where they end, and what retention has deleted. */
  look(): void {
    for (const topic of this.queue.lanes.topics()) this.#reader.look(topic);
  }

  /** Switches to a new record: paused or resumed, or with new settings. */
  become(record: SubscriptionRecord): void {
    const before = this.record.settings;
    if (!record.paused) this.queue.breaker.reset();
    this.record = record;
    this.queue.settings = record.settings;
    if (record.settings === before) return this.serve();
    this.queue.rewind();
    this.reread();
  }

  /** The subscription was removed: nothing of it is stored any more, and whoever asks is told. */
  discard(gone: EvsError): void {
    this.queue.lanes.clear();
    this.#committer.discard(gone);
  }

  /** Rereads everything from the cursors on, because settings or cursors have changed. */
  reread(): void {
    this.#reader.readAgain();
    this.serve();
  }

  /** Makes the next lease read again. An error that a waiting caller does not get is reported. */
  #readFailed(untold?: unknown): void {
    if (untold) this.#context.onError(untold, `reading ahead for ${this.record.name}`);
    if (this.#waiters.length === 0) this.#reader.readAgain();
  }

  /** A page was to come later: all who wait for it get the error, as if they had read it. */
  #lateReadFailed(error: unknown): void {
    const waiters = [...this.#waiters];
    for (const waiter of waiters) waiter.fail(error);
    this.#readFailed(waiters.length === 0 ? error : undefined);
    this.serve();
  }

  /** Events were stored, or are ephemeral. */
  committed(commit: Commit): void {
    if (this.#closed || this.#share?.isEmpty) return;
    if (commit.ephemeral) {
      for (const event of this.#wantedOf(commit, commit.events ?? [])) {
        this.queue.feedEphemeral(event, WINDOW);
      }
    } else {
      this.addTopic(commit.topic, 1);
      for (const lane of this.queue.lanes.of(commit.topic)) {
        lane.lastSeq = Math.max(lane.lastSeq, commit.lastSeq);
      }
      if (
        commit.events && this.#waiters.length > 0 &&
        this.queue.readNextOf(commit.topic) === commit.firstSeq &&
        this.#reader.filterReady && fitsWindow(this.queue.ready, commit.events)
      ) {
        const wanted = this.#wantedOf(commit, commit.events);
        this.queue.feed(commit.topic, { events: wanted, next: commit.lastSeq + 1 });
        this.#flushTimer.soon();
      } else {
        this.#reader.add(commit.topic);
      }
    }
    this.serve();
  }

  /** True if the subscription's settings let the event through. */
  wants(event: Event): boolean {
    const { filter } = this.#reader;
    return wantsType(this.queue.settings, event.type) && (!filter || filter(event));
  }

  #wantedOf(commit: Commit, stored: readonly NewEvent[]): StoredEvent[] {
    return wantedOf(commit, stored, { settings: this.queue.settings, filter: this.#reader.filter });
  }

  /** Leases events as soon as there are some; resolves with none when the wait is over. */
  lease(order: Omit<LeaseOrder, "token">, wait: LeaseWait): Promise<Lease[]> {
    // Whoever does not wait for new events gets all that are stored now.
    const fresh = wait.waitMs > 0 && !wait.untilEmpty ? undefined : this.#reader.refresh();
    return fresh ? fresh.then(() => this.#lease(order, wait)) : this.#lease(order, wait);
  }

  #lease(order: Omit<LeaseOrder, "token">, wait: LeaseWait): Promise<Lease[]> {
    if (this.#closed) return Promise.reject(this.#gone());
    if (order.instance !== undefined) this.queue.counts.cameBack(order.instance);
    const leasing = this.#waiters.wait(order, wait, {
      serve: () => this.serve(),
      failed: () => this.#readFailed(),
    });
    return this.#share ? leasing.finally(() => this.#lookAtShare()) : leasing;
  }

  #lookAtShare(): void {
    this.#share?.look(this.#waiters.length > 0 || this.queue.leased > 0);
  }

  /** Settles deliveries; resolves when that is durable. */
  settle(items: readonly Settlement[]): Promise<Outcome[]> {
    if (this.queue.counts.hasBegun) this.queue.answer(items.map(({ lease }) => lease));
    return this.#closed ? Promise.reject(this.#gone()) : this.#committer.settle(items);
  }

  /** Commits what `make` decides when its turn comes; what it reads first, stays true. */
  plan<T>(make: () => MaybePromise<Plan<T>>): Promise<T> {
    return this.#closed ? Promise.reject(this.#gone()) : this.#committer.plan(make);
  }

  /** Commits nothing until `action` has ended. Whoever holds several takes them in name order. */
  hold<T>(action: () => Promise<T>): Promise<T> {
    return this.#closed ? Promise.reject(this.#gone()) : this.#committer.hold(action);
  }

  /** Runs `action` when none of its plans is under way; it must not wait for a commit. */
  between(action: () => MaybePromise<void>): Promise<void> {
    return this.#committer.between(action);
  }

  /** True while something is being decided or committed. */
  get isCommitting(): boolean {
    return this.#committer.busy;
  }

  /** Where its durable state is stored. */
  get ledger(): Ledger {
    return this.#context.ledger;
  }

  /** Leases events to waiting consumers, reads on, and sets the timer. Call it after each change. */
  serve(): void {
    if (this.#closed) return;
    // Undefined: all are answered. False: who is not may have nothing yet, but the next one may.
    let hungry: boolean | undefined;
    this.#trip();
    this.#lookAtShare();
    const rests = this.#rests;
    for (const waiter of this.#waiters) {
      if (waiter.isRead) continue;
      const leases = this.record.paused || this.queue.breaker.tripped || hungry || rests
        ? []
        : this.#take(waiter.order);
      if (isPromise(leases)) {
        void this.#answerWhenRead(waiter, leases);
        continue;
      }
      if (leases.length > 0 || this.#ends(waiter)) waiter.answer(leases);
      else hungry ||= !waiter.order.load?.isHeldBack;
    }
    const waits = hungry !== undefined && !this.record.paused && !rests;
    if (waits && this.#reader.canRead) this.#readOn();
    this.#arm();
    this.#watches.look();
  }

  /** Nothing may be leased now, because other nodes may deliver what is here. */
  get #rests(): boolean {
    return this.#share !== undefined && !this.#share.mayLease;
  }

  /** True if the wait is over: what it is for will not come. */
  #ends(waiter: Waiter): boolean {
    if (this.record.paused && !waiter.throughPause) return true;
    if (waiter.endsDrained && this.#context.coordinator?.draining) return true;
    // What there is may be about to come here.
    if (this.#share?.settling) return false;
    // Something that is stored may come: it is being read, or can be.
    const reads = this.#reader.busy || this.#reader.canRead || this.deliverable.busy;
    if (!waiter.waits && (this.record.paused || this.#rests || !reads)) return true;
    return waiter.untilEmpty && this.queue.drained && !this.#committer.busy &&
      !this.#reader.busy && (this.#share?.isWhole ?? true);
  }

  /** Stops leasing; the pause is stored in the background. */
  #trip(): void {
    const reason = this.queue.breaker.announce();
    if (reason === undefined) return;
    this.#context.trip(reason).catch((error) => {
      this.queue.breaker.reset();
      if (!this.#closed) this.#context.onError(error, `pausing ${this.record.name}`);
    });
  }

  #take(order: Omit<LeaseOrder, "token">): MaybePromise<Lease[]> {
    for (;;) {
      const leased = this.#leaseNow(order);
      const able = this.deliverable.of(leased);
      if (isPromise(able)) return able;
      const leases = able.filter((lease) => !this.begun.givenUp([lease]));
      if (leases.length > 0 || leased.length === 0 || !this.deliverable.goesOn) return leases;
    }
  }

  /**
   * Answers once the rows of the leased retries have come. Where nobody is to get anything by then,
   * because the caller has gone or the subscription is paused, they are released. Never rejects.
   */
  async #answerWhenRead(waiter: Waiter, coming: Promise<Lease[]>): Promise<void> {
    waiter.isRead = true;
    try {
      // What could not be read is given back: others may wait for it already.
      const read = await coming.catch((error) => this.#notRead(waiter, error));
      waiter.isRead = false;
      if (this.#closed) return;
      const isWanted = this.#waiters.includes(waiter) && !this.record.paused &&
        !this.queue.breaker.tripped && !this.#rests;
      if (!isWanted) this.queue.release(read.map(({ token }) => token).reverse());
      const leases = isWanted ? read.filter((lease) => !this.begun.givenUp([lease])) : [];
      if (leases.length > 0) waiter.answer(leases);
      this.serve();
    } catch (error) {
      this.#notRead(waiter, error);
    }
  }

  #notRead(waiter: Waiter, error: unknown): Lease[] {
    const waits = this.#waiters.includes(waiter);
    if (waits) waiter.fail(error);
    this.#readFailed(waits || this.#closed ? undefined : error);
    return [];
  }

  #leaseNow(order: Omit<LeaseOrder, "token">): Lease[] {
    let leases: Lease[] = [];
    for (let pages = 0; pages <= PAGES_A_TURN; pages++) {
      const canRead = pages < PAGES_A_TURN && this.#reader.canRead;
      if (this.queue.ready.buffered >= order.max || !canRead) {
        leases = this.queue.lease(this.now(), { ...order, token: newToken });
        // Else all that was read waits behind leased events of the same keys.
        if (leases.length > 0 || !canRead) break;
      }
      this.#reader.readPage();
    }
    this.#ahead.took(leases.length);
    const recounts = this.queue.counts.takeRecounts(this.record.name);
    if (recounts.length > 0) this.begun.note(recounts);
    return leases;
  }

  /** Releases leases without counting an attempt; see `DeliveryQueue.release`. */
  release(tokens: readonly string[]): { settled: number; lost: string[] } {
    return this.begun.release(tokens);
  }

  /**
   * The same for a consumer that asks for it. Where it waits for more, that is over: it would be
   * given what it gives back, one by one, and might be gone by then.
   */
  giveBack(tokens: readonly string[]): { settled: number; lost: string[] } {
    const { leases } = this.queue.ready;
    this.#waiters.endOf(tokens.flatMap((token) => leases.get(token) ?? []));
    return this.release(tokens);
  }

  /** Reads on in later turns, so that a filter with few matches does not stall the process. */
  #readOn(): void {
    if (this.#reading) return;
    this.#reading = true;
    setTimeout(() => {
      this.#reading = false;
      if (!this.#closed) this.serve();
    }, 0);
  }

  /**
   * Sets the single timer: for the next lease that expires and, while a consumer waits, for the
   * next retry that is due.
   */
  #arm(): void {
    const { ready } = this.queue;
    const waits = this.#waiters.length > 0 && !this.record.paused;
    this.#timer.arm({
      dueMono: waits ? ready.nextDueMono : Infinity,
      expiryMono: ready.nextExpiryMono,
    });
  }

  /** Stores what was skipped or missed. */
  flush(): Promise<void> {
    return this.plan(() => planFlush(this.queue));
  }

  /**
   * Resolves when every event of the topic up to `seq` is done or dead; rejects if the subscription
   * ends first.
   */
  whenProcessed(topic: string, seq: number, signal?: AbortSignal): Promise<void> {
    if (this.#closed) return Promise.reject(this.#gone());
    const { clock, ledger: { isProcessed: asked } } = this.#context;
    const ended = () => this.#closed ? this.#gone() : undefined;
    if (asked) return processedAnywhere(() => asked(topic, seq), { clock, signal, ended });
    const holds = () => isProcessed(this.queue, topic, seq);
    return this.#watches.wait(holds, { signal, endIsFine: false });
  }

  /** True if nothing is pending, leased, scheduled or being committed. */
  get isIdle(): boolean {
    return this.queue.drained && !this.#committer.busy && !this.#reading && !this.#reader.busy &&
      !this.#share?.settling;
  }

  /** Resolves when it is idle, or paused: then nothing more will happen. */
  idle(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return this.#watches.wait(() => this.isIdle || this.record.paused, { endIsFine: true });
  }

  /** True if the store or the state answers later: then a read may fail for a while. */
  get readsLater(): boolean {
    return this.#reader.readsLater || this.deliverable.readsLater;
  }

  /** True once it has been closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Closes the driver: pending commits are written, and waiting callers get an error. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#flushTimer.end();
    const flushed = this.queue.dirty ? this.flush() : Promise.resolve();
    this.#closed = true;
    this.#reader.close();
    this.#ahead.end();
    this.#timer.cancel();
    for (const waiter of this.#waiters) waiter.fail(this.#gone());
    this.#watches.end(this.#gone());
    try {
      await flushed;
    } finally {
      await this.#committer.idle();
      await this.#share?.end();
    }
  }

  #gone(): EvsError {
    return this.#committer.gone ??
      new ClosedError(`the subscription ${this.record.name} is closed`);
  }
}
