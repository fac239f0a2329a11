/**
 * Tracks which event caused another to be published.
 *
 * While a handler runs, the event it is handling is known here, across every `await`. Whatever the
 * handler publishes gets `causationId` (that event's id) and `correlationId` (that event's, or its
 * id if it has none) automatically. The context follows the asynchronous call, so handlers that run
 * concurrently do not see each other's event (docs/adr: causation).
 */
import { assertObject, assertText } from "../base/options.ts";
import { AsyncLocalStorage } from "node:async_hooks";
import type { Event } from "./event.ts";
import { addTrace, traceContextOf } from "./trace_context.ts";

/** The fields of an event needed to be the cause of another. */
export type Cause = Pick<Event, "id" | "metadata">;

/** One call of a handler: which events it handles, and for which subscription. */
export class HandlerCall {
  /**
   * What runs this subscription's handlers: `whose === runner` identifies a subscription's own
   * call.
   */
  readonly whose: object;
  /** The event being handled; the first of a batch. */
  readonly event: Event;
  /** All the events being handled. */
  readonly events: readonly Event[];
  /** True if nothing else of its subscription is handled before it ends. */
  readonly alone: boolean;
  /** False once it has ended: timers and loops that it started still have it as their context. */
  running = true;

  constructor(whose: object, events: readonly [Event, ...Event[]], { alone }: { alone: boolean }) {
    this.whose = whose;
    this.event = events[0];
    this.events = events;
    this.alone = alone;
  }
}

const storage = new AsyncLocalStorage<HandlerCall>();
/** The handler running right now, set by the cheap path: {@link runBecauseNow}. */
let running: Event | undefined;
let runningFor: object | undefined;

/** The event being handled by the caller; undefined outside handlers. */
export function currentCause(): Cause | undefined {
  return running ?? storage.getStore()?.event;
}

/**
 * The handler call that the caller is part of; undefined outside handlers, and once that handler
 * has ended.
 */
export function currentCall(): HandlerCall | undefined {
  if (running && runningFor) return new HandlerCall(runningFor, [running], { alone: true });
  const call = storage.getStore();
  return call?.running ? call : undefined;
}

/**
 * Calls `work(event)`. The event is the cause until the promise that `work` returns has settled.
 */
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
 * The same at a hundredth of the cost, for synchronous work: the event is the cause until `work`
 * returns.
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
  assertText(assertObject(event, "an event").id, "the id of an event");
  const correlation = event.metadata?.["correlationId"];
  return {
    causationId: event.id,
    correlationId: typeof correlation === "string" ? correlation : event.id,
  };
}

/**
 * The metadata for an event being published now: what was given, with the current cause filled in,
 * and its trace.
 */
export function withCause(metadata: Record<string, unknown>): Record<string, unknown> {
  const cause = currentCause();
  if (!cause) return metadata;
  const caused = { ...causedBy(cause), ...metadata };
  if (cause.metadata?.["traceparent"] === undefined) return caused;
  const trace = traceContextOf(cause.metadata);
  return trace === undefined ? caused : addTrace(caused, trace);
}
