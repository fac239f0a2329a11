/**
 * What an event was published because of.
 *
 * While a handler runs, the event that it handles is known here, across every `await`: what it
 * publishes gets `causationId` (that event's id) and `correlationId` (that event's, or its id where
 * it has none) by itself. The event follows the asynchronous call, so two handlers that run at a
 * time do not see each other's (docs/adr: causation).
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Event } from "./event.ts";

/** As much of an event as causes others. */
export type Cause = Pick<Event, "id" | "metadata">;

/** One call of a handler: what it handles, and whose handler it is. */
export class HandlerCall {
  /** Runs the handlers of one subscription: `whose === runner` tells a subscription's own call. */
  readonly whose: object;
  /** The event that it handles; the first of a batch. */
  readonly event: Event;
  /** All that it handles. */
  readonly events: readonly Event[];
  /** Nothing else of its subscription is handled before it ends. */
  readonly alone: boolean;
  /** False once it has ended: timers and loops that it began keep it as their context. */
  running = true;

  constructor(whose: object, events: readonly [Event, ...Event[]], { alone }: { alone: boolean }) {
    this.whose = whose;
    this.event = events[0];
    this.events = events;
    this.alone = alone;
  }
}

const storage = new AsyncLocalStorage<HandlerCall>();
/** A handler that is running right now, on the way that costs nothing: {@link runBecauseNow}. */
let running: Event | undefined;
let runningFor: object | undefined;

/** The event that is being handled where this is called; undefined outside of handlers. */
export function currentCause(): Cause | undefined {
  return running ?? storage.getStore()?.event;
}

/**
 * The handler's call that this is part of; undefined outside of handlers, and when that handler has
 * ended.
 */
export function currentCall(): HandlerCall | undefined {
  if (running && runningFor) return new HandlerCall(runningFor, [running], { alone: true });
  const call = storage.getStore();
  return call?.running ? call : undefined;
}

/** Calls `work(event)`; the event is the cause until the promise that it returns has settled. */
export function runBecause<T>(call: HandlerCall, work: (event: Event) => T): T {
  const before = running;
  running = undefined;
  try {
    return storage.run(call, work, call.event);
  } finally {
    running = before;
  }
}

/**
 * The same at a hundredth of the price, for work that does not wait: the event is the cause until
 * `work` returns.
 */
export function runBecauseNow<T>(whose: object, event: Event, work: (event: Event) => T): T {
  const before = running;
  const beforeFor = runningFor;
  running = event;
  runningFor = whose;
  try {
    return work(event);
  } finally {
    running = before;
    runningFor = beforeFor;
  }
}

/**
 * The metadata that says what an event was published because of, for work that outlives its
 * handler.
 *
 * ```ts
 * import { causedBy, EventBroker } from "@env/env-event-stream";
 *
 * await using broker = new EventBroker();
 * const order = await broker.publish("orders", "order.placed", { total: 12 });
 * const mail = await broker.publish("mails", "mail.sent", {}, causedBy(order));
 * console.log(mail.metadata.causationId === order.id); // true
 * ```
 */
export function causedBy(event: Cause): { causationId: string; correlationId: string } {
  const correlation = event.metadata?.["correlationId"];
  return {
    causationId: event.id,
    correlationId: typeof correlation === "string" ? correlation : event.id,
  };
}

/**
 * The metadata of something that is published here and now: what was given, and the cause where
 * none was given.
 */
export function withCause(metadata: Record<string, unknown>): Record<string, unknown> {
  const cause = currentCause();
  return cause ? { ...causedBy(cause), ...metadata } : metadata;
}
