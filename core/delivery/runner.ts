/**
 * Runs a handler of this process on a subscription: leases events from its driver, and settles each
 * according to what the handler does. A handler's error never reaches another handler or the
 * process. One event at a time by default; the next begins while the last outcome is committed.
 */
import { moduleState } from "../base/module_state.ts";
import { HandlerCall, runBecause, runBecauseNow } from "../event/causation.ts";
import type { Clock } from "../base/clock.ts";
import { type Rate, RateLimit } from "../base/rate.ts";
import { HandlerTimeoutError, OverflowError } from "../base/errors.ts";
import { setPatientTimer } from "../base/standstill.ts";
import type { Event } from "../event/event.ts";
import type { SubscriptionDriver } from "./driver.ts";
import { AGAIN_MS } from "./committer.ts";
import { newToken } from "./tokens.ts";
import type { Now } from "./entry.ts";
import { BeginAhead } from "./begin_ahead.ts";
import { eventOf, type Lease } from "./leases.ts";
import type { Handler, HandlerContext } from "./handler.ts";
import { HandlerLeases } from "./handler_leases.ts";
import {
  type FailedAttempt,
  failureOfError,
  failureOfResult,
  promiseOf,
  thenOf,
  withDelay,
} from "./outcome.ts";
import type { Settlement } from "./plan.ts";
import type { ProcessLoad } from "./process_load.ts";
import { OWN_PROCESS } from "./unanswered.ts";
import { storable } from "./storable.ts";

export type { Handler };

/** How a runner runs. */
export interface RunnerOptions {
  handler: Handler;
  clock: Clock;
  /** Events handled at the same time. */
  concurrency: number;
  /** How many handlers to start at most. */
  rate?: Rate | undefined;
  /**
   * The wait after the failed attempt `attempt` (from 1), ms. Absent: the subscription's backoff.
   */
  retryDelay?: (attempt: number) => number;
  /** How long a handler may go on after `stop`, ms; then its event is released. */
  graceMs: number;
  /** What this process has leased, over all its subscriptions. */
  load?: ProcessLoad;
  onError(error: unknown, context: string): void;
}

/** Events leased at once. */
const BATCH = 64;
/**
 * Events of topics that store nothing, kept for a busy handler; beyond that, the oldest are
 * dropped.
 */
const MAILBOX = 65_536;
const runners = moduleState(() => ({ last: 0 }));

/** Runs one handler. */
export class HandlerRunner {
  readonly #driver: SubscriptionDriver;
  readonly #options: RunnerOptions;
  readonly #consumer = `handler-${++runners().last}`;
  /** Never the same in another run of the process. */
  readonly #instance = `${OWN_PROCESS}${newToken()}`;
  readonly #begin: BeginAhead | undefined;
  /** Leases of this batch from this index on are not marked as begun yet. */
  #marked = 0;
  #wasBusy = false;
  readonly #limit: RateLimit | undefined;
  readonly #abort = new AbortController();
  readonly #leases: HandlerLeases;
  /** The first attempt of an event that is not stored. */
  readonly #work: (event: Event) => unknown;
  /** Leases whose handlers are running. */
  readonly #held = new Set<string>();
  #mailbox: Event[] = [];
  #at = 0;
  #busy = 0;
  #settling = 0;
  #paused = false;
  #woken: (() => void)[] = [];
  #idle: (() => void)[] = [];
  #loop: Promise<void> | undefined;
  /** Rejects when a bug of ours has stopped delivery. */
  readonly #failed = Promise.withResolvers<never>();
  /**
   * The handler may go on after it returned: then causation must be tracked asynchronously, which
   * costs more (core/event/causation.ts).
   */
  #waits = true;
  readonly #isAsync: boolean;
  #emptying = false;
  /** `dropped` when the handler had last caught up; Infinity once dropping was reported. */
  #told = 0;
  /** Mirrors the abort signal: reading that costs more than everything else in a direct call. */
  #stopped = false;
  /** Events that were dropped because the handler was too slow for a topic that stores nothing. */
  dropped = 0;

