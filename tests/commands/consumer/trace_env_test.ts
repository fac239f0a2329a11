/** The trace in a handler's environment. */
import assert from "node:assert/strict";
import { newSpanId, tracedEnv } from "../../../commands/consumer/trace_env.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;
const ID = "00f067aa0ba902b7";
const options = { newSpanId: () => ID };
const outer = { HOME: "/h", TRACEPARENT: "outer", TRACESTATE: "outer" };

Deno.test("tracedEnv continues the event's trace with an id of its own, and not the consumer's", () => {
  const trace = { traceparent: PARENT, tracestate: "vendor=1" };
  assert.deepEqual(tracedEnv(outer, { traces: [trace], ...options }), {
    HOME: "/h",
    TRACEPARENT: `00-${TRACE}-${ID}-01`,
    TRACESTATE: "vendor=1",
  });
  assert.deepEqual(tracedEnv(outer, { traces: [{ traceparent: PARENT }], ...options }), {
    HOME: "/h",
    TRACEPARENT: `00-${TRACE}-${ID}-01`,
  });
});

Deno.test("tracedEnv leaves the environment as it is if the event has no trace, or none that is valid", () => {
  const never = { newSpanId: () => assert.fail("nobody needs an id") };
  for (const trace of [undefined, {}, { traceparent: "t" }, { traceparent: 7 }]) {
    assert.deepEqual(tracedEnv(outer, { traces: [trace], ...never }), outer);
  }
});

Deno.test("tracedEnv continues the trace that all events of a batch have in common", () => {
  const sibling = { traceparent: `00-${TRACE}-1111111111111111-01` };
  const other = { traceparent: `00-${"1".repeat(32)}-1111111111111111-01` };
  const one = { traceparent: PARENT, tracestate: "vendor=1" };
  const traced = (...traces: Parameters<typeof tracedEnv>[1]["traces"]) =>
    tracedEnv({}, { traces, ...options });
  assert.deepEqual(traced(one, one), {
    TRACEPARENT: `00-${TRACE}-${ID}-01`,
    TRACESTATE: "vendor=1",
  });
  assert.deepEqual(traced(one, sibling), { TRACEPARENT: `00-${TRACE}-${ID}-01` });
  for (const mixed of [[one, other], [one, undefined], [one, { traceparent: "t" }]]) {
    assert.deepEqual(traced(...mixed), {});
  }
});

Deno.test("newSpanId is 16 digits of what fills it, and never all zeros", () => {
  assert.equal(newSpanId((bytes) => bytes.fill(0xab)), "ab".repeat(8));
  assert.equal(newSpanId((bytes) => bytes.fill(0)), "0000000000000001");
  const ids = new Set(Array.from({ length: 100 }, () => newSpanId()));
  assert.equal(ids.size, 100);
  for (const id of ids) assert.match(id, /^[0-9a-f]{16}$/);
});
