/** How the library finds an application's OpenTelemetry, and what it costs where there is none. */
import assert from "node:assert/strict";
import { connect, EventBroker } from "../../../mod.ts";
import {
  type Context,
  isSpanContextValid,
  SamplingDecision,
  trace,
} from "../../packages/opentelemetry_api.ts";
import { startDaemon } from "../../helpers/daemon.ts";
import { assertChild, Telemetry, traceparentOf } from "../../helpers/spans.ts";

const REGISTRY = Symbol.for("opentelemetry.js.api.1");
const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/** A broker with a topic whose events are not stored, and a handler of them. */
async function emitter(): Promise<EventBroker> {
  const broker = new EventBroker();
  await broker.createTopic("t", { persistent: false }).ready;
  broker.subscribe("t", () => {});
  await broker.idle();
  return broker;
}

Deno.test("EventBroker looks for OpenTelemetry at one of 64 calls, as long as there is none", async () => {
  await using broker = await emitter();
  let looks = 0;
  Object.defineProperty(globalThis, REGISTRY, {
    configurable: true,
    get: () => void looks++,
  });
  try {
    // Each is two calls: one of publish, one of the handler.
    for (let i = 0; i < 320; i++) await broker.publish("t", "n", i);
  } finally {
    Reflect.deleteProperty(globalThis, REGISTRY);
  }
  assert.ok(looks === 10 || looks === 11, `${looks} looks`);
});

Deno.test("EventBroker makes spans soon after OpenTelemetry was registered, and none once it is gone", async () => {
  await using broker = await emitter();
  await broker.publish("t", "n", 1);
  const telemetry = new Telemetry();
  for (let i = 0; i < 64; i++) await broker.publish("t", "n", i);
  assert.ok(telemetry.named("publish t").length > 0);
  assert.ok(telemetry.named("process t").length > 0);
  telemetry[Symbol.dispose]();
  const count = telemetry.spans.length;
  const event = await broker.publish("t", "n", 1);
  assert.deepEqual([telemetry.spans.length, event.metadata], [count, {}]);
});

Deno.test("EventBroker makes no spans with tracing: false, and passes on a trace all the same", async () => {
  using telemetry = new Telemetry();
  await using broker = new EventBroker({ tracing: false });
  broker.subscribe("t", () => broker.publish("out", "n", 1), { name: "s" });
  broker.subscribeBatch("t", () => {}, { name: "b", size: 1 });
  await broker.publishBatch("t", [{ type: "n", payload: 1, metadata: { traceparent: PARENT } }]);
  await broker.publishAll([{ topic: "u", type: "n", payload: 1 }]);
  await broker.idle();
  assert.deepEqual(telemetry.spans, []);
  const [out] = await broker.getEventStore().getEvents("out");
  assert.equal(out!.metadata["traceparent"], PARENT);
});

Deno.test("connect makes no spans with tracing: false", async () => {
  using telemetry = new Telemetry();
  await using daemon = await startDaemon();
  await using broker = await connect({ socket: daemon.socket, tracing: false });
  broker.subscribe("t", () => {}, { name: "s" });
  await broker.publish("t", "n", 1);
  await broker.publishAll([{ topic: "t", type: "n", payload: 2 }]);
  await broker.idle();
  assert.deepEqual(telemetry.spans, []);
  assert.deepEqual((await daemon.replay("t")).map(({ metadata }) => metadata), [{}, {}]);
});

Deno.test("a handler's span follows the publish where nothing tracks what is active", async () => {
  using telemetry = new Telemetry({ contexts: false });
  await using broker = new EventBroker();
  broker.subscribe("t", () => {});
  await broker.publish("t", "n", 1);
  await broker.idle();
  assertChild(telemetry.one("process t"), telemetry.one("publish t"));
  // An unnamed subscription has a name that is new each time: it is no group.
  assert.equal("messaging.consumer.group.name" in telemetry.one("process t").attributes, false);
});

Deno.test("a trace that is not sampled goes on, and says that it is not", async () => {
  using telemetry = new Telemetry({
    sampler: { shouldSample: () => ({ decision: SamplingDecision.NOT_RECORD }) },
  });
  await using broker = new EventBroker();
  const seen: string[] = [];
  broker.subscribe("t", () => {
    seen.push(trace.getActiveSpan()!.spanContext().traceId);
  });
  const { metadata } = await broker.publish("t", "n", 1);
  await broker.idle();
  assert.match(String(metadata["traceparent"]), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assert.deepEqual(seen, [String(metadata["traceparent"]).slice(3, 35)]);
  assert.deepEqual(telemetry.spans, []);
});

Deno.test("a sampler reads the tracestate of an event, and what it puts there goes on", async () => {
  const shouldSample = (context: Context) => {
    const parent = trace.getSpanContext(context);
    const traceState = parent && isSpanContextValid(parent)
      ? parent.traceState?.set("mine", "1").unset("other")
      : undefined;
    return { decision: SamplingDecision.RECORD_AND_SAMPLED, ...traceState && { traceState } };
  };
  using telemetry = new Telemetry({ sampler: { shouldSample, toString: () => "ours" } });
  await using broker = new EventBroker();
  broker.subscribe("t", () => broker.publish("out", "n", 2), { name: "s" });
  await broker.publish("t", "n", 1, {
    metadata: { traceparent: PARENT, tracestate: "other=2,vendor=a" },
  });
  await broker.idle();
  const [out] = await broker.getEventStore().getEvents("out");
  assert.deepEqual([out!.metadata["traceparent"], out!.metadata["tracestate"]], [
    traceparentOf(telemetry.one("publish out")),
    "mine=1,vendor=a",
  ]);
});
