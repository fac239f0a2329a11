/** Handlers: what an application does with an event, and the context that it gets. */
import type { Event } from "../event/event.ts";

/** What a handler is told about its attempt. */
export interface HandlerContext {
  /** The subscription's name. */
  readonly subscription: string;
  /** The number of the attempt, from 1. */
  readonly attempt: number;
  /**
   * The number of the delivery, from 1: the earlier ones ended without an answer because a process
   * or a connection did.
   */
  readonly delivery: number;
  /** How many retries the subscription grants after the first attempt. */
  readonly maxRetries: number;
  /** Aborts when the subscription ends or the attempt times out. */
  readonly signal: AbortSignal;
}

/**
 * Handles an event. Returning means done; a throw or rejection is a failed attempt; `retry`,
 * `deadLetter` and `skip` create an outcome to return.
 */
// deno-lint-ignore no-explicit-any -- the promised interface: an untyped handler reads its payload without a cast
export type Handler<T = any> = (event: Event<T>, context: HandlerContext) => unknown;

/** Wraps a handler in another. */
export type Middleware = (next: Handler) => Handler;

/** Wraps a handler in its middleware: the first is outermost. */
export function compose(handler: Handler, middleware: readonly Middleware[]): Handler {
  return middleware.reduceRight((next, wrap) => wrap(next), handler);
}

/**
 * Handles several events at once. A return value or a throw applies to all of them; an array of
 * outcomes has one for each.
 */
// deno-lint-ignore no-explicit-any -- the promised interface: an untyped handler reads its payload without a cast
export type BatchHandler<T = any> = (events: Event<T>[], context: HandlerContext) => unknown;
