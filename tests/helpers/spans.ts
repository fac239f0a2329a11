/** An application's OpenTelemetry: its real API and SDK, with an exporter that keeps the spans. */
import assert from "node:assert/strict";
import { context, SpanKind, SpanStatusCode, trace } from "../packages/opentelemetry_api.ts";
import {
  AsyncLocalStorageContextManager,
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
} from "../packages/opentelemetry_sdk.ts";

export { SpanKind, SpanStatusCode, trace };

/** What is registered, until it is disposed of. */
export class Telemetry implements Disposable {
  readonly #exporter = new InMemorySpanExporter();

  /** `contexts`: whether there is an active span; without, there is only a tracer. */
  constructor({ contexts = true, sampler }: { contexts?: boolean; sampler?: Sampler } = {}) {
    const provider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(this.#exporter)],
      ...sampler && { sampler },
    });
    assert.ok(trace.setGlobalTracerProvider(provider));
    if (contexts) assert.ok(context.setGlobalContextManager(new AsyncLocalStorageContextManager()));
  }

  /** The spans that have ended, by their ends. */
  get spans(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  /** The spans of this name. */
  named(name: string): ReadableSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** The only span of this name. */
  one(name: string): ReadableSpan {
    const found = this.named(name);
    const names = this.spans.map((span) => span.name).join(", ");
    assert.equal(found.length, 1, `there is one ${name} among: ${names}`);
    return found[0]!;
  }

  /** Calls `work` in an active span. */
  in<T>(name: string, work: () => Promise<T>): Promise<T> {
    return trace.getTracer("test").startActiveSpan(name, async (span) => {
      try {
        return await work();
      } finally {
        span.end();
      }
    });
  }

  [Symbol.dispose](): void {
    trace.disable();
    context.disable();
  }
}

/** Where a span is, as an event's metadata says it. */
export function traceparentOf(span: ReadableSpan): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-0${traceFlags}`;
}

/** Asserts that a span follows another one directly. */
export function assertChild(child: ReadableSpan, parent: ReadableSpan): void {
  assert.equal(child.spanContext().traceId, parent.spanContext().traceId);
  assert.equal(child.parentSpanContext?.spanId, parent.spanContext().spanId);
}
