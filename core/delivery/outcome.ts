/**
 * Outcomes that a handler can return, besides returning normally (done) and throwing (failed).
 *
 * ```ts
 * import { deadLetter, EventBroker, retry, skip } from "@env/env-event-stream";
 *
 * await using broker = new EventBroker();
 * broker.subscribe("orders", (event) => {
 *   if (event.payload.test) return skip("a test order");
 *   if (event.payload.total < 0) return deadLetter("a total below nothing");
 *   if (Date.now() < event.payload.notBefore) return retry({ afterMs: 5000 });
 * });
 * ```
 */
import { assertObject } from "../base/options.ts";
import { defined } from "../base/defined.ts";
import { isA, thrownStack, thrownText } from "../base/thrown.ts";
import { thrownReason } from "../base/thrown_reason.ts";
import { NonRetryableError } from "../base/errors.ts";
import { LONGEST_DELAY_MS } from "../event/limits.ts";

/**
 * The result of {@link retry}, {@link deadLetter} and {@link skip}; a handler returns it.
 *
 * ```ts
 * import { type Handler } from "@env/env-event-stream";
 *
 * const outcomes: HandlerOutcome[] = [retry(), deadLetter("no customer"), skip()];
 * const handler: Handler = () => outcomes[0];
 * ```
 */
export class HandlerOutcome {
  /** What should happen to the event. */
  readonly kind: "retry" | "dead" | "skip";
  /** The reason, for people. */
  readonly reason: string;
  /** For a retry: the wait, ms; undefined means the subscription's own. */
  readonly afterMs: number | undefined;
  /** The error that it was created from. */
  readonly cause: unknown;

  /** @internal */
  constructor(
    kind: "retry" | "dead" | "skip",
    about: { reason: string; afterMs?: number | undefined; cause?: unknown },
  ) {
    this.kind = kind;
    this.reason = about.reason;
    this.afterMs = about.afterMs;
    this.cause = about.cause;
  }
}

/**
 * Retry the event after `afterMs`, or after the subscription's own wait. Counts as a failed
 * attempt.
 *
 * ```ts
 * import { type Handler } from "@env/env-event-stream";
 *
 * const handler: Handler = () => retry({ afterMs: 60_000, reason: "the bank is closed" });
 * ```
 */
export function retry(
  options: { afterMs?: number; reason?: string; cause?: unknown } = {},
): HandlerOutcome {
  const { afterMs, cause } = assertObject(options, "the options of retry");
  const reason = options.reason ??
    (cause === undefined ? "the handler asked for a retry" : thrownReason(cause));
  return new HandlerOutcome("retry", {
    reason,
    cause,
    afterMs: afterMs === undefined || !(afterMs >= 0) ? undefined : Math.round(afterMs),
  });
}

/**
 * Give up on the event now: it becomes a dead letter with this reason.
 *
 * ```ts
 * import { type Handler } from "@env/env-event-stream";
 *
 * const handler: Handler = () => deadLetter("the order has no customer");
 * ```
 */
export function deadLetter(reason: string, options: { cause?: unknown } = {}): HandlerOutcome {
  return new HandlerOutcome("dead", { reason, ...options });
}

/**
 * Nothing to do: the event counts as done.
 *
 * ```ts
 * import { type Handler } from "@env/env-event-stream";
 *
 * const handler: Handler = ({ payload }) => payload === null ? skip("empty") : undefined;
 * ```
 */
export function skip(reason = "skipped by the handler"): HandlerOutcome {
  return new HandlerOutcome("skip", { reason });
}

/** A failed attempt, as a runner settles it. */
export interface FailedAttempt {
  error: string;
  stack?: string;
  /** Dead-letter at once. */
  dead: boolean;
  /** Retry after this long instead of the backoff, ms. */
  afterMs?: number;
}

/** What a handler's result means; undefined: done. Never throws, whatever was returned. */
export function failureOfResult(result: unknown): FailedAttempt | undefined {
  try {
    return failureOfOutcome(result);
  } catch (error) {
    return failureOfError(error);
  }
}

function failureOfOutcome(result: unknown): FailedAttempt | undefined {
  if (!isA(result, HandlerOutcome) || result.kind === "skip") return undefined;
  const { kind, reason, afterMs, cause } = result;
  return {
    error: thrownText(reason),
    ...stackOf(cause),
    dead: kind === "dead",
    ...delayOf(afterMs),
  };
}

/** What an error thrown by a handler means. Never throws, whatever was thrown. */
export function failureOfError(error: unknown): FailedAttempt {
  return {
    error: thrownReason(error),
    ...stackOf(error),
    dead: isA(error, NonRetryableError),
  };
}

function stackOf(error: unknown): { stack?: string } {
  return defined({ stack: thrownStack(error) });
}

/**
 * A wait that can be stored: whole milliseconds, at most a year; absent unless it is a number from
 * 0.
 */
function delayOf(ms: unknown): { afterMs?: number } {
  if (typeof ms !== "number" || !(ms >= 0)) return {};
  return { afterMs: Math.min(LONGEST_DELAY_MS, Math.round(ms)) };
}

/**
 * Adds the wait computed by `retryDelay`, if that is a function and the handler gave no wait. If it
 * throws, the error is reported and the subscription's own wait applies.
 */
export function withDelay(
  failure: FailedAttempt,
  about: {
    attempt: number;
    retryDelay: ((attempt: number) => number) | undefined;
    onError(error: unknown): void;
  },
): FailedAttempt {
  if (!about.retryDelay || failure.afterMs !== undefined) return failure;
  try {
    return { ...failure, ...delayOf(Number(about.retryDelay(about.attempt))) };
  } catch (cause) {
    about.onError(cause);
    return failure;
  }
}

/** The original `then`, in case a promise has its own. */
export const { then: thenOf } = Promise.prototype;

/** The promise that a handler returned; undefined if it is none. Throws what its getters throw. */
export function promiseOf(result: unknown): Promise<unknown> | undefined {
  if (result === undefined) return undefined;
  const isThenable = typeof (result as PromiseLike<unknown> | null)?.then === "function";
  return isThenable ? Promise.resolve(result) : undefined;
}
