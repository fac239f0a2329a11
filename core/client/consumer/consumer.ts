/**
 * The consumer's loop: leases events, runs a handler for each, settles the outcomes.
 *
 * A {@link Work} is an event in flight: waiting for a slot, running, or finished but not settled.
 * It is removed only when the daemon has confirmed its outcome. Leases are bound to the connection:
 * when that breaks, they are stale, and the daemon delivers the same events again. A work that is
 * still in flight then takes over the new lease instead of running twice.
 *
 * Knows nothing of sockets or processes: a {@link ConsumerPort} is the daemon, and `start` runs a
 * handler.
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import { RateLimit } from "../../base/rate.ts";
import { setPatientTimer } from "../../base/standstill.ts";
import { DEFAULT_LEASE_MS, MOST_DELIVERIES } from "../../event/limits.ts";
import { missedText } from "../../reading/missed.ts";
import { BeginAhead } from "../../delivery/begin_ahead.ts";
import { Changes } from "./changes.ts";
import { DAEMON_WAIT_MS, DaemonWait } from "./daemon_wait.ts";
import { demand, mayStart } from "./demand.ts";
import { InFlight } from "./in_flight.ts";
import type { ConsumerOptions, ConsumerResult } from "./options.ts";
import { DeadConnectionError, isEmpty, isFull, isGone, isLast, type Leased } from "./port.ts";
import { PauseWatch } from "./pause_watch.ts";
import { Prefetch } from "./prefetch.ts";
import { DISK_FULL_RETRY_MS, DiskFullRetry } from "./disk_full_retry.ts";
import { type Fate, fateText, giveBack, settle, type Work } from "./work.ts";

export type { ConsumerOptions, ConsumerResult };

/** How long one lease request waits, ms. */
const WAIT_MS = 30_000;
/** Time between two attempts to reconnect, ms. */
const RECONNECT_MS = 200;
/** The daemon closes connections that are idle for long; after this time, ms, open new ones. */
const IDLE_MS = 60_000;
/** How long handlers may go on after the consumer was stopped, ms. */
const STOP_GRACE_MS = 5_000;

