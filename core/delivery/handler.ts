/** A handler: what an application does with an event, and what it is told beside the event. */
import type { Event } from "../event/event.ts";

/** What a handler is told of the attempt that it is. */
export interface HandlerContext {
  /** The subscription's name. */
  readonly subscription: string;
  /** From 1. */
  readonly attempt: number;
  /**
   * Which delivery it is, from 1: those before ended without an answer, because a process or a
   * connection did.
   */
  readonly delivery: number;
  /** How many retries the subscription grants after the first attempt. */
  readonly maxRetries: number;
  /** Aborts when the subscription ends, and when the attempt's time is over. */
  readonly signal: AbortSignal;
}

/**
 * What is done with an event. Returning means done; a rejection or a throw is a failed attempt;
 * `retry`, `deadLetter` and `skip` make an outcome to return.
 */
// deno-lint-ignore no-explicit-any -- the promised interface: an untyped handler reads its payload without a cast
export type Handler<T = any> = (event: Event<T>, context: HandlerContext) => unknown;

/** Wraps a handler in another. */
export type Middleware = (next: Handler) => Handler;

/** The handler inside of its middleware: the first is outermost. */
export function compose(handler: Handler, middleware: readonly Middleware[]): Handler {
  return middleware.reduceRight((next, wrap) => wrap(next), handler);
}

/**
 * Handles several events at once. What it returns or throws speaks for all; an array of outcomes
 * for each.
 */
// deno-lint-ignore no-explicit-any -- the promised interface: an untyped handler reads its payload without a cast
export type BatchHandler<T = any> = (events: Event<T>[], context: HandlerContext) => unknown;
