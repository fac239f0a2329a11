/**
 * OpenTelemetry, where the application has it (docs/adr/0054-traces.md).
 *
 * Its API registers itself in the global object, so that several copies of it find each other. What
 * is registered there is used through the few methods that it has had since 1.0. So nothing is
 * imported, and an application without OpenTelemetry has nothing of it.
 */
import { VERSION } from "../base/version.ts";

/** A value of an attribute. */
export type AttributeValue = string | number | boolean;

/** Attributes by their names; undefined ones are absent. */
export type Attributes = Record<string, AttributeValue | undefined>;

/** The members of a `tracestate`. None of the methods changes it. */
export interface TraceState {
  get(key: string): string | undefined;
  set(key: string, value: string): TraceState;
  unset(key: string): TraceState;
  serialize(): string;
}

/** Where a span is in its trace. */
export interface SpanContext {
  traceId: string;
  spanId: string;
  traceFlags: number;
  traceState?: TraceState | undefined;
  isRemote?: boolean;
}

/** What is used of a span. */
export interface TraceSpan {
  spanContext(): SpanContext;
  setAttribute(name: string, value: AttributeValue): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  recordException(error: Error): void;
  end(): void;
}

/** Values that a call passes to all it calls. */
export interface Context {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): Context;
  deleteValue(key: symbol): Context;
}

/** How a span begins. */
export interface SpanOptions {
  kind: number;
  attributes: Attributes;
  links: { context: SpanContext }[];
}

/** Makes spans. Without a context, their parent is the active span. */
export interface Tracer {
  startSpan(name: string, options: SpanOptions, context?: Context): TraceSpan;
}

interface TracerProvider {
  getTracer(name: string, version: string): Tracer;
}

interface Registered {
  trace?: TracerProvider;
  context?: { with<T>(context: Context, call: () => T): T };
}

/** The kinds of spans, as the API numbers them. */
export const SpanKind = { producer: 3, consumer: 4 } as const;
/** The status of a span that failed. */
export const STATUS_ERROR = 2;
/** What a context has the active span under. */
export const SPAN_KEY: symbol = Symbol.for("OpenTelemetry Context Key SPAN");

const REGISTRY = Symbol.for("opentelemetry.js.api.1");
const SCOPE = "env-event-stream";
/**
 * Looking at the global object takes longer than everything else in passing on an event that is not
 * stored. So only one of this many calls looks, until there is something.
 */
const LOOKS = 64;

let registered: Registered | undefined;
let calls = 0;
let current: { provider: TracerProvider; tracer: Tracer } | undefined;

/** The next call of {@link tracerNow} looks whether there is a tracer. */
export function lookForTracer(): void {
  calls = 0;
}

/** The application's tracer; undefined if it has none, or has registered it only just now. */
export function tracerNow(): Tracer | undefined {
  if (registered === undefined) {
    const isTurn = calls === 0;
    calls = (calls + 1) % LOOKS;
    if (!isTurn) return undefined;
    registered = (globalThis as unknown as Record<symbol, Registered | undefined>)[REGISTRY];
  }
  const provider = registered?.trace;
  if (provider === undefined) return undefined;
  if (current?.provider !== provider) {
    current = { provider, tracer: provider.getTracer(SCOPE, VERSION) };
  }
  return current.tracer;
}

/** Calls `work`; during the call, across every `await`, the context is the active one. */
export function withContext<T>(context: Context, work: () => T): T {
  const manager = registered?.context;
  return manager === undefined ? work() : manager.with(context, work);
}
