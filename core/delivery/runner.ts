/**
 * Runs a handler of this process on a subscription: leases events from its driver, and settles each by what the handler
 * does. A handler's error never reaches another handler or the process. One event at a time unless told otherwise; the
 * next one begins while the outcome of the last is on its way to disk.
 */
import { runBecause, runBecauseNow } from "../causation.ts";
import { EvsError, NonRetryableError } from "../errors.ts";
import { type Event, type StoredEvent, toEvent } from "../event.ts";
import type { SubscriptionDriver } from "./driver.ts";
import { newToken } from "./driver_parts.ts";
import type { Lease } from "./entry.ts";
import type { Settlement } from "./plan.ts";

/** What is done with an event. A rejection, or a throw, is a failed attempt. */
// deno-lint-ignore no-explicit-any -- the promised interface: an untyped handler reads its payload without a cast
export type Handler<T = any> = (event: Event<T>) => unknown;

/** How a runner runs. */
export interface RunnerOptions {
  handler: Handler;
  /** Events at a time. */
  concurrency: number;
  /** The wait after the failed attempt `attempt` (from 1), ms. Absent: the subscription's backoff. */
  retryDelay?: (attempt: number) => number;
  onError(error: unknown, context: string): void;
}

/** Events leased at once. */
const BATCH = 64;
/** Bytes of events leased at once. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** Events of topics that store nothing, kept for a handler that is busy; beyond, the oldest are dropped. */
const MAILBOX = 65_536;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
let lastRunner = 0;

/** One handler at work; see the head of this file. */
export class HandlerRunner {
  readonly #driver: SubscriptionDriver;
  readonly #options: RunnerOptions;
  readonly #consumer = `handler-${++lastRunner}`;
  readonly #abort = new AbortController();
  #mailbox: Event[] = [];
  #at = 0;
  #busy = 0;
  #settling = 0;
  #paused = false;
  #woken: (() => void)[] = [];
  #idle: (() => void)[] = [];
  #loop: Promise<void> | undefined;
  /** The handler may go on after it returned: then the event has to follow it, which costs (core/causation.ts). */
  #waits = true;
  /** Events that were dropped because the handler was too slow for a topic that stores nothing. */
  dropped = 0;

  constructor(driver: SubscriptionDriver, options: RunnerOptions) {
    this.#driver = driver;
    this.#options = options;
  }

  get paused(): boolean {
    return this.#paused;
  }

  start(): void {
    this.#loop ??= this.#run().catch((error) => this.#options.onError(error, "delivery"));
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#next();
    this.#wake();
  }

  /** Takes no more events; resolves when the handler has ended those that it has. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#mailbox = [];
    this.#wake();
    await this.#loop;
    while (this.#busy > 0 || this.#settling > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  /** True when the handler has nothing to do, and nothing is on its way to disk. */
  get isIdle(): boolean {
    return this.#busy === 0 && this.#settling === 0 && this.#at >= this.#mailbox.length &&
      this.#driver.isIdle;
  }

  /** Resolves when something may have changed about that. */
  async idle(): Promise<void> {
    if (this.#busy > 0 || this.#settling > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    await this.#driver.idle();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      if (this.#paused) {
        await this.#change();
        continue;
      }
      const leases = await this.#lease();
      if (!leases) return;
      for (const [i, lease] of leases.entries()) {
        while (this.#busy >= this.#options.concurrency && !signal.aborted) await this.#change();
        if (signal.aborted || this.#paused) {
          this.#driver.queue.release(leases.slice(i).map(({ token }) => token).reverse());
          this.#driver.serve();
          break;
        }
        this.#handle(lease);
      }
    }
  }

