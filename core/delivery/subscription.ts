/** A subscription with a handler in this process, as `subscribe` returns it. */
import { assertPosition } from "./handler_options.ts";
import type { Upcasters } from "../schema/upcasters.ts";
import type { MaybePromise } from "../base/maybe_promise.ts";
import { refuseUnknown } from "../base/options.ts";
import type { BreakerSpec } from "../event/breaker.ts";
import type {
  RetriesNowReply,
  RetriesNowRequest,
  RetriesPage,
  RetriesReply,
} from "../protocol/in_flight.ts";
import type { SubscriptionInfo } from "../protocol/protocol.ts";
import type { Clock } from "../base/clock.ts";
import { ownCall, refuseOwnEvent, waitBesideCall } from "./waits_for_itself.ts";
import { RETRIES_OPTIONS, RETRY_NOW_OPTIONS, WAIT_OPTIONS } from "./option_names.ts";
import { checkRetriesPage } from "./scheduled_retries.ts";
import type { Handler, HandlerContext, Middleware } from "./handler.ts";

export type { Handler, HandlerContext, Middleware };

/** The position of an event: a published event, or its topic and seq. */
export interface Position {
  /** The topic. */
  topic: string;
  /** Absent for events that are not stored: they have no position. */
  seq?: number;
}

/** Options for waiting for a position. */
export interface WaitOptions {
  /** Rejects with its reason when it aborts. */
  signal?: AbortSignal;
}

/** Options of `subscribe`. */
export interface SubscribeOptions {
  /**
   * Makes the subscription durable: it resumes where it stopped. Without a name it starts now and
   * ends with the process.
   */
  name?: string;
  /** Only these types. */
  eventTypes?: string[];
  /** A CEL expression; events that do not match count as done. */
  where?: string;
  /** Retries after the first attempt. Default 3. */
  maxRetries?: number;
  /**
   * An event is dead-lettered once its handler began this often and never answered (its process
   * ended). Default 10.
   */
  maxDeliveries?: number;
  /**
   * The wait before a retry, ms, or a function of the failed attempt's number (from 1). Default
   * `exp:1s..5m,jitter`.
   */
  retryDelay?: number | ((attempt: number) => number);
  /** Pauses the subscription if too many recent attempts fail. Default null: never. */
  breaker?: BreakerSpec | null;
  /**
   * Upgrades events to the latest version that these upcasters know before the handler gets them.
   */
  upcast?: Upcasters;
  /** Where a new subscription starts, as an offset. Default `start` with a name, else `end`. */
  from?: string;
  /** Handlers that run at the same time. Default 1. */
  concurrency?: number;
  /**
   * How many handlers to start at most, such as `10/s`, `100/m` or `5/h`: spread evenly, retries
   * included. Counted in this process. Default: no limit.
   */
  rate?: string;
  /** Fails an attempt that takes longer, ms (`HandlerTimeoutError`). Default: no time-out. */
  timeoutMs?: number;
  /** Wrapped around the handler; the first is outermost. `reliable()` returns the usual ones. */
  middleware?: readonly Middleware[];
  /**
   * With a daemon: most events to fetch ahead of the handlers. Default: enough to keep them busy.
   */
  prefetch?: number;
  /** Unsubscribes when it aborts. */
  signal?: AbortSignal;
}

/** How `subscribeBatch` gathers events. */
export interface BatchOptions {
  /** Most events in a batch. Default 100. */
  size?: number;
  /** How long the first event of a batch waits for others, ms. Default 20. */
  maxWaitMs?: number;
}

/** Calls the handler. */
export interface Runner {
  start(): void;
  pause(): void;
  resume(): void;
  /** Takes no more events; resolves when the handler has finished its current ones. */
  stop(): Promise<void>;
}

/** What a {@link Subscription} is made of. */
export interface SubscriptionParts {
  name: string;
  topic: string;
  /** Resolves with the runner once the subscription exists. */
  runner: Promise<Runner>;
  info(): MaybePromise<SubscriptionInfo>;
  retries(page: RetriesPage): MaybePromise<RetriesReply>;
  retryNow(request: RetriesNowRequest): Promise<RetriesNowReply>;
  whenProcessed(position: Position, options: WaitOptions): Promise<void>;
  /** Called once, when it has stopped. */
  ended(): Promise<void> | void;
  /** Called for errors that no caller waits for. */
  onError(error: unknown, context: string): void;
  clock: Clock;
}

