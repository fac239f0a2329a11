/**
 * Turns the options of `subscribe` into what handlers in this process need, wherever the broker
 * runs.
 */
import type { Clock } from "../base/clock.ts";
import { InvalidArgumentError, UnsupportedError } from "../base/errors.ts";
import { parseRate, type Rate } from "../base/rate.ts";
import { currentCall, HandlerCall, runBecause } from "../event/causation.ts";
import type { Event } from "../event/event.ts";
import type { SubscriptionSettings } from "../state/state.ts";
import type { BatchOptions, Position, SubscribeOptions } from "./subscription.ts";
import { type BatchHandler, compose, type Handler, type HandlerContext } from "./handler.ts";
import { assertObject, assertText, refuseUnknown } from "../base/options.ts";
import { BATCH_OPTIONS, SUBSCRIBE_OPTIONS } from "./option_names.ts";
import { timeout } from "./middleware.ts";
import { tracedBatchHandler, tracedHandler } from "./handler_span.ts";
import { checkSettings } from "./settings.ts";

/** Returns the position. Throws `InvalidArgumentError` if it names no topic. */
export function assertPosition(position: Position): Position {
  assertText(
    assertObject(position, "the position, or the event,").topic,
    "the topic of a position",
  );
  return position;
}

/** The settings that are stored with the subscription. */
export function settingsOf(options: SubscribeOptions): Partial<SubscriptionSettings> {
  refuseUnknown(options, { of: "subscribe", known: SUBSCRIBE_OPTIONS });
  const { retryDelay, maxRetries, maxDeliveries, eventTypes, where, breaker } = options;
  if (breaker && options.name === undefined) {
    throw new InvalidArgumentError("a breaker needs a subscription with a name", {
      details: { field: "breaker" },
      hint: "give the subscription a name",
    });
  }
  rateOf(options);
  const wait = typeof retryDelay === "number" ? Math.max(0, Math.round(retryDelay)) : undefined;
  return checkSettings({
    maxRetries,
    maxDeliveries,
    eventTypes,
    where,
    breaker,
    backoff: wait === undefined
      ? undefined
      : { kind: "fixed", base: wait, max: wait, jitter: false },
  });
}

/** The rate of `subscribe`; throws `InvalidArgumentError`. */
export function rateOf({ rate }: Pick<SubscribeOptions, "rate">): Rate | undefined {
  return rate === undefined ? undefined : parseRate(rate);
}

/** Wraps a handler in its middleware, time-out and upcasters, and all of it in a span. */
export function handlerOf(
  handler: Handler,
  options: Pick<SubscribeOptions, "middleware" | "timeoutMs" | "upcast">,
  { clock, tracing }: { clock: Clock; tracing: boolean },
): Handler {
  assertHandler(handler);
  const { upcast, middleware = [], timeoutMs } = options;
  const innermost: Handler = upcast
    ? (event, context) => handler(upcast.upcast(event), context)
    : handler;
  const all = timeoutMs === undefined ? middleware : [...middleware, timeout(timeoutMs, { clock })];
  const whole = all.length === 0 ? innermost : compose(innermost, all);
  if (!tracing) return whole;
  const batch = BATCHES.get(handler);
  if (batch === undefined) return tracedHandler(whole);
  // One span for each batch, not one for each of its events.
  batch.trace();
  return whole;
}

/** The batches of handlers that gather events. */
const BATCHES = new WeakMap<Handler, Batch>();

/** Without types, a missing function would only show up as dead letters. */
function assertHandler(handler: unknown): void {
  if (typeof handler === "function") return;
  throw new InvalidArgumentError(`the handler is a function, not ${shown(handler)}`, {
    details: { field: "handler" },
  });
}

function shown(value: unknown): string {
  return value === null || value === undefined ? String(value) : typeof value;
}

