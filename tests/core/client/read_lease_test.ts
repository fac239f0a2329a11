/**
 * Lease responses as a consumer reads them: in the lines that the daemon writes, and as any other
 * JSON of the same meaning.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import type { Delivery } from "../../../core/client/consumer/port.ts";
import { readLease } from "../../../core/client/read_lease.ts";
import { Entry } from "../../../core/delivery/entry.ts";
import { Grant, Lease } from "../../../core/delivery/leases.ts";
import { type StoredEvent, toWireLine } from "../../../core/event/event.ts";
import { leaseReply } from "../../../daemon/routes/lease_reply.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Texts that look like the response around them. */
const HARD = fc.constantFrom(
  "",
  '","metadata":{},"payload":1',
  '"deliveries":[\n',
  '},\n{"lease":"',
  ',"event":{',
  "\n]}\n",
  "a{b}\\",
  "é\u{1f600}",
);
const text = fc.oneof(HARD, fc.string());
const metadata = fc.oneof(
  fc.constant({}),
  fc.constant({ correlationId: "c", traceparent: "t", tracestate: "s" }),
  fc.dictionary(fc.constantFrom("payload", "metadata", "a"), fc.oneof(text, fc.constant({}))),
);
const payload = fc.oneof(
  fc.constantFrom('{"n":9007199254740993,"x":1.0,"x":2,"é":"\\ud800"}', "1e400", "null"),
  fc.oneof(text, fc.jsonValue()).map((value) => JSON.stringify(value)),
  fc.record({ metadata, payload: text }).map((value) =>
    JSON.stringify(value, undefined, " ")
      .replaceAll("\n", "")
  ),
);

const event = fc.record({
  type: text,
  key: fc.option(text, { nil: undefined }),
  expiresAt: fc.option(fc.nat(), { nil: undefined }),
  metadata: metadata.map((value) => JSON.stringify(value)),
  payload,
  attempt: fc.constantFrom(1, 1, 2),
  unanswered: fc.constantFrom(undefined, undefined, 0, 3),
  part: fc.constantFrom(0, 0, 5),
});

function leasesOf(events: readonly (typeof event extends fc.Arbitrary<infer T> ? T : never)[]) {
  const grant = new Grant("b-2f", { consumer: "c", bound: false, startedAt: 7, startedMono: 0 });
  return events.map(({ payload, attempt, unanswered, part, ...rest }, i) => {
    const stored = {
      ...rest,
      seq: i + 1,
      topic: "t",
      id: `id-${i}`,
      timestamp: i,
      schemaVersion: "1.0",
      payload: encoder.encode(payload),
    } as StoredEvent;
    const entry = Entry.of("stream", "t", stored);
    entry.nextAttempt = attempt;
    entry.unanswered = unanswered;
    entry.part = part;
    return { lease: new Lease(grant, entry, { at: 1 }), stored, payload };
  });
}

function about(delivery: Delivery) {
  const { lease, attempt, delivery: which, isSuspect, epoch, facts, line } = delivery;
  const [event, payload] = [delivery.event, delivery.payload].map((part) => decoder.decode(part));
  return { lease, attempt, which, isSuspect, epoch, facts, line, event, payload };
}

Deno.test("readLease reads what leaseReply writes, and the same on one line or with white space", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 6 }), text, (events, pauseReason) => {
      const leases = leasesOf(events);
      const rest = { paused: true, pauseReason, pending: 3, leased: 1, scheduled: 0 };
      const bytes = leaseReply(
        rest,
        leases.map(({ lease }) => lease),
        (part) => part === 0 ? undefined : part,
      );
      const expected = leases.map(({ lease, stored, payload }) => {
        const line = decoder.decode(toWireLine(stored)).slice(0, -1);
        const { correlationId, traceparent, tracestate } = JSON.parse(stored.metadata);
        return {
          lease: lease.token,
          attempt: lease.attempt,
          which: lease.delivery,
          isSuspect: lease.entry.unanswered !== undefined,
          epoch: lease.entry.part === 0 ? undefined : lease.entry.part,
          facts: {
            topic: "t",
            type: stored.type,
            id: stored.id,
            seq: stored.seq,
            ...stored.key !== undefined && { key: stored.key },
            ...typeof correlationId === "string" && { correlationId },
            ...traceparent !== undefined && { trace: { traceparent, tracestate } },
          },
          line,
          event: line,
          payload,
        };
      });
      const written = decoder.decode(bytes);
      const oneLine = written.replaceAll("\n", "");
      // What an older daemon writes, heartbeats before it, and white space where JSON has any.
      const spaced = oneLine.replace('"deliveries":[{', '"deliveries": [ {');
      for (const form of [written, `\n\n${written}`, oneLine, spaced]) {
        const { deliveries, ...others } = readLease(encoder.encode(form));
        assert.deepEqual(others, rest);
        assert.deepEqual(deliveries.map(about), expected);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("readLease keeps the payload's bytes of an event whose members have another order", () => {
  const payload = '{"n":9007199254740993,"x":1.0,"metadata":{},"payload":"é"}';
  const event = `{"payload":${payload},"seq":7,"id":"i","type":"x","topic":"t","metadata":{}}`;
  const rest = '{"paused":false,"pending":1,"leased":1,"scheduled":0,"deliveries":[';
  const delivery = `{"lease":"l","attempt":2,"expiresAt":9,"event":${event}}`;
  for (const answer of [`${rest}${delivery}]}`, `${rest}\n${delivery}\n]}\n`]) {
    const [read] = readLease(encoder.encode(answer)).deliveries;
    assert.ok(read !== undefined);
    assert.deepEqual(read.facts, { seq: 7, id: "i", type: "x", topic: "t" });
    assert.deepEqual([read.lease, read.attempt, read.delivery], ["l", 2, 1]);
    assert.equal(decoder.decode(read.payload), payload);
    assert.equal(decoder.decode(read.event), event);
  }
});

Deno.test("readLease refuses a response that was cut off", () => {
  const [{ lease } = assert.fail()] = leasesOf(fc.sample(event, { seed: 1, numRuns: 1 }));
  const whole = decoder.decode(leaseReply({ paused: false }, [lease]));
  assert.equal(readLease(encoder.encode(whole)).deliveries.length, 1);
  assert.throws(() => readLease(encoder.encode(whole.slice(0, -4))), SyntaxError);
});

Deno.test("readLease gives no payload of an event that is not JSON", () => {
  const broken = '{"seq":1,"id":"i","metadata":{"a":';
  const answer =
    `{"paused":false,"deliveries":[\n{"lease":"l","attempt":1,"event":${broken}}\n]}\n`;
  const [read = assert.fail()] = readLease(encoder.encode(answer)).deliveries;
  assert.throws(() => read.payload, SyntaxError);
  assert.throws(() => read.facts, SyntaxError);
});
