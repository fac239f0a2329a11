/** Filters compare whole numbers as written, even beyond 2^53, wherever an event comes from. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { toFilterEvent, toWireLine } from "../../../core/event/event.ts";
import type { StoredEvent } from "../../../core/event/event.ts";
import { compileFilter } from "../../../core/filter/filter.ts";
import { lineFilter } from "../../../core/reading/line_filter.ts";
import { compareFractions, decimalText, fractionOf } from "../../helpers/decimal_text.ts";
import { dose } from "../../helpers/dose.ts";

const encoder = new TextEncoder();

function stored(payload: string, metadata = "{}"): StoredEvent {
  return {
    seq: 1,
    topic: "t",
    id: "1",
    type: "x",
    timestamp: 5,
    schemaVersion: "1.0",
    metadata,
    payload: encoder.encode(payload),
  };
}

/** By both ways: as an event, and on the bytes of a wire line. */
async function matches(expression: string, payload: string, metadata?: string): Promise<boolean> {
  const filter = await compileFilter(expression);
  const event = stored(payload, metadata);
  const found = filter(toFilterEvent(event));
  assert.equal(lineFilter(filter)(toWireLine(event)).length > 0, found, `${expression} ${payload}`);
  return found;
}

Deno.test("a filter tells whole numbers apart that a double does not", async () => {
  const payload =
    '{"id":1234567890123456789,"ids":[1,1234567890123456789],"n":3,"pair":{"id":1234567890123456789}}';
  for (
    const expression of [
      "payload.id == 1234567890123456789",
      "1234567890123456789 == payload.id",
      "payload.id != 1234567890123456788",
      "payload.id < 1234567890123456790 && payload.id > 1234567890123456788",
      "payload.id <= 1234567890123456789 && payload.id >= 1234567890123456789",
      "payload.id in [1, 1234567890123456789]",
      "1234567890123456789 in payload.ids",
      "payload.id in payload.ids",
      "payload.id + 1 == 1234567890123456790",
      "payload.id - payload.n == 1234567890123456786",
      "payload.id % 10 == 9",
      "payload.id > 1.5 && payload.id > payload.n",
      "string(payload.id) == '1234567890123456789'",
      "payload.ids.exists(id, id == 1234567890123456789)",
      "payload.ids == [1, 1234567890123456789]",
      "payload.pair == {'id': 1234567890123456789}",
      "event.payload.id == 1234567890123456789",
    ]
  ) assert.ok(await matches(expression, payload), expression);
  for (
    const expression of [
      "payload.id == 1234567890123456788",
      "payload.id == 1234567890123456800",
      "payload.id in [1234567890123456788, 1234567890123456790]",
      "payload.id < 1234567890123456789",
      "1234567890123456788 in payload.ids",
      "payload.id != 1234567890123456789",
    ]
  ) assert.ok(!await matches(expression, payload), expression);
});

Deno.test("a filter knows a large whole number in any spelling, in metadata and at the root too", async () => {
  const same = "payload.id == 12345678901234567890";
  for (const text of ["12345678901234567890", "1234567890123456789e1", "12345678901234567890.00"]) {
    assert.ok(await matches(same, `{"id":${text}}`), text);
  }
  assert.ok(await matches("payload == 9007199254740993", "9007199254740993"));
  assert.ok(!await matches("payload == 9007199254740992", "9007199254740993"));
  assert.ok(await matches("event.metadata.n == 9007199254740993", "1", '{"n":9007199254740993}'));
  assert.ok(await matches("payload.id == 1e23", '{"id":1e22}') === false);
});

Deno.test("a filter goes on in doubles when a sum has more than 64 bits", async () => {
  assert.ok(await matches("payload.id + payload.id > 1.8e19", '{"id":9223372036854775807}'));
  assert.ok(await matches("payload.id * 2 > 5", '{"id":12345678901234567890}'));
  assert.ok(!await matches("payload.id + payload.id < 1.8e19", '{"id":9223372036854775807}'));
});

Deno.test("a filter compares any two whole numbers as exact arithmetic does", async () => {
  const whole = decimalText.filter((text) => /^-?\d+$/.test(text) && text !== "-0");
  const near = whole.chain((text) =>
    fc.tuple(
      fc.constant(text),
      fc.oneof(whole, fc.bigInt({ min: -2n, max: 2n }).map((by) => String(BigInt(text) + by))),
    )
  );
  const operators: [string, (order: number) => boolean][] = [
    ["==", (order) => order === 0],
    ["!=", (order) => order !== 0],
    ["<", (order) => order < 0],
    [">=", (order) => order >= 0],
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...operators), near, async ([operator, fits], [a, b]) => {
      const order = compareFractions(fractionOf(a), fractionOf(b));
      assert.equal(await matches(`payload.n ${operator} ${b}`, `{"n":${a}}`), fits(order));
      assert.equal(
        await matches(`payload.n ${operator} payload.m`, `{"n":${a},"m":${b}}`),
        fits(order),
      );
    }),
    { numRuns: dose(500) },
  );
});

Deno.test("subscriptions and streams of a broker filter whole numbers as they were written", async () => {
  const id = "1234567890123456789";
  await using broker = new EventBroker();
  const seen: string[] = [];
  const stream = broker.stream("t", { where: `payload.id == ${id}` });
  const subscription = broker.subscribe("t", (event) => void seen.push(event.id), {
    name: "s",
    where: `payload.id == ${id}`,
  });
  await subscription.ready;
  // As a client's bytes: a JavaScript number would be rounded before anybody sees it.
  const events = [`{"id":${id}}`, '{"id":1234567890123456788}'].map((payload, index) => ({
    id: `e${index}`,
    idGiven: true,
    type: "x",
    timestamp: 1,
    schemaVersion: "1.0",
    metadata: "{}",
    payload: encoder.encode(payload),
  }));
  await broker.append({ topic: "t", events });
  await broker.idle();
  assert.deepEqual(seen, ["e0"]);
  for await (const event of stream) {
    assert.equal(event.id, "e0");
    break;
  }
});