/**
 * A running subscription.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * const subscription = new EventBroker().subscribe("users", (event) => console.log(event.id));
 * await subscription.ready;
 * await subscription.unsubscribe();
 * ```
 */
export class Subscription {
  /** Its name; generated if none was given. */
  readonly name: string;
  /** The topic or pattern. */
  readonly topic: string;
  /** Resolves when events can arrive; rejects if the subscription could not be created. */
  readonly ready: Promise<void>;
  readonly #parts: SubscriptionParts;
  #runner: Runner | undefined;
  #paused = false;
  #ended: Promise<void> | undefined;
  /** A handler asked for the end without waiting for it, and its errors are being reported. */
  #told = false;

  /** @internal */
  constructor(parts: SubscriptionParts) {
    this.name = parts.name;
    this.topic = parts.topic;
    this.#parts = parts;
    this.ready = parts.runner.then((runner) => this.attach(runner));
    // Callers of `ready` get the error, and `onError` already did.
    this.ready.catch(() => {});
  }

  /**
   * Starts the runner.
   * @internal
   */
  attach(runner: Runner): void {
    if (this.#runner || this.#ended) return;
    this.#runner = runner;
    if (this.#paused) runner.pause();
    runner.start();
  }

  /** True between `pause` and `resume`. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Stops receiving events; those in progress are finished. */
  pause(): void {
    this.#paused = true;
    this.#runner?.pause();
  }

  /** Resumes where `pause` stopped. */
  resume(): void {
    this.#paused = false;
    this.#runner?.resume();
  }

  /**
   * Its current state. A promise while it is being created and after it ended; it never throws
   * synchronously.
   */
  info(): MaybePromise<SubscriptionInfo> {
    try {
      return this.#parts.info();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * A page of the waiting retries, those due first in front. Like `info`, it never throws
   * synchronously.
   *
   * ```ts ignore
   * for (const { id, attempt, dueAt, reason } of (await subscription.retries()).retries) {
   *   console.log(id, attempt, new Date(dueAt), reason);
   * }
   * ```
   */
  retries(page: RetriesPage = {}): MaybePromise<RetriesReply> {
    try {
      refuseUnknown(page, { of: "retries", known: RETRIES_OPTIONS });
      checkRetriesPage(page);
      return this.#parts.retries(page);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Makes retries due now: those of the events in `ids`, or all. They keep their attempts. Durable
   * when it resolves. Rejects with `NotFoundError` (`retry/not-found`), and does nothing, if one of
   * these events has no waiting retry.
   */
  async retryNow(request: RetriesNowRequest = {}): Promise<RetriesNowReply> {
    refuseUnknown(request, { of: "retryNow", known: RETRY_NOW_OPTIONS });
    return await this.#parts.retryNow(request);
  }

  /**
   * Resolves when every event of the topic up to this one is done or dead-lettered. Rejects with
   * `UnsupportedError` for an event that was not stored, with `InvalidArgumentError` for a topic
   * that is not subscribed to, and with `ConflictError` (`handler/waits-for-itself`) when called in
   * one of its own handlers and waiting for that handler.
   */
  async whenProcessed(position: Position, options: WaitOptions = {}): Promise<void> {
    refuseUnknown(options, { of: "whenProcessed", known: WAIT_OPTIONS });
    assertPosition(position);
    const call = ownCall(this.#runner);
    await this.ready;
    if (!call) return await this.#parts.whenProcessed(position, options);
    refuseOwnEvent(call, position);
    await waitBesideCall(call, {
      clock: this.#parts.clock,
      signal: options.signal,
      wait: (waiting) => this.#parts.whenProcessed(position, waiting),
    });
  }

  /**
   * Ends the subscription; resolves when the handler has finished what it was doing. A named one
   * can resume later where it stopped. In its own handler it resolves at once, and the subscription
   * ends when that handler has returned.
   */
  unsubscribe(): Promise<void> {
    this.#ended ??= this.#end();
    if (!ownCall(this.#runner)) return this.#ended;
    if (!this.#told) this.#ended.catch((error) => this.#parts.onError(error, "unsubscribe"));
    this.#told = true;
    return Promise.resolve();
  }

  async #end(): Promise<void> {
    // If it could not start, `ready` and `onError` have the error: there is nothing to end.
    const runner = this.#runner ?? await this.#parts.runner.catch(() => undefined);
    await runner?.stop();
    await this.#parts.ended();
  }

  /** Unsubscribes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.unsubscribe();
  }
}
