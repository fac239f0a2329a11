/**
 * Middleware for handlers, and the order that works. From the outside in: `dedup -> dead letter ->
 * retry -> timeout -> handler`. A repeat is recognized before anything runs; the dead letter sees
 * what the retry gave up on; the retry sees a time-out as a failure. None of them blocks the queue:
 * a retry is scheduled and delivered again later, it does not wait in place.
 */
import { assertObject } from "../base/options.ts";
import { isA } from "../base/thrown.ts";
import { thrownReason } from "../base/thrown_reason.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { setPatientTimer } from "../base/standstill.ts";
import { HandlerTimeoutError, InvalidArgumentError, NonRetryableError } from "../base/errors.ts";
import type { Event } from "../event/event.ts";
import type { Middleware } from "./handler.ts";
import { deadLetter, HandlerOutcome, retry, skip } from "./outcome.ts";

/** The options of {@link dedup}. */
export interface DedupOptions {
  /** What identifies an event. Default: its topic and id. */
  key?: (event: Event) => string;
  /** How many are remembered, the latest first. Default 10,000. */
  size?: number;
}

/**
 * Skips an event that this handler has already done. In memory only: forgotten on restart.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * const broker = new EventBroker();
 * broker.subscribe("users", () => {}, { middleware: [dedup({ size: 1000 })] });
 * ```
 */
export function dedup(options: DedupOptions = {}): Middleware {
  assertObject(options, "the options of dedup");
  const { key = ({ topic, id }) => `${topic}\n${id}`, size = 10_000 } = options;
  const done = new Set<string>();
  return (next) => async (event, context) => {
    const name = key(event);
    if (done.has(name)) return skip("done before");
    const result = await next(event, context);
    if (isA(result, HandlerOutcome) && result.kind !== "skip") return result;
    done.add(name);
    for (const oldest of done) {
      if (done.size <= size) break;
      done.delete(oldest);
    }
    return result;
  };
}

/** The options of {@link deadLetterOn}. */
export interface DeadLetterOptions {
  /** Which errors are dead-lettered. Default: all that get here. */
  when?: (error: unknown, event: Event) => boolean;
}

/**
 * Turns errors from the inner handlers into dead letters.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * const broker = new EventBroker();
 * const when = (error: unknown) => error instanceof TypeError;
 * broker.subscribe("users", () => {}, { middleware: [deadLetterOn({ when })] });
 * ```
 */
export function deadLetterOn(options: DeadLetterOptions = {}): Middleware {
  const { when = () => true } = assertObject(options, "the options of deadLetterOn");
  return (next) => async (event, context) => {
    try {
      return await next(event, context);
    } catch (error) {
      if (!when(error, event)) throw error;
      return deadLetter(thrownReason(error), { cause: error });
    }
  };
}

/** The options of {@link retryOn}. */
export interface RetryOptions {
  /**
   * The wait, ms, or a function of the failed attempt's number (from 1). Default: the
   * subscription's own.
   */
  delay?: number | ((attempt: number) => number);
  /** Which errors may go away with time. Default: all but `NonRetryableError`. */
  when?: (error: unknown, event: Event) => boolean;
}

/**
 * Turns an error into a retry while the subscription grants one; after that the error passes on
 * outwards.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * const broker = new EventBroker();
 * const retries = retryOn({ delay: (attempt) => attempt * 1000 });
 * broker.subscribe("users", () => {}, { middleware: [retries] });
 * ```
 */
export function retryOn(options: RetryOptions = {}): Middleware {
  assertObject(options, "the options of retryOn");
  const { delay, when = (error) => !isA(error, NonRetryableError) } = options;
  return (next) => async (event, context) => {
    try {
      return await next(event, context);
    } catch (error) {
      if (context.attempt > context.maxRetries || !when(error, event)) throw error;
      const afterMs = typeof delay === "function" ? delay(context.attempt) : delay;
      return retry({ cause: error, afterMs });
    }
  };
}

/**
 * Fails an attempt that takes longer than `ms` with `HandlerTimeoutError` (`handler/timed-out`),
 * and aborts its signal. Whatever the handler does after that is ignored.
 *
 * ```ts
 * import { EventBroker } from "@env/env-event-stream";
 *
 * const broker = new EventBroker();
 * broker.subscribe("users", () => {}, { middleware: [timeout(5000)] });
 * ```
 */
export function timeout(ms: number, options: { clock?: Clock } = {}): Middleware {
  if (!(typeof ms === "number" && ms > 0)) {
    const given = typeof ms === "number" ? ms : typeof ms;
    throw new InvalidArgumentError(`a time-out is a number of milliseconds above 0, not ${given}`, {
      details: { field: "timeoutMs" },
    });
  }
  const { clock = systemClock } = assertObject(options, "the options of timeout");
  return (next) => (event, context) => {
    const abort = new AbortController();
    const stop = () => abort.abort(context.signal.reason);
    if (context.signal.aborted) stop();
    const result = next(event, { ...context, signal: abort.signal });
    if (typeof (result as PromiseLike<unknown> | undefined)?.then !== "function") return result;
    context.signal.addEventListener("abort", stop, { once: true });
    return new Promise((resolve, reject) => {
      const cancel = setPatientTimer(clock, () => {
        context.signal.removeEventListener("abort", stop);
        const error = new HandlerTimeoutError(
          `the handler of ${context.subscription} did not end within ${ms} ms`,
          { details: { subscription: context.subscription, id: event.id, timeoutMs: ms } },
        );
        reject(error);
        abort.abort(error);
      }, ms);
      const end = (settle: () => void) => {
        cancel();
        context.signal.removeEventListener("abort", stop);
        settle();
      };
      Promise.resolve(result).then(
        (value) => end(() => resolve(value)),
        (error) => end(() => reject(error)),
      );
    });
  };
}

/** The options of {@link reliable}; `false` omits a part. */
export interface ReliableOptions {
  /** Handles an id once; `false` omits it. */
  dedup?: DedupOptions | false;
  /** Which errors are dead-lettered at once; `false` omits it. */
  deadLetter?: DeadLetterOptions | false;
  /** Which errors are retried, and after what wait; `false` omits it. */
  retry?: RetryOptions | false;
  /** Milliseconds; `false` for no time-out. Default 30,000. */
  timeout?: number | false;
  /** Default: the real one. */
  clock?: Clock;
}

/**
 * The usual middleware, in the order that works.
 *
 * ```ts
 * import { EventBroker, reliable } from "@env/env-event-stream";
 *
 * await using broker = new EventBroker();
 * broker.subscribe("mails", async (event, { signal }) => {
 *   await fetch("http://localhost:8025", { method: "POST", body: event.payload.text, signal });
 * }, { name: "mailer", middleware: reliable({ timeout: 5000 }) });
 * ```
 */
export function reliable(options: ReliableOptions = {}): Middleware[] {
  const { timeout: ms = 30_000, clock } = assertObject(options, "the options of reliable");
  return [
    ...(options.dedup === false ? [] : [dedup(options.dedup)]),
    ...(options.deadLetter === false ? [] : [deadLetterOn(options.deadLetter)]),
    ...(options.retry === false ? [] : [retryOn(options.retry)]),
    ...(ms === false ? [] : [timeout(ms, clock ? { clock } : {})]),
  ];
}