/** Consumes one subscription. */
export class Consumer {
  readonly #options: ConsumerOptions;
  readonly #clock: Clock;
  readonly #reserve: Prefetch;
  readonly #room: DiskFullRetry;
  readonly #daemon: DaemonWait;
  readonly #works = new InFlight();
  readonly #limit: RateLimit | undefined;
  readonly #result: ConsumerResult = { done: 0, retried: 0, dead: 0, lost: 0 };
  /** Attempts started. */
  #started = 0;
  #running = 0;
  #ending = false;
  #stopping: Deno.Signal | undefined;
  #settling: Promise<void> | undefined;
  #reconnecting: Promise<void> | undefined;
  /** From a reconnection to the first lease response: finished stale works wait for a new lease. */
  #awaitingLeases = false;
  #failure: { error: unknown } | undefined;
  readonly #begins = new BeginAhead();
  #marking = false;
  #held = false;
  readonly #pauses: PauseWatch;
  /** As far as the last answer tells, nothing is left but what it holds itself. */
  #isLast = false;
  readonly #changes: Changes;
  #cancelExtend = () => {};
  #cancelKill = () => {};

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#changes = new Changes(this.#clock);
    this.#room = new DiskFullRetry(options.say);
    this.#daemon = new DaemonWait(options.say);
    this.#pauses = new PauseWatch(options);
    this.#reserve = new Prefetch(options.concurrency * (options.batch ?? 1), options.prefetch);
    if (options.rate) this.#limit = new RateLimit(options.rate, this.#clock);
  }

  /**
   * Runs until the subscription is empty or paused, the consumer is stopped, or `max` attempts are
   * done. Throws errors that it cannot recover from.
   */
  async run(): Promise<ConsumerResult> {
    this.#scheduleExtend();
    const leasing = this.#leaseLoop();
    leasing.catch((error) => this.#fail(error));
    try {
      while (!this.#finished()) await this.nextChange();
      await this.#settling;
      if (this.#failure !== undefined) throw this.#failure.error;
      await this.#giveBack();
      return this.#result;
    } finally {
      this.#cancelExtend();
      this.#cancelKill();
      this.#options.port.close();
    }
  }

  /**
   * Stops. The first call sends SIGTERM to the handlers (SIGKILL after 5 s), releases unsettled
   * events, and lets `run` return; the second call sends SIGKILL.
   */
  stop(signal: Deno.Signal): void {
    const again = this.#stopping !== undefined;
    this.#stopping ??= signal;
    this.#result.interrupted ??= signal;
    this.#ending = true;
    if (again) {
      this.#killAll("SIGKILL");
      // Give up pending requests; the daemon takes the leases back by itself.
      this.#options.port.close();
    } else {
      this.#endHandlers();
    }
    this.#changes.notify();
  }

  /** Stops, unless it is already stopping: never hurries handlers that are ending. */
  stopOnce(signal: Deno.Signal): void {
    if (this.#stopping === undefined) this.stop(signal);
  }

  #endHandlers(): void {
    const { graceMs = STOP_GRACE_MS } = this.#options;
    this.#killAll("SIGTERM");
    this.#cancelKill();
    this.#cancelKill = setPatientTimer(this.#clock, () => this.#killAll("SIGKILL"), graceMs);
  }

  /** Events in flight, until their outcomes are confirmed. */
  get inHand(): number {
    return this.#works.size;
  }

  /** Attempts started. */
  get started(): number {
    return this.#started;
  }

  /** Starts no more events until {@link resume}, and releases the waiting ones. */
  pause(): void {
    this.#held = true;
    this.#changes.notify();
    this.#giveBackWaiting();
  }

  resume(): void {
    this.#held = false;
    this.#changes.notify();
  }

  #giveBackWaiting(): void {
    const waiting = this.#works.unbegun();
    for (const work of waiting) this.#works.drop(work);
    this.#release(waiting.filter((work) => !work.stale).map((work) => work.lease).reverse());
  }

  #release(leases: string[]): void {
    if (leases.length === 0) return;
    this.#options.port.release(leases)
      .catch((error) => this.#recover(error))
      .catch((error) => this.#fail(error))
      .finally(() => this.#changes.notify());
  }

  #killAll(signal: Deno.Signal): void {
    for (const work of this.#works.all()) {
      if (work.verdict === undefined) work.running?.kill(signal);
    }
  }

  #finished(): boolean {
    if (this.#running > 0 || !this.#ending) return false;
    if (this.#failure !== undefined || this.#stopping !== undefined) return true;
    // Waiting works are released; finished ones must be settled first.
    return !this.#works.all().some((work) => work.verdict !== undefined);
  }

  async #leaseLoop(): Promise<void> {
    const { port, untilEmpty = false, lingerMs } = this.#options;
    while (!this.#ending) {
      if (this.#started >= (this.#options.max ?? Infinity)) {
        this.#ending = true;
        this.#changes.notify();
        return;
      }
      const max = this.#wanted();
      if (max === 0) {
        await this.#wait();
        continue;
      }
      let leased: Leased;
      this.#works.asked();
      try {
        leased = await port.lease({
          max,
          leaseMs: DEFAULT_LEASE_MS,
          waitMs: this.#awaitingLeases ? 0 : WAIT_MS,
          bind: true,
          lingerMs,
          untilEmpty,
          ...(this.#pauses.waits ? { throughPause: true } : {}),
        });
      } catch (error) {
        await this.#recover(error);
        continue;
      }
      this.#awaitingLeases = false;
      if (this.#judged().length === 0) this.#daemon.found("leased");
      for (const missed of leased.missed ?? []) this.#options.say(missedText(missed));
      const done = this.#works.doneOf(leased.deliveries);
      // They are not begun again; where somebody wants that they come with the next answer.
      this.#release([...done].map(({ lease }) => lease));
      const renewed = leased.deliveries.flatMap((delivery) =>
        done.has(delivery)
          ? []
          : this.#works.take(delivery, (work) => this.#tell(work, { kind: "retry" })) ?? []
      );
      this.#markAgain(renewed);
      const isTooSoon = this.#limit?.tokens === 0;
      this.#isLast = isLast(leased) && !isTooSoon;
      if (this.#held || isTooSoon) this.#giveBackWaiting();
      this.#fillSlots();
      this.#settleSoon();
      if (this.#pauses.ends(leased)) {
        this.#result.paused ??= leased.pauseReason ?? "it was paused";
        this.#result.pausedBy ??= leased.pausedBy;
        this.#ending = true;
      } else if (untilEmpty && isEmpty(leased) && this.#works.size === 0) {
        this.#ending = true;
      }
      this.#changes.notify();
    }
  }

  /** How many leases to request; after a lost connection also those for everything in flight. */
  #wanted(): number {
    const { concurrency, batch = 1 } = this.#options;
    if (this.#held || this.#room.full) return 0;
    if (this.#awaitingLeases) {
      return Math.min(MOST_DELIVERIES, concurrency * batch + this.#works.size);
    }
    // Whether that was all is asked before the rate permits another event.
    if (this.#options.untilEmpty && this.#isLast && this.#works.size === 0) return 1;
    return demand(this.#options, {
      running: this.#running,
      waiting: this.#works.unbegun().length,
      started: this.#started,
    }, { prefetch: this.#reserve, limit: this.#limit });
  }

  /** Nothing is asked for: waits for a change, or for the rate to permit more. */
  async #wait(): Promise<void> {
    const ms = this.#limit?.waitMs ?? 0;
    if (ms === 0) return await this.nextChange();
    const since = this.#clock.monotonic();
    await this.#changes.nextWithin(ms);
    this.#fillSlots();
    if (this.#clock.monotonic() - since < IDLE_MS || this.#works.size > 0 || this.#ending) return;
    await this.#options.port.reconnect().catch((error) => this.#recover(error));
  }

  #fillSlots(): void {
    const { concurrency, batch = 1, max = Infinity } = this.#options;
    const goesOn = () => !this.#held && !this.#ending && !this.#room.full;
    while (goesOn() && this.#running < concurrency && this.#started < max) {
      const may = mayStart(this.#limit, batch);
      if (may === 0) return;
      const works = this.#works.next(Math.min(batch, may, max - this.#started));
      if (works.length === 0) return;
      const unmarked = works.findIndex(({ marked }) => !marked);
      if (unmarked === 0) return this.#mark();
      this.#begin(unmarked < 0 ? works : works.slice(0, unmarked));
    }
  }

  /** Marks the next works as begun; their handlers start when that has been sent, or stored. */
  #mark(): void {
    if (this.#marking) return;
    const { concurrency, batch = 1, max = Infinity, marks = "each" } = this.#options;
    const free = (concurrency - this.#running) * batch;
    const ahead = marks === "ahead"
      ? this.#begins.next(this.#clock.monotonic(), { busy: this.#works.unbegun().length > free })
      : 0;
    const next = this.#works.next(Math.min(Math.max(free, ahead), max - this.#started));
    // Events that may have ended a process get their own mark, so that their next end is certain.
    const odd = next.findIndex(({ delivery }) => delivery.isSuspect);
    const works = odd < 0 ? next : next.slice(0, Math.max(1, odd));
    this.#marking = true;
    // Handlers in this process begin one by one: if one ends it, the later ones have not begun.
    const soon = marks === "ahead" && works.length > 1;
    this.#tellBegun(works, { soon, kept: marks === "ahead" })
      .then(() => {
        this.#begins.stored(this.#clock.monotonic());
        for (const work of works) work.marked = true;
      })
      .catch((error) => this.#recover(error))
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#marking = false;
        this.#fillSlots();
        this.#changes.notify();
      });
  }

  async #tellBegun(
    works: readonly Work[],
    options: { soon: boolean; kept: boolean },
  ): Promise<void> {
    const over = this.#works.all().filter((work) =>
      work.marked && !work.over && work.verdict !== undefined && !work.stale
    );
    const ended = over.map(({ lease }) => lease);
    try {
      await this.#options.port.begin(works.map(({ lease }) => lease), { ...options, ended });
      for (const work of over) work.over = true;
    } catch (error) {
      // Without disk space the mark is not stored: that costs a count, not an event.
      if (!isFull(error)) throw error;
    }
  }

  /** After a lost connection: running handlers have new leases, which need marks. */
  #markAgain(renewed: readonly Work[]): void {
    const running = renewed.filter((work) => work.running && work.verdict === undefined);
    if (running.length === 0) return;
    this.#tellBegun(running, { soon: false, kept: false })
      .catch((error) => this.#recover(error))
      .catch((error) => this.#fail(error));
  }

  #begin(works: readonly Work[]): void {
    this.#limit?.take(works.length);
    this.#started += works.length;
    this.#running++;
    const begun = this.#clock.monotonic();
    const running = this.#options.start(works.map(({ delivery }) => delivery));
    for (const work of works) work.running = running;
    running.verdicts.then((verdicts) => {
      for (const [index, work] of works.entries()) work.verdict = verdicts[index]!;
      // A handler that cannot run must not be tried again before the pause takes effect.
      if (verdicts.some(({ kind }) => kind === "pause")) this.#ending = true;
    }).catch((error) => this.#fail(error)).finally(() => {
      this.#running--;
      this.#reserve.note(this.#clock.monotonic() - begun);
      this.#settleSoon();
      this.#fillSlots();
      this.#changes.notify();
    });
  }

  /** Settles all finished works; those that finish meanwhile go into the next round. */
  #settleSoon(): void {
    if (this.#settling !== undefined || this.#halted()) return;
    this.#settling = this.#settleAll()
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#settling = undefined;
        this.#changes.notify();
        // A lease response may have come right after the last check.
        if (this.#judged().length > 0) this.#settleSoon();
      });
  }

  #judged(): Work[] {
    return this.#works.all().filter((work) =>
      work.verdict !== undefined && !(work.stale && this.#awaitingLeases)
    );
  }

  async #settleAll(): Promise<void> {
    for (;;) {
      // Let handlers that ended in the same turn join.
      await Promise.resolve();
      const judged = this.#judged();
      if (judged.length === 0 || this.#halted()) return;
      try {
        await settle(judged, {
          port: this.#options.port,
          // While stopping, the stop causes failures: #giveBack releases those without counting.
          nack: () => !this.#halted(),
          tell: (work, fate) => this.#tell(work, fate),
        });
        this.#daemon.found("stored");
        if (this.#room.found()) this.#fillSlots();
      } catch (error) {
        await (this.#room.lacks(error)
          ? this.#changes.nextWithin(DISK_FULL_RETRY_MS)
          : this.#recover(error));
      }
    }
  }

  #tell(work: Work, fate: Fate): void {
    const result = this.#result;
    // The event was delivered again meanwhile, for its next attempt; the outcome of this one was
    // reported then.
    if (!this.#works.has(work)) return;
    this.#works.drop(work);
    const text = fateText(work, fate);
    if (text !== undefined) this.#options.say(text);
    if (fate.kind === "done") {
      this.#works.finish(work);
      result.done++;
    } else if (fate.kind === "retry") result.retried++;
    else if (fate.kind === "dead") result.dead++;
    else if (fate.kind === "lost") result.lost++;
    else {
      result.paused ??= fate.reason;
      this.#ending = true;
    }
  }

  /** Stopped or failed: the end decides about the remaining works. */
  #halted(): boolean {
    return this.#stopping !== undefined || this.#failure !== undefined;
  }

  /**
   * At the end: acks what was done before a stop, and releases the rest. Closing the connection
   * would also release it.
   */
  async #giveBack(): Promise<void> {
    try {
      await giveBack(this.#works.all(), this.#options.port, ({ settled, lost }) => {
        this.#result.done += settled;
        this.#result.lost += lost.length;
      });
    } catch (error) {
      if (!isGone(error)) throw error;
      this.#options.say("the daemon is gone: events in flight will be redelivered");
    }
    this.#works.clear();
  }

  #scheduleExtend(): void {
    this.#cancelExtend = this.#clock.setTimer(() => {
      const held = this.#works.all().filter((work) => !work.stale);
      const extended = held.length === 0
        ? Promise.resolve()
        : this.#options.port.extend(held.map((work) => work.lease), DEFAULT_LEASE_MS).then(
          (reply) => {
            for (const work of held) if (reply.lost.includes(work.lease)) work.stale = true;
          },
        );
      extended
        .catch((error) => this.#recover(error))
        .catch((error) => this.#fail(error))
        .finally(() => {
          if (!this.#ending || this.#works.size > 0) this.#scheduleExtend();
        });
    }, DEFAULT_LEASE_MS / 3);
  }

  /** Waits until the daemon answers again, or may have what it lacks. Rethrows other errors. */
  #recover(error: unknown): Promise<void> {
    if (this.#daemon.lacks(error)) return this.#changes.nextWithin(DAEMON_WAIT_MS);
    if (!isGone(error)) throw error;
    if (this.#halted()) return Promise.resolve();
    this.#reconnecting ??= this.#reconnect(error).finally(() => this.#reconnecting = undefined);
    return this.#reconnecting;
  }

  async #reconnect(error: unknown): Promise<void> {
    const { port, say } = this.#options;
    for (const work of this.#works.all()) work.stale = true;
    this.#awaitingLeases = true;
    const isDead = error instanceof DeadConnectionError;
    say(isDead ? error.message : "lost the daemon; waiting for it to come back");
    while (!this.#halted()) {
      try {
        await port.reconnect();
        say("the daemon is back; going on");
        // If it is about to end, nothing more is leased: settle with the old leases.
        if (this.#ending) this.#awaitingLeases = false;
        return;
      } catch (error) {
        if (!isGone(error)) throw error;
        await this.#changes.nextWithin(RECONNECT_MS);
      }
    }
  }

  #fail(error: unknown): void {
    if (this.#stopping !== undefined && isGone(error)) return;
    this.#failure ??= { error };
    this.#ending = true;
    this.#endHandlers();
    this.#changes.notify();
  }

  /** Resolves at the next change. */
  nextChange(): Promise<void> {
    return this.#changes.next();
  }
}