  constructor(driver: SubscriptionDriver, options: RunnerOptions) {
    this.#failed.promise.catch(() => {}); // goes to onError, and to callers that wait
    this.#driver = driver;
    this.#options = options;
    this.#leases = new HandlerLeases(driver, {
      ...options,
      consumer: this.#consumer,
      instance: this.#instance,
      signal: this.#abort.signal,
    });
    if (driver.ledger.note) this.#begin = new BeginAhead();
    if (options.rate) this.#limit = new RateLimit(options.rate, options.clock);
    this.#isAsync = options.handler instanceof AsyncFunction;
    const first = this.#context(1);
    this.#work = (event) => options.handler(event, first);
  }

  #begins(event: Event): HandlerCall {
    return new HandlerCall(this, [event], { alone: this.#options.concurrency === 1 });
  }

  #context(attempt: number, delivery = 1): HandlerContext {
    const { name } = this.#driver.record;
    const { maxRetries } = this.#driver.queue.settings;
    return { subscription: name, attempt, delivery, maxRetries, signal: this.#abort.signal };
  }

  get paused(): boolean {
    return this.#paused;
  }

  start(): void {
    this.#loop ??= this.#run().catch((error) => {
      this.#failed.reject(error);
      this.#options.onError(error, "delivery");
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#next();
    this.#wake();
  }

  /** Takes no more events; resolves when the handler has finished its current ones. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#abort.abort();
    this.#limit?.stop();
    this.#mailbox = [];
    this.#wake();
    await this.#loop;
    const { clock, graceMs } = this.#options;
    const cancel = setPatientTimer(clock, () => this.#abandon(), graceMs);
    while (this.#busy > 0 || this.#settling > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    cancel();
    await this.#noteEnd();
  }

  /** Records that nothing is in progress, so that the next start counts nothing. */
  async #noteEnd(): Promise<void> {
    if (!this.#begin || this.#driver.closed) return;
    try {
      await this.#driver.begun.noteBegun(this.#instance);
    } catch (error) {
      this.#options.onError(error, `the deliveries of ${this.#driver.record.name}`);
    }
  }

  /** A handler does not end: releases its events uncounted, and ignores its later answers. */
  #abandon(): void {
    if (this.#busy === 0) return;
    const { graceMs, onError } = this.#options;
    const { name } = this.#driver.record;
    this.#driver.release([...this.#held].reverse());
    this.#held.clear();
    onError(
      new HandlerTimeoutError(
        `${this.#busy} of the handlers of ${name} did not end within ${graceMs} ms of its end; ` +
          "their events will be redelivered",
        { details: { subscription: name, running: this.#busy, graceMs } },
      ),
      `closing ${name}`,
    );
    this.#busy = 0;
    this.#tell();
  }

  /** True if the handler has nothing to do and nothing is being committed. */
  get isIdle(): boolean {
    return this.#busy === 0 && this.#settling === 0 && this.#at >= this.#mailbox.length &&
      (this.#driver.isIdle || this.#driver.record.paused);
  }

  /** Resolves when {@link isIdle} may have changed; rejects when delivery has failed. */
  async idle(): Promise<void> {
    if (this.#busy > 0 || this.#settling > 0 || this.#at < this.#mailbox.length) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    await Promise.race([this.#driver.idle(), this.#failed.promise]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      if (this.#paused || this.#isTooSoon) {
        await this.#change();
        continue;
      }
      // What waits for its turn is not leased: another handler may have it.
      const leases = await this.#leases.next(Math.min(BATCH, this.#limit?.tokens ?? BATCH));
      if (!leases) return;
      this.#marked = 0;
      for (const [i, lease] of leases.entries()) {
        while (this.#busy >= this.#options.concurrency && !signal.aborted) await this.#change();
        if (this.#begin && i >= this.#marked && !signal.aborted && !this.#paused) {
          await this.#markBegun(leases, i);
        }
        if (signal.aborted || this.#paused) {
          this.#driver.release(leases.slice(i).map(({ token }) => token).reverse());
          break;
        }
        // It may have expired, or been redacted, while it waited for its turn here.
        if (!this.#driver.deliverable.lapses(lease)) this.#handle(lease);
      }
    }
  }

  /** Records that handlers begin; together with the next ones, if handlers are fast. */
  async #markBegun(leases: readonly Lease[], from: number): Promise<void> {
    const { clock, onError } = this.#options;
    const count = this.#begin!.next(clock.monotonic(), { busy: this.#wasBusy });
    // Events that may have ended a process get their own mark, so that their next end is certain.
    const odd = leases.findIndex(({ entry }, i) => i >= from && entry.unanswered !== undefined);
    const to = odd < 0 ? from + count : odd === from ? from + 1 : Math.min(odd, from + count);
    const tokens = leases.slice(from, to).filter(({ isHeld }) => isHeld).map(({ token }) => token);
    this.#marked = Math.min(to, leases.length);
    this.#wasBusy = this.#marked < leases.length || leases.length === BATCH;
    // They begin one after another: if the first ends the process, the others have not begun.
    const soon = tokens.length > 1;
    try {
      await this.#driver.begun.begin(tokens, { soon, instance: this.#instance });
    } catch (error) {
      // Run the handler anyway: losing the mark costs a count, not an event.
      onError(error, `the deliveries of ${this.#driver.record.name}`);
    }
    this.#begin!.stored(clock.monotonic());
  }

  #handle(lease: Lease): void {
    const { entry, token } = lease;
    let event: Event;
    try {
      event = eventOf(lease);
    } catch (error) {
      return this.#settle(token, this.#failure(lease, failureOfError(error)));
    }
    this.#held.add(token);
    this.#limit?.take(1);
    const { handler } = this.#options;
    const context = this.#context(lease.attempt, lease.delivery);
    this.#call(event, (one) => handler(one, context), (failure) => {
      if (!this.#held.delete(token)) return;
      if (failure === undefined) return this.#settle(token, { lease: token, ack: true });
      // While stopping, a failure is caused by the stop: redeliver the event without counting the
      // attempt.
      if (this.#abort.signal.aborted && !failure.dead && entry.kind !== "ephemeral") {
        this.#driver.release([token]);
        return;
      }
      this.#settle(token, this.#failure(lease, failure));
    });
  }

  /**
   * Passes an event of a topic that stores nothing to the handler: at once if possible, without a
   * copy. This is the path that P9 measures: for a handler that returns synchronously it creates no
   * promise and no closure, and does not read the clock.
   */
  hand(event: Event): void {
    if (this.#stopped) return;
    if (this.#at >= this.#mailbox.length && this.#mayBegin) return this.#direct(event);
    this.#mailbox.push(event);
    if (this.#mailbox.length - this.#at > MAILBOX) this.#drop();
  }

  /** Drops the oldest event; reported once, until the handler has caught up. */
  #drop(): void {
    this.#at++;
    if (this.dropped++ !== this.#told) return;
    this.#told = Infinity;
    const { name } = this.#driver.record;
    const text = `the handler of ${name} is ${MAILBOX} events behind: the oldest are dropped`;
    const details = { subscription: name, behind: MAILBOX };
    this.#options.onError(
      new OverflowError(text, {
        details,
        hint: "make the topic persistent, or the handler faster",
      }),
      `the subscription ${name}`,
    );
  }

  get #mayBegin(): boolean {
    return !this.#paused && this.#busy < this.#options.concurrency && !this.#isTooSoon;
  }

  /** True if the rate permits no start; it goes on by itself once it does. */
  get #isTooSoon(): boolean {
    if (this.#limit === undefined || this.#limit.tokens > 0) return false;
    this.#limit.whenFree(() => {
      this.#next();
      this.#wake();
      this.#tell();
    });
    return true;
  }

  #direct(event: Event): void {
    this.#limit?.take(1);
    const call = this.#waits ? this.#begins(event) : undefined;
    this.#busy++;
    let result: unknown;
    let promise: Promise<unknown> | undefined;
    try {
      result = call ? runBecause(call, this.#work) : runBecauseNow(this, event, this.#work);
      promise = promiseOf(result);
    } catch (error) {
      if (call) call.running = false;
      return this.#ended(event, failureOfError(error));
    }
    if (!promise) {
      if (call) call.running = false;
      this.#waits &&= this.#isAsync;
      return this.#ended(event, result === undefined ? undefined : failureOfResult(result));
    }
    this.#waits = true;
    const startedAt = this.#driver.now();
    const ended = (failure: FailedAttempt | undefined) => {
      if (call) call.running = false;
      this.#ended(event, failure, startedAt);
    };
    thenOf.call(
      promise,
      (value) => ended(failureOfResult(value)),
      (error) => ended(failureOfError(error)),
    );
  }

  /** A handler that got its event directly has ended. */
  #ended(event: Event, failure: FailedAttempt | undefined, startedAt?: Now): void {
    if (failure) {
      const lease = this.#driver.queue.leaseDirect(
        storable(event),
        startedAt ?? this.#driver.now(),
        {
          token: newToken(),
          consumer: this.#consumer,
        },
      );
      this.#settle(lease.token, this.#failure(lease, failure));
    }
    this.#free();
  }

  /** Runs `work`; `then` gets its failure, if any. */
  #call(
    event: Event,
    work: (event: Event) => unknown,
    then: (failure?: FailedAttempt) => void,
  ): void {
    this.#busy++;
    const call = this.#begins(event);
    const done = (failure?: FailedAttempt) => {
      call.running = false;
      then(failure);
      this.#free();
    };
    let result: unknown;
    let promise: Promise<unknown> | undefined;
    try {
      result = runBecause(call, work);
      promise = promiseOf(result);
    } catch (error) {
      return done(failureOfError(error));
    }
    if (!promise) return done(failureOfResult(result));
    thenOf.call(
      promise,
      (value) => done(failureOfResult(value)),
      (error) => done(failureOfError(error)),
    );
  }

  /** A handler has ended: starts waiting events and wakes waiting callers. */
  #free(): void {
    if (this.#busy > 0) this.#busy--;
    if (this.#at < this.#mailbox.length) this.#next();
    if (this.#woken.length > 0) this.#wake();
    if (this.#idle.length > 0) this.#tell();
  }

  /** Continues with the mailbox; in a loop, because synchronous handlers get here again. */
  #next(): void {
    if (this.#emptying) return;
    this.#emptying = true;
    try {
      while (this.#mayBegin && this.#at < this.#mailbox.length) {
        const event = this.#mailbox[this.#at++]!;
        if (this.#at >= this.#mailbox.length) {
          this.#mailbox = [];
          this.#at = 0;
          this.#told = this.dropped;
        }
        this.#direct(event);
      }
    } finally {
      this.#emptying = false;
    }
  }

  #failure(lease: Lease, failure: FailedAttempt): Settlement {
    const { retryDelay, onError } = this.#options;
    const delayed = withDelay(failure, {
      attempt: lease.attempt,
      retryDelay,
      onError: (cause) => onError(cause, `retryDelay of ${this.#driver.record.name}`),
    });
    return { lease: lease.token, ack: false, ...delayed };
  }

  #settle(token: string, settlement: Settlement): void {
    this.#settling++;
    this.#driver.settle([settlement]).catch((error) => {
      // Nothing was stored: release the event, so that it is handled again. Not at once, since the
      // cause may need time.
      const giveBack = () => {
        this.#driver.release([token]);
      };
      if (this.#stopped) return giveBack();
      this.#options.clock.setTimer(giveBack, AGAIN_MS);
      this.#options.onError(error, `an outcome of ${this.#driver.record.name}`);
    }).finally(() => {
      this.#settling--;
      this.#tell();
    });
  }

  /** Resolves at the next change of this runner. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#woken.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#woken.splice(0)) resolve();
  }

  #tell(): void {
    if (this.#idle.length === 0 || this.#busy > 0 || this.#settling > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

const AsyncFunction = (async () => {}).constructor;
