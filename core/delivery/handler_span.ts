/** Handlers in spans, where the application has OpenTelemetry. */
import type { Event } from "../event/event.ts";
import {
  lookForTracer,
  type Tracer,
  tracerNow,
  type TraceSpan,
} from "../tracing/open_telemetry.ts";
import { describeMessage, fail, failWith, handling, type SpanSubject } from "../tracing/spans.ts";
import { isA, thrownText } from "../base/thrown.ts";
import { UNNAMED } from "../protocol/constants.ts";
import type { BatchHandler, Handler, HandlerContext } from "./handler.ts";
import { HandlerOutcome, promiseOf, thenOf } from "./outcome.ts";

/** The same handler; each call is a span. */
export function tracedHandler(handler: Handler): Handler {
  lookForTracer();
  return (event, context) => {
    const tracer = tracerNow();
    return tracer === undefined
      ? handler(event, context)
      : inSpan(tracer, { events: [event], context }, () => handler(event, context));
  };
}

/** The same for a handler of batches: each batch is a span. */
export function tracedBatchHandler(handler: BatchHandler): BatchHandler {
  lookForTracer();
  return (events, context) => {
    const tracer = tracerNow();
    return tracer === undefined
      ? handler(events, context)
      : inSpan(tracer, { events, context, isBatch: true }, () => handler(events, context));
  };
}

interface Call {
  events: readonly Event[];
  context: HandlerContext;
  isBatch?: boolean;
}

function inSpan(tracer: Tracer, call: Call, work: () => unknown): unknown {
  return handling(tracer, subjectOf(call), (span) => {
    const [event] = call.events;
    if (!call.isBatch && event !== undefined) describeMessage(span, event);
    let result: unknown;
    let promise: Promise<unknown> | undefined;
    try {
      result = work();
      promise = promiseOf(result);
    } catch (error) {
      threw(span, error);
      throw error;
    }
    if (promise === undefined) return returned(span, result);
    return thenOf.call(promise, (value) => returned(span, value), (error) => {
      threw(span, error);
      throw error;
    });
  });
}

function subjectOf({ events, context, isBatch }: Call): SpanSubject {
  const { subscription, attempt } = context;
  const isNamed = !subscription.startsWith(UNNAMED);
  return {
    topics: events.map(({ topic }) => topic),
    traces: events.map(({ metadata }) => metadata),
    count: isBatch ? events.length : undefined,
    attributes: {
      "messaging.consumer.group.name": isNamed ? subscription : undefined,
      ...!isBatch && {
        "messaging.env_event_stream.event.type": events[0]?.type,
        "messaging.env_event_stream.attempt": attempt,
      },
    },
  };
}

/** What an outcome is called where no error is its cause. */
const TYPES = { retry: "retry", dead: "dead_letter", skip: "skip" } as const;

/** The handler returned, though perhaps with an outcome that is a failed attempt. */
function returned(span: TraceSpan, result: unknown): unknown {
  const failed = failedOutcome(result);
  if (failed !== undefined) {
    const { kind, reason, cause } = failed;
    if (cause !== undefined) fail(span, { error: cause, reason: thrownText(reason) });
    else failWith(span, { type: TYPES[kind], reason: thrownText(reason) });
  }
  span.end();
  return result;
}

/** The first outcome that is a failed attempt, of one event or of a batch. */
function failedOutcome(result: unknown): HandlerOutcome | undefined {
  if (typeof result !== "object" || result === null) return undefined;
  try {
    const outcomes: unknown[] = Array.isArray(result) ? result : [result];
    return outcomes.filter((one) => isA(one, HandlerOutcome)).find(({ kind }) => kind !== "skip");
  } catch {
    return undefined; // it cannot even be read: whoever settles it says so
  }
}

function threw(span: TraceSpan, error: unknown): void {
  fail(span, { error });
  span.end();
}
