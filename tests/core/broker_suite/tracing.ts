/** Spans of every broker, by the real OpenTelemetry; and traces without it. */
import assert from "node:assert/strict";
import { deadLetter, EventRefusedError, retry, skip } from "../../../mod.ts";
import {
  assertChild,
  SpanKind,
  SpanStatusCode,
  Telemetry,
  traceparentOf,
} from "../../helpers/spans.ts";
import type { Test } from "./suite.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const trace = { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: "vendor=a,other=b" };

/** Registers them. */
export function tracing(test: Test): void {
  flow(test);
  failures(test);
  batches(test);
  context(test);
}

function flow(test: Test): void {
  for (const persistent of [true, false]) {
    const kind = persistent ? "stored" : "not stored";
    test(`connects publish, handlers and what they publish by spans, if events are ${kind}`, async ({ broker }) => {
      using telemetry = new Telemetry();
      for (const topic of ["orders", "payments"]) {
        await broker.createTopic(topic, { persistent }).ready;
      }
      broker.subscribe("orders", async () => {
        await Promise.resolve();
        await broker.publish("payments", "payment.made", {});
      }, { name: "billing" });
      broker.subscribe("payments", () => {}, { name: "books" });
      const order = await telemetry.in(
        "request",
        () => broker.publish("orders", "order.placed", { total: 7 }, { correlationId: "c" }),
      );
      await broker.idle();
      const request = telemetry.one("request");
      const placed = telemetry.one("publish orders");
      const billed = telemetry.one("process orders");
      const paid = telemetry.one("publish payments");
      const booked = telemetry.one("process payments");
      const chain = [request, placed, billed, paid, booked];
      for (const [i, span] of chain.slice(1).entries()) assertChild(span, chain[i]!);
      assert.equal(telemetry.spans.length, chain.length);
      assert.deepEqual(order.metadata, { correlationId: "c", traceparent: traceparentOf(placed) });
      assert.deepEqual([placed.kind, billed.kind], [SpanKind.PRODUCER, SpanKind.CONSUMER]);
      const message = {
        "messaging.system": "env_event_stream",
        "messaging.destination.name": "orders",
        "messaging.message.id": order.id,
        "messaging.message.conversation_id": "c",
        "messaging.env_event_stream.event.type": "order.placed",
      };
      assert.deepEqual(placed.attributes, {
        ...message,
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
      });
      assert.deepEqual(billed.attributes, {
        ...message,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "billing",
        "messaging.env_event_stream.attempt": 1,
      });
      assert.deepEqual(billed.links.map((link) => link.context.spanId), [
        placed.spanContext().spanId,
      ]);
      assert.equal(placed.instrumentationScope.name, "env-event-stream");
      assert.ok(chain.every(({ status }) => status.code === SpanStatusCode.UNSET));
    });
  }

  test("makes a span for a handler of an event without a trace, and no parent of what was active before", async ({ broker }) => {
    await broker.publish("t", "n", 1);
    using telemetry = new Telemetry();
    await telemetry.in("outer", async () => {
      broker.subscribe("t", () => {}, { name: "s" });
      await broker.idle();
    });
    const { parentSpanContext, links } = telemetry.one("process t");
    assert.deepEqual([parentSpanContext, links], [undefined, []]);
  });
}

function failures(test: Test): void {
  test("marks the span of each failed attempt, with what it failed of", async ({ broker }) => {
    using telemetry = new Telemetry();
    const handle = ({ topic }: { topic: string }, { attempt }: { attempt: number }) => {
      if (topic === "skip") return skip("not mine");
      if (topic === "dead") return deadLetter("nobody wants it");
      if (attempt === 1) throw new TypeError("not yet");
      if (attempt === 2) return retry({ afterMs: 1, cause: new RangeError("still not") });
    };
    for (const topic of ["dead", "retry", "skip"]) {
      broker.subscribe(topic, handle, { name: topic, retryDelay: 1 });
      await broker.publish(topic, "n", 1);
    }
    await broker.idle();
    const about = (topic: string) =>
      telemetry.named(`process ${topic}`).map(({ attributes, status, events }) => [
        attributes["messaging.env_event_stream.attempt"],
        attributes["error.type"],
        status.message,
        ...events.map(({ attributes }) => attributes?.["exception.type"]),
      ]);
    assert.deepEqual(about("dead"), [[1, "dead_letter", "nobody wants it"]]);
    assert.deepEqual(about("skip"), [[1, undefined, undefined]]);
    assert.deepEqual(about("retry"), [
      [1, "TypeError", "not yet", "TypeError"],
      [2, "RangeError", "still not", "RangeError"],
      [3, undefined, undefined],
    ]);
  });

  test("marks the span of a publish that is refused, and refuses it in the same words", async ({ broker }) => {
    using telemetry = new Telemetry();
    await broker.registerSchema("n", { type: "number" });
    await assert.rejects(() => broker.publish("t", "n", "text"), EventRefusedError);
    // deno-lint-ignore no-explicit-any -- what no type allows
    await assert.rejects(() => broker.publish("t", "n", 1, { metadata: 7 as any }), {
      message: "metadata must be an object",
    });
    const [refused, wrong] = telemetry.named("publish t");
    assert.equal(refused!.attributes["error.type"], "event/schema-violation");
    assert.equal(refused!.status.code, SpanStatusCode.ERROR);
    assert.equal(wrong!.status.message, "metadata must be an object");
  });
}