/** The seq of a position; throws `UnsupportedError` for an event without one. */
export function seqOf({ topic, seq }: Position): number {
  if (seq !== undefined && Number.isSafeInteger(seq) && seq > 0) return seq;
  throw new UnsupportedError(`an event of ${topic} that is not stored has no position`, {
    details: { topic, seq },
    hint: "wait for idle() instead",
  });
}

/**
 * Turns `subscribeBatch` into a subscription for single events, which are gathered before the
 * handler runs.
 */
export function batchParts(
  handler: BatchHandler,
  options: SubscribeOptions & BatchOptions,
  clock: Clock,
): { handler: Handler; options: SubscribeOptions } {
  refuseUnknown(options, { of: "subscribeBatch", known: BATCH_OPTIONS });
  const { size = 100, maxWaitMs = 20, timeoutMs, ...rest } = options;
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new InvalidArgumentError(`size is a whole number from 1, not ${size}`, {
      details: { field: "size" },
    });
  }
  assertHandler(handler);
  const whole = timeoutMs === undefined ? handler : timed(handler, timeoutMs, clock);
  const batch = new Batch(whole, { size, maxWaitMs, clock });
  const gather: Handler = (event, context) => batch.add(event, context);
  BATCHES.set(gather, batch);
  return { handler: gather, options: { ...rest, concurrency: size } };
}

function timed(handler: BatchHandler, ms: number, clock: Clock): BatchHandler {
  const limit = timeout(ms, { clock });
  return (events, context) => limit((_, inner) => handler(events, inner))(events[0]!, context);
}

interface Waiting {
  event: Event;
  context: HandlerContext;
  call: HandlerCall | undefined;
  resolve(outcome: unknown): void;
  reject(error: unknown): void;
}

/** Gathers events; handles one batch at a time, in order of arrival. */
class Batch {
  #handler: BatchHandler;
  readonly #options: { size: number; maxWaitMs: number; clock: Clock };
  #waiting: Waiting[] = [];
  #cancel: (() => void) | undefined;
  #due = false;
  #running = false;

  constructor(
    handler: BatchHandler,
    options: { size: number; maxWaitMs: number; clock: Clock },
  ) {
    this.#handler = handler;
    this.#options = options;
  }

  /** From now on, each batch is a span. */
  trace(): void {
    this.#handler = tracedBatchHandler(this.#handler);
  }

  /** Resolves with the outcome of this event. */
  add(event: Event, context: HandlerContext): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, context, call: currentCall(), resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    const { size, maxWaitMs, clock } = this.#options;
    if (this.#running || this.#waiting.length === 0) return;
    if (this.#due || this.#waiting.length >= size) {
      this.#cancel?.();
      this.#cancel = undefined;
      this.#due = false;
      this.#run(this.#waiting.splice(0, size));
      return;
    }
    this.#cancel ??= clock.setTimer(() => {
      this.#cancel = undefined;
      this.#due = true;
      this.#next();
    }, maxWaitMs);
  }

  /**
   * Runs the handler as one call for all of its events: a batch may start in the timer or at the
   * end of another batch.
   */
  async #call(batch: readonly Waiting[]): Promise<unknown> {
    const [{ context, call, event: first }, ...rest] = batch as [Waiting, ...Waiting[]];
    const events: [Event, ...Event[]] = [first, ...rest.map(({ event }) => event)];
    if (!call) return await this.#handler(events, context);
    const whole = new HandlerCall(call.whose, events, { alone: true });
    try {
      return await runBecause(whole, () => this.#handler(events, context));
    } finally {
      whole.running = false;
    }
  }

  async #run(batch: readonly Waiting[]): Promise<void> {
    this.#running = true;
    try {
      const result = await this.#call(batch);
      const each = Array.isArray(result);
      if (each && result.length !== batch.length) {
        throw new InvalidArgumentError(
          `the handler gave ${result.length} outcomes for ${batch.length} events`,
          { hint: "return one outcome for each event in their order, or nothing" },
        );
      }
      for (const [i, { resolve }] of batch.entries()) resolve(each ? result[i] : result);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    this.#running = false;
    this.#next();
  }
}
