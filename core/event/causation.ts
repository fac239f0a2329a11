/**
 * What an event was published because of.
 *
 * While a handler runs, the event that it handles is known here, across every `await`: what it publishes gets
 * `causationId` (that event's id) and `correlationId` (that event's, or its id where it has none) by itself. The event
 * follows the asynchronous call, so two handlers that run at a time do not see each other's (docs/adr: causation).
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Event } from "./event.ts";

/** As much of an event as causes others. */
export type Cause = Pick<Event, "id" | "metadata">;

const storage = new AsyncLocalStorage<Cause>();
/** The event of a handler that is running right now, on the way that costs nothing: {@link runBecauseNow}. */
let running: Cause | undefined;

/** The event that is being handled where this is called; undefined outside of handlers. */
export function currentCause(): Cause | undefined {
  return running ?? storage.getStore();
}

/** Calls `work(event)`; the event is the cause until the promise that it returns has settled. */
export function runBecause<T>(event: Event, work: (event: Event) => T): T {
  const before = running;
  running = undefined;
  try {
    return storage.run(event, work, event);
  } finally {
    running = before;
  }
}

/** The same at a hundredth of the price, for work that does not wait: the event is the cause until `work` returns. */
export function runBecauseNow<T>(event: Event, work: (event: Event) => T): T {
  const before = running;
  running = event;
  try {
    return work(event);
  } finally {
    running = before;
  }
}

/**
 * The metadata that says what an event was published because of, for work that outlives its handler.
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

/** The metadata of something that is published here and now: what was given, and the cause where none was given. */
export function withCause(metadata: Record<string, unknown>): Record<string, unknown> {
  const cause = currentCause();
  return cause ? { ...causedBy(cause), ...metadata } : metadata;
}
