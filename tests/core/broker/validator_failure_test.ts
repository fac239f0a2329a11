/**
 * A validator that throws causes one event to be refused, by number, and none of the events that
 * came with it.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import type { EvsError } from "../../../core/base/errors.ts";
import { JsonSchemaRegistry } from "../../../core/schema/registry.ts";
import { IdSource } from "../../../core/event/id.ts";
import { EventDecoder } from "../../../daemon/ingest/decode_event.ts";
import { LineDecoder } from "../../../daemon/ingest/decode_lines.ts";

/** Fails on payloads that say so, as only a bug can. */
class FailingRegistry extends JsonSchemaRegistry {
  override validate(...args: Parameters<JsonSchemaRegistry["validate"]>) {
    if ((args[2] as { fail?: unknown }).fail) throw new TypeError("cannot read it");
    return super.validate(...args);
  }
}

Deno.test("EventBroker refuses one event when the application's own registry throws", async () => {
  await using broker = new EventBroker({ schemaRegistry: new FailingRegistry() });
  await broker.registerSchema("x", { type: "object" });
  await broker.publish("t", "x", {});
  await assert.rejects(broker.publish("t", "x", { fail: true }), {
    code: "event/validator-failed",
    message: /registry of this application failed on x: .*cannot read it/,
  });
  const after = await broker.publish("t", "x", { ok: 1 });
  assert.equal(after.seq, 2);
});

Deno.test("JsonSchemaRegistry says that it is our bug when its validator throws", async () => {
  const registry = new JsonSchemaRegistry();
  await registry.register("x", { schema: '{"properties":{"a":{"type":"string"}}}' });
  const payload = {
    get a() {
      throw new RangeError("no such place");
    },
  };
  assert.throws(() => registry.validate("x", undefined, payload), {
    code: "event/validator-failed",
    message: /schema of x 1\.0 could not be checked: .*no such place/,
    hint: /bug of env-event-stream/,
  });
  assert.deepEqual(registry.validate("x", undefined, { a: "s" }).faults, []);
});

Deno.test("LineDecoder refuses a line by its number when its validator throws, and takes the others", async () => {
  await using broker = new EventBroker({ schemaRegistry: new FailingRegistry() });
  await broker.registerSchema("x", { type: "object" });
  await broker.ready;
  const ids = new IdSource();
  const options = { type: "x", metadata: "{}" };
  const refused: [number, string][] = [];
  const lines = new LineDecoder({
    topic: "t",
    options,
    decoder: new EventDecoder(options, {
      admit: (candidate) => broker.admit("t", candidate),
      nextId: (now) => ids.next(now),
      stamp: (event) => event,
      now: () => 1,
      maxEventBytes: 1000,
    }),
    ids,
    expiryNow: () => 1,
    now: () => 1,
    limit: 1000,
    firstLine: 1,
    unchecked: () => undefined,
    refuse: (line: number, error: EvsError) => {
      refused.push([line, error.code]);
      return true;
    },
  });
  lines.push(new TextEncoder().encode('{"a":1}\n{"fail":1}\n{"b":1}\n'));
  lines.end();
  const events = lines.take().flatMap((request) => "events" in request ? request.events : []);
  const decoder = new TextDecoder();
  assert.deepEqual(events.map(({ payload }) => decoder.decode(payload)), ['{"a":1}', '{"b":1}']);
  assert.deepEqual(refused, [[2, "event/validator-failed"]]);
});
