/**
 * Spans for what is published and handled, with OpenTelemetry's conventions for messaging, and the
 * traces that connect them: `traceparent` and `tracestate` in the metadata.
 */
import { EvsError } from "../base/errors.ts";
import { asError, isA } from "../base/thrown.ts";
import type { Event } from "../event/event.ts";
import {
  formatTraceparent,
  type GivenTrace,
  parseTraceparent,
  parseTracestate,
  type TraceContext,
  traceContextOf,
} from "../event/trace_context.ts";
import {
  type Attributes,
  type Context,
  SPAN_KEY,
  type SpanContext,
  SpanKind,
  STATUS_ERROR,
  type Tracer,
  type TraceSpan,
  type TraceState,
  withContext,
} from "./open_telemetry.ts";

/** The name of this system, and the beginning of its own attributes. */
const SYSTEM = "env_event_stream";

/** What a span is about: one message, or as many as are sent or processed together. */
export interface SpanSubject {
  topics: readonly string[];
  /** How many messages; undefined for one that is not part of a batch. */
  count?: number | undefined;
  /** Attributes of its own. */
  attributes?: Attributes;
  /** The traces of its messages. */
  traces: readonly GivenTrace[];
}

/** Begins the span of a publish: a child of the active span. */
export function startPublishing(tracer: Tracer, subject: SpanSubject): TraceSpan {
  return tracer.startSpan(nameOf("publish", subject), {
    kind: SpanKind.producer,
    attributes: attributesOf({ name: "publish", type: "send" }, subject),
    links: linksOf(subject),
  });
}

/**
 * Runs a handler in a span. One event is its parent, several are only linked. Whatever is active
 * otherwise is nobody's parent: it is what last woke the subscription.
 */
export function handling<T>(
  tracer: Tracer,
  subject: SpanSubject,
  work: (span: TraceSpan) => T,
): T {
  const links = linksOf(subject);
  const [parent] = subject.count === undefined ? links : [];
  const base = parent === undefined
    ? ROOT
    : ROOT.setValue(SPAN_KEY, new SpanElsewhere(parent.context));
  const span = tracer.startSpan(nameOf("process", subject), {
    kind: SpanKind.consumer,
    attributes: attributesOf({ name: "process", type: "process" }, subject),
    links,
  }, base);
  return withContext(base.setValue(SPAN_KEY, span), () => work(span));
}

/** What a span's message is, once it is known. */
export function describeMessage(span: TraceSpan, { id, metadata }: Event): void {
  span.setAttribute("messaging.message.id", id);
  const { correlationId } = metadata;
  if (typeof correlationId === "string") {
    span.setAttribute("messaging.message.conversation_id", correlationId);
  }
}

/** Marks a span as failed. `reason`: for people. */
export function fail(
  span: TraceSpan,
  { reason, error }: { reason?: string; error: unknown },
): void {
  const known = asError(error);
  span.recordException(known);
  failWith(span, { type: errorType(error), reason: reason ?? known.message });
}

/** The same where nothing was thrown. */
export function failWith(
  span: TraceSpan,
  { type, reason }: { type: string; reason: string },
): void {
  span.setAttribute("error.type", type);
  span.setStatus({ code: STATUS_ERROR, message: reason });
}

/** The trace that a span's messages belong to; undefined if it has no ids. */
export function traceOfSpan(span: TraceSpan): TraceContext | undefined {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  return traceContextOf({
    traceparent: formatTraceparent({ traceId, spanId, flags: traceFlags & 0xff }),
    tracestate: traceState?.serialize(),
  });
}

function errorType(error: unknown): string {
  if (isA(error, EvsError)) return error.code;
  return isA(error, Error) ? asError(error).name : "_OTHER";
}

/** The one topic, if there is one. */
function topicOf({ topics }: SpanSubject): string | undefined {
  const [topic, ...others] = new Set(topics);
  return others.length === 0 ? topic : undefined;
}

function nameOf(operation: string, subject: SpanSubject): string {
  const topic = topicOf(subject);
  return topic === undefined ? operation : `${operation} ${topic}`;
}

function attributesOf(
  { name, type }: { name: string; type: string },
  subject: SpanSubject,
): Attributes {
  return {
    "messaging.system": SYSTEM,
    "messaging.operation.name": name,
    "messaging.operation.type": type,
    "messaging.destination.name": topicOf(subject),
    "messaging.batch.message_count": subject.count,
    ...subject.attributes,
  };
}

function linksOf({ traces }: SpanSubject): { context: SpanContext }[] {
  return traces.flatMap((trace) => {
    const context = spanContextOf(trace);
    return context === undefined ? [] : [{ context }];
  });
}

function spanContextOf({ traceparent, tracestate }: GivenTrace): SpanContext | undefined {
  const parent = typeof traceparent === "string" ? parseTraceparent(traceparent) : undefined;
  if (parent === undefined) return undefined;
  const state = typeof tracestate === "string" ? parseTracestate(tracestate) : undefined;
  const { traceId, spanId, flags } = parent;
  const context = { traceId, spanId, traceFlags: flags, isRemote: true };
  return state === undefined ? context : { ...context, traceState: new State(state.split(",")) };
}

/** A context that has nothing but what it is given. */
class Values implements Context {
  readonly #values: ReadonlyMap<symbol, unknown>;

  constructor(values: ReadonlyMap<symbol, unknown> = new Map()) {
    this.#values = values;
  }

  getValue(key: symbol): unknown {
    return this.#values.get(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return new Values(new Map(this.#values).set(key, value));
  }

  deleteValue(key: symbol): Context {
    const values = new Map(this.#values);
    values.delete(key);
    return new Values(values);
  }
}

const ROOT: Context = new Values();

/** A span of somebody else: only its place in the trace is known. */
class SpanElsewhere {
  readonly #context: SpanContext;

  constructor(context: SpanContext) {
    this.#context = context;
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  isRecording(): boolean {
    return false;
  }

  setAttribute(): this {
    return this;
  }

  setAttributes(): this {
    return this;
  }

  addEvent(): this {
    return this;
  }

  addLink(): this {
    return this;
  }

  addLinks(): this {
    return this;
  }

  setStatus(): this {
    return this;
  }

  updateName(): this {
    return this;
  }

  recordException(): void {}

  end(): void {}
}

/** A `tracestate` for samplers that read it or put their own member first. */
class State implements TraceState {
  /** `name=value`, the newest first. */
  readonly #members: readonly string[];

  constructor(members: readonly string[]) {
    this.#members = members;
  }

  get(key: string): string | undefined {
    return this.#members.find((member) => member.startsWith(`${key}=`))?.slice(key.length + 1);
  }

  set(key: string, value: string): TraceState {
    return new State([`${key}=${value}`, ...this.#without(key)]);
  }

  unset(key: string): TraceState {
    return new State(this.#without(key));
  }

  serialize(): string {
    return this.#members.join(",");
  }

  #without(key: string): string[] {
    return this.#members.filter((member) => !member.startsWith(`${key}=`));
  }
}