  async #lease(): Promise<Lease[] | undefined> {
    try {
      return await this.#driver.lease({
        max: BATCH,
        maxBytes: BATCH_BYTES,
        leaseMs: Infinity,
        consumer: this.#consumer,
        bound: true,
      }, { waitMs: Infinity, throughPause: true, signal: this.#abort.signal });
    } catch (error) {
      // The subscription was closed or removed.
      if (error instanceof EvsError) return undefined;
      throw error;
    }
  }

  #handle(lease: Lease): void {
    const { record, entry } = lease;
    const event = record ? JSON.parse(decoder.decode(record.line)) as Event : toEvent(entry.event!);
    this.#call(event, runBecause, (failure) => {
      this.#settle(
        lease,
        failure === undefined
          ? { lease: lease.token, ack: true }
          : this.#failed(lease, failure.error),
      );
    });
  }

  /** Gives the handler an event of a topic that stores nothing: at once if it can be, with no copy made. */
  hand(event: Event): void {
    if (this.#abort.signal.aborted) return;
    if (this.#at >= this.#mailbox.length && this.#mayBegin) return this.#direct(event);
    this.#mailbox.push(event);
    if (this.#mailbox.length - this.#at > MAILBOX) {
      this.#at++;
      this.dropped++;
    }
  }

  get #mayBegin(): boolean {
    return !this.#paused && this.#busy < this.#options.concurrency;
  }

  #direct(event: Event): void {
    const startedAt = this.#driver.now();
    this.#call(event, this.#waits ? runBecause : runBecauseNow, (failure) => {
      if (!failure) return;
      const lease = this.#driver.queue.leaseDirect(storable(event), startedAt, {
        token: newToken(),
        consumer: this.#consumer,
      });
      this.#settle(lease, this.#failed(lease, failure.error));
    });
  }

  /** Runs the handler by `run`; `then` is told what it threw. */
  #call(
    event: Event,
    run: typeof runBecause,
    then: (failure?: { error: unknown }) => void,
  ): void {
    this.#busy++;
    let result: unknown;
    try {
      result = run(event, this.#options.handler);
    } catch (error) {
      return this.#done(then, { error });
    }
    if (typeof (result as PromiseLike<unknown> | undefined)?.then !== "function") {
      this.#waits &&= isAsync(this.#options.handler);
      return this.#done(then);
    }
    this.#waits = true;
    (result as PromiseLike<unknown>).then(
      () => this.#done(then),
      (error) => this.#done(then, { error }),
    );
  }

  #done(then: (failure?: { error: unknown }) => void, failure?: { error: unknown }): void {
    this.#busy--;
    then(failure);
    this.#next();
    this.#wake();
    this.#tell();
  }

  /** Goes on with what waits in the mailbox. */
  #next(): void {
    while (this.#mayBegin && this.#at < this.#mailbox.length) {
      const event = this.#mailbox[this.#at++]!;
      if (this.#at >= this.#mailbox.length) {
        this.#mailbox = [];
        this.#at = 0;
      }
      this.#direct(event);
    }
  }

  #failed(lease: Lease, error: unknown): Settlement {
    const { retryDelay } = this.#options;
    const failure: Settlement = {
      lease: lease.token,
      ack: false,
      error: error instanceof Error ? error.message || error.name : String(error),
      ...(error instanceof Error && error.stack ? { stack: error.stack } : {}),
      dead: error instanceof NonRetryableError,
    };
    if (!retryDelay) return failure;
    try {
      const afterMs = Number(retryDelay(lease.attempt));
      return { ...failure, ...(afterMs >= 0 ? { afterMs } : {}) };
    } catch (cause) {
      this.#options.onError(cause, `retryDelay of ${this.#driver.record.name}`);
      return failure;
    }
  }

  #settle(lease: Lease, settlement: Settlement): void {
    this.#settling++;
    this.#driver.settle([settlement]).catch((error) => {
      // Nothing was kept of it: the event goes back, and will be handled again.
      this.#driver.queue.release([lease.token]);
      this.#driver.serve();
      if (!this.#abort.signal.aborted) {
        this.#options.onError(error, `an outcome of ${this.#driver.record.name}`);
      }
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

function isAsync(handler: Handler): boolean {
  return handler instanceof AsyncFunction;
}

/** The event as bytes, for its retry or its dead letter. */
function storable(event: Event): StoredEvent {
  return {
    seq: 0,
    topic: event.topic,
    id: event.id,
    type: event.type,
    timestamp: event.timestamp,
    schemaVersion: event.schemaVersion,
    ...(event.key === undefined ? {} : { key: event.key }),
    metadata: asJson(event.metadata) ?? "{}",
    payload: encoder.encode(asJson(event.payload) ?? JSON.stringify(String(event.payload))),
  };
}

/** The value as JSON text; undefined where it is none (a function, a cycle): it was never stored, so nobody asked. */
function asJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
