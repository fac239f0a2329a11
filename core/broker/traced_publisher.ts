/** Publishing in spans, where the application has OpenTelemetry. */
import type { Event } from "../event/event.ts";
import type { Message } from "../event/event_map.ts";
import { MAX_EVENT_BYTES } from "../event/limits.ts";
import type { OutboxTransaction } from "../store/outbox.ts";
import { isJsonObject } from "../json/json_object.ts";
import type { GivenTrace, TraceContext } from "../event/trace_context.ts";
import { lookForTracer, type Tracer, tracerNow } from "../tracing/open_telemetry.ts";
import {
  describeMessage,
  fail,
  type SpanSubject,
  startPublishing,
  traceOfSpan,
} from "../tracing/spans.ts";
import type { BrokerOptions } from "./broker_options.ts";
import type { AddressedMessage } from "./publish_all.ts";
import { Publisher, type PublisherContext } from "./publisher.ts";
import type { PublishOptions, SplitOptions } from "./publish_options.ts";

/** Publishes values as events. */
export interface Publishing {
  /** Publishes one value. */
  publish(
    topic: string,
    what: { type: string; payload: unknown; options: PublishOptions | undefined },
  ): Promise<Event>;
  /** Publishes several values, all or none. */
  publishBatch(
    topic: string,
    messages: readonly Message[],
    options: Pick<SplitOptions, "expected" | "signal">,
  ): Promise<Event[]>;
  /** Publishes values to several topics, all or none. */
  publishAll(
    messages: readonly AddressedMessage[],
    options: Pick<SplitOptions, "signal">,
  ): Promise<Event[]>;
}

/** The same in this process. */
export interface LocalPublishing extends Publishing {
  /** Writes one value in a transaction of the application. */
  publishIn(tx: OutboxTransaction, topic: string, what: Published): Promise<Event>;
}

/** The publisher of a broker in this process. */
export function publisherOf(options: BrokerOptions, context: PublisherParts): LocalPublishing {
  const { tracing = true, maxEventBytes = MAX_EVENT_BYTES } = options;
  const publisher = new Publisher({ ...context, maxEventBytes });
  return tracing ? new TracedLocalPublisher(publisher) : publisher;
}

/** What `publish` is called with. */
type Published = Parameters<Publishing["publish"]>[1];
type PublisherParts = Omit<PublisherContext, "maxEventBytes">;

/** Publishes by another one; each publish is a span, to which its events belong. */
export class TracedPublisher implements Publishing {
  readonly #inner: Publishing;

  constructor(inner: Publishing) {
    this.#inner = inner;
    lookForTracer();
  }

  publish(topic: string, what: Published): Promise<Event> {
    const publish = (what: Published) => this.#inner.publish(topic, what);
    return this.one(topic, what, publish);
  }

  /** @internal */
  protected one(
    topic: string,
    what: Published,
    publish: (what: Published) => Promise<Event>,
  ): Promise<Event> {
    const tracer = tracerNow();
    if (tracer === undefined) return publish(what);
    const subject = {
      topics: [topic],
      traces: [ownTrace(what.options)],
      attributes: { "messaging.env_event_stream.event.type": what.type },
    };
    return inSpan(tracer, subject, async (trace, describe) => {
      const event = await publish({ ...what, options: withTrace(what.options, trace) });
      describe(event);
      return event;
    });
  }

  publishBatch(
    topic: string,
    messages: readonly Message[],
    options: Pick<SplitOptions, "expected" | "signal">,
  ): Promise<Event[]> {
    const tracer = tracerNow();
    if (tracer === undefined || messages.length === 0) {
      return this.#inner.publishBatch(topic, messages, options);
    }
    return inSpan(tracer, batchOf(messages, [topic]), (trace) => {
      const traced = messages.map((message) => withTrace(message, trace));
      return this.#inner.publishBatch(topic, traced, options);
    });
  }

  publishAll(
    messages: readonly AddressedMessage[],
    options: Pick<SplitOptions, "signal">,
  ): Promise<Event[]> {
    const tracer = tracerNow();
    if (tracer === undefined || messages.length === 0) {
      return this.#inner.publishAll(messages, options);
    }
    const topics = messages.map(({ topic }) => topic);
    return inSpan(tracer, batchOf(messages, topics), (trace) => {
      const traced = messages.map((message) => withTrace(message, trace));
      return this.#inner.publishAll(traced, options);
    });
  }
}

/** The same for a publisher of this process. */
class TracedLocalPublisher extends TracedPublisher implements LocalPublishing {
  readonly #inner: LocalPublishing;

  constructor(inner: LocalPublishing) {
    super(inner);
    this.#inner = inner;
  }

  publishIn(tx: OutboxTransaction, topic: string, what: Published): Promise<Event> {
    return this.one(topic, what, (what) => this.#inner.publishIn(tx, topic, what));
  }
}

function batchOf(messages: readonly Message[], topics: readonly string[]): SpanSubject {
  return { topics, count: messages.length, traces: messages.map(ownTrace) };
}

/** What is published is captured before this returns, as without a span. */
async function inSpan<T>(
  tracer: Tracer,
  subject: SpanSubject,
  work: (trace: TraceContext | undefined, describe: (event: Event) => void) => Promise<T>,
): Promise<T> {
  const span = startPublishing(tracer, subject);
  try {
    return await work(traceOfSpan(span), (event) => describeMessage(span, event));
  } catch (error) {
    fail(span, { error });
    throw error;
  } finally {
    span.end();
  }
}

/** The trace that an event names itself: beside the options, or in its metadata. */
function ownTrace(given: object | undefined): GivenTrace {
  const { metadata, traceparent, tracestate } = membersOf(given);
  const inside = isJsonObject(metadata) ? metadata as GivenTrace : {};
  return {
    traceparent: traceparent ?? inside.traceparent,
    tracestate: tracestate ?? inside.tracestate,
  };
}

/** The same with the trace in the metadata, unless it names one itself. */
function withTrace<T extends object | undefined>(given: T, trace: TraceContext | undefined): T {
  if (trace === undefined || ownTrace(given).traceparent !== undefined) return given;
  const { metadata } = membersOf(given);
  // What is no metadata is refused, in the words of those who check it.
  if (metadata !== undefined && !isJsonObject(metadata)) return given;
  return { ...given, metadata: { ...trace, ...metadata } } as T;
}

/** Options and messages have names of the application's own. */
function membersOf(given: object | undefined): Readonly<Record<string, unknown>> {
  return given === undefined ? {} : given as Record<string, unknown>;
}
