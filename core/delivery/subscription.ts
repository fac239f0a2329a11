/** A subscription with a handler in this process, as `subscribe` returns it. */
import type { Upcasters } from "../schema/upcasters.ts";
import { refuseUnknown } from "../base/options.ts";
import type { BreakerSpec } from "../event/breaker.ts";
import type { SubscriptionInfo } from "../protocol/protocol.ts";
import type { Clock } from "../base/clock.ts";
import { ownCall, refuseOwnEvent, waitBesideCall } from "./waits_for_itself.ts";
import { WAIT_OPTIONS } from "./option_names.ts";
import type { Handler, HandlerContext, Middleware } from "./handler.ts";

export type { Handler, HandlerContext, Middleware };

/** A value, or what becomes one: at once in this process, over the socket a moment later. */
export type MaybePromise<T> = T | Promise<T>;

/** An event's place: an event that was published, or its topic and seq. */
export interface Position {
  /** The topic. */
  topic: string;
  /** Absent on what is not stored: that has no place. */
  seq?: number;
}

/** What waits for a position. */
export interface WaitOptions {
  /** Rejects with its reason when it aborts. */
  signal?: AbortSignal;
}

/** How `subscribe` treats its events. */
export interface SubscribeOptions {
  /**
   * A durable subscription that goes on where it was. Without one it begins now and ends with the
   * process.
   */
  name?: string;
  /** Only these types. */
  eventTypes?: string[];
  /** A CEL expression; events that do not match count as done. */
  where?: string;
  /** Retries after the first attempt. Default 3. */
  maxRetries?: number;
  /**
   * An event whose handler began so many times and never answered (its process ended) is a dead
   * letter. Default 10.
   */
  maxDeliveries?: number;
  /**
   * The wait before a retry, ms; or what tells it from the attempt that failed (from 1). Default
   * `exp:1s..5m,jitter`.
   */
  retryDelay?: number | ((attempt: number) => number);
  /** Pauses the subscription when too many of the last attempts fail. Default null: never. */
  breaker?: BreakerSpec | null;
  /** The handler gets events in the last version that these lead to. */
  upcast?: Upcasters;
  /** Where a new subscription begins, as an offset. Default `start` with a name, else `end`. */
  from?: string;
  /** Handlers that run at a time. Default 1. */
  concurrency?: number;
  /** Fails an attempt that takes longer, ms (`HandlerTimeoutError`). Default: none. */
  timeoutMs?: number;
  /** Wrapped around the handler; the first is outermost. `reliable()` gives the usual ones. */
  middleware?: readonly Middleware[];
  /**
   * Behind a daemon: the most events that are fetched ahead of the handlers. Default: what keeps
   * them busy.
   */
  prefetch?: number;
  /** Unsubscribes when it aborts. */
  signal?: AbortSignal;
}

/** How `subscribeBatch` gathers events. */
export interface BatchOptions {
  /** The most events of a batch. Default 100. */
  size?: number;
  /** How long the first event of a batch waits for others, ms. Default 20. */
  maxWaitMs?: number;
}

/** What calls the handler. */
export interface Runner {
  start(): void;
  pause(): void;
  resume(): void;
  /** Takes no more events; resolves when the handler has ended those that it has. */
  stop(): Promise<void>;
}

/** What a {@link Subscription} is made of. */
export interface SubscriptionParts {
  name: string;
  topic: string;
  /** Resolves with the runner once the subscription is there. */
  runner: Promise<Runner>;
  info(): MaybePromise<SubscriptionInfo>;
  whenProcessed(position: Position, options: WaitOptions): Promise<void>;
  /** Called once, when it has stopped. */
  ended(): Promise<void> | void;
  /** Told what nobody waits for. */
  onError(error: unknown, context: string): void;
  clock: Clock;
}

/** A handler at work. */
export class Subscription {
  /** Its name; one without a name was given one. */
  readonly name: string;
  /** The topic or pattern. */
  readonly topic: string;
  /** Resolves when events can come; rejects where the subscription could not be made. */
  readonly ready: Promise<void>;
  readonly #parts: SubscriptionParts;
  #runner: Runner | undefined;
  #paused = false;
  #ended: Promise<void> | undefined;
  /** Its end was asked for by a handler that does not wait for it. */
  #told = false;

  /** @internal */
  constructor(parts: SubscriptionParts) {
    this.name = parts.name;
    this.topic = parts.topic;
    this.#parts = parts;
    this.ready = parts.runner.then((runner) => this.attach(runner));
    // Whoever awaits `ready` is told; the broker's onError was told already.
    this.ready.catch(() => {});
  }

  /**
   * Lets the runner begin.
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

  /** Stops receiving events; what is being handled is ended. */
  pause(): void {
    this.#paused = true;
    this.#runner?.pause();
  }

  /** Goes on where `pause` stopped. */
  resume(): void {
    this.#paused = false;
    this.#runner?.resume();
  }

  /**
   * How far it is. While it is being made, and when it is gone, a promise; it never throws by
   * itself.
   */
  info(): MaybePromise<SubscriptionInfo> {
    try {
      return this.#parts.info();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Resolves when every event of the topic up to this one is done or a dead letter. Rejects with
   * `UnsupportedError` for an event that was not stored, with `InvalidArgumentError` for a topic
   * that is not subscribed to, and with `ConflictError` (`handler/waits-for-itself`) in a handler
   * of its own that this waits for.
   */
  async whenProcessed(position: Position, options: WaitOptions = {}): Promise<void> {
    refuseUnknown(options, { of: "whenProcessed", known: WAIT_OPTIONS });
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
   * Ends it; resolves when the handler has ended what it was doing. A named one goes on later where
   * it was. In its own handler it resolves at once, and ends when that handler has returned.
   */
  unsubscribe(): Promise<void> {
    this.#ended ??= this.#end();
    if (!ownCall(this.#runner)) return this.#ended;
    if (!this.#told) this.#ended.catch((error) => this.#parts.onError(error, "unsubscribe"));
    this.#told = true;
    return Promise.resolve();
  }

  async #end(): Promise<void> {
    // One that could not begin was told to `ready` and to `onError`: there is nothing to end.
    const runner = this.#runner ?? await this.#parts.runner.catch(() => undefined);
    await runner?.stop();
    await this.#parts.ended();
  }

  /** Unsubscribes. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.unsubscribe();
  }
}