function batches(test: Test): void {
  test("makes one span for a batch, and links the trace that an event has itself", async ({ broker }) => {
    using telemetry = new Telemetry();
    const published = await broker.publishBatch("t", [
      { type: "n", payload: 1 },
      { type: "n", payload: 2, metadata: { n: 1 } },
      { type: "n", payload: 3, metadata: { traceparent: trace.traceparent } },
    ]);
    const span = telemetry.one("publish t");
    const traceparent = traceparentOf(span);
    assert.deepEqual(published.map(({ metadata }) => metadata), [
      { traceparent },
      { traceparent, n: 1 },
      { traceparent: trace.traceparent },
    ]);
    assert.equal(span.attributes["messaging.batch.message_count"], 3);
    assert.equal(span.attributes["messaging.destination.name"], "t");
    assert.deepEqual(span.links.map((link) => link.context.spanId), [SPAN]);
    assert.deepEqual(await broker.publishBatch("t", []), []);
    await broker.publishAll([
      { topic: "a", type: "n", payload: 1 },
      { topic: "b", type: "n", payload: 2 },
    ]);
    const all = telemetry.one("publish");
    assert.equal("messaging.destination.name" in all.attributes, false);
    assert.equal(all.attributes["messaging.batch.message_count"], 2);
    for (const topic of ["a", "b"]) {
      const [event] = await broker.getEventStore().getEvents(topic);
      assert.equal(event!.metadata["traceparent"], traceparentOf(all));
    }
  });

  test("makes one span for a batch of a handler, which links each event", async ({ broker }) => {
    using telemetry = new Telemetry();
    await broker.publish("t", "n", 1, trace);
    const second = await broker.publish("t", "n", 2);
    broker.subscribeBatch("t", async (events) => {
      await Promise.resolve();
      await broker.publish("out", "n", events.length);
      return [deadLetter("not this one"), undefined];
    }, { name: "s", size: 2, maxWaitMs: 60_000 });
    await broker.idle();
    const span = telemetry.one("process t");
    assert.equal(span.parentSpanContext, undefined);
    const [, publish] = telemetry.named("publish t");
    assert.equal(second.metadata["traceparent"], traceparentOf(publish!));
    assert.deepEqual(span.links.map((link) => link.context.spanId), [
      SPAN,
      publish!.spanContext().spanId,
    ]);
    assert.equal(span.attributes["messaging.batch.message_count"], 2);
    assert.equal(span.attributes["messaging.consumer.group.name"], "s");
    assert.equal("messaging.message.id" in span.attributes, false);
    assert.deepEqual(span.status, { code: SpanStatusCode.ERROR, message: "not this one" });
    assertChild(telemetry.one("publish out"), span);
  });
}

function context(test: Test): void {
  test("continues a trace that an event brings along, with its state", async ({ broker }) => {
    using telemetry = new Telemetry();
    const event = await broker.publish("t", "n", 1, { metadata: trace });
    assert.deepEqual(event.metadata, trace);
    broker.subscribe("t", () => broker.publish("out", "n", 2), { name: "s" });
    await broker.idle();
    const { parentSpanContext, ...span } = telemetry.one("process t");
    assert.deepEqual([parentSpanContext?.traceId, parentSpanContext?.spanId], [TRACE, SPAN]);
    assert.equal(parentSpanContext?.isRemote, true);
    assert.equal(span.links[0]?.context.traceState?.get("other"), "b");
    const [out] = await broker.getEventStore().getEvents("out");
    assert.equal(out!.metadata["traceparent"], traceparentOf(telemetry.one("publish out")));
    assert.equal(out!.metadata["tracestate"], trace.tracestate);
  });

  test("passes on the trace of the event that a handler handles, without OpenTelemetry", async ({ broker }) => {
    broker.subscribe("t", async () => {
      await broker.publish("out", "n", 1);
      await broker.publish("out", "n", 2, { traceparent: "mine" });
    }, { name: "s" });
    const event = await broker.publish("t", "n", 1, trace);
    await broker.idle();
    const cause = { causationId: event.id, correlationId: event.id };
    const out = await broker.getEventStore().getEvents("out");
    assert.deepEqual(out.map(({ metadata }) => metadata), [
      { ...cause, ...trace },
      { ...cause, traceparent: "mine" },
    ]);
  });
}
