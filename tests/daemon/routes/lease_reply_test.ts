/** Lease replies carry the stored bytes of each event. */
import assert from "node:assert/strict";
import { Entry } from "../../../core/delivery/entry.ts";
import { Grant, Lease } from "../../../core/delivery/leases.ts";
import { toWireLine } from "../../../core/event/event.ts";
import { leaseReply } from "../../../daemon/routes/lease_reply.ts";
import { event } from "../../core/delivery/queue_bench.ts";

const decoder = new TextDecoder();

Deno.test("leaseReply holds every delivery with the token that settles it, and its line byte for byte", () => {
  const grant = new Grant("b-2f", {
    consumer: "c",
    bound: false,
    startedAt: 1_795_838_440_636,
    startedMono: 12.5,
  });
  const leases = Array.from({ length: 1000 }, (_, i) => {
    const entry = Entry.of("stream", "t", event(i + 1));
    // Some come again, in between.
    if (i % 7 === 3) entry.nextAttempt = 2 + i % 12;
    return new Lease(grant, entry, { at: 12.5 + 30_000 });
  });
  const other = new Grant("b-2g", { consumer: "c", bound: false, startedAt: 7, startedMono: 0 });
  leases.push(new Lease(other, Entry.of("stream", "t", event(2000)), { at: 1 }));
  const text = decoder.decode(leaseReply({ paused: false, pending: 3 }, leases));
  const { deliveries, ...rest } = JSON.parse(text);
  assert.deepEqual(rest, { paused: false, pending: 3 });
  assert.deepEqual(
    deliveries.map(({ event, ...about }: { event: { seq: number } }) => ({
      ...about,
      seq: event.seq,
    })),
    leases.map(({ token, attempt, expiresAt, entry }) => ({
      lease: token,
      attempt,
      expiresAt,
      seq: entry.seq,
    })),
  );
  for (const [i, { entry }] of leases.entries()) {
    const line = decoder.decode(toWireLine(event(entry.seq))).trimEnd();
    assert.ok(text.includes(`"event":${line}}`), `event ${i}`);
  }
});

Deno.test("leaseReply says since which claim each event's part is here, and nothing where it is not divided", () => {
  const grant = new Grant("b-2f", { consumer: "c", bound: false, startedAt: 7, startedMono: 0 });
  const leases = [0, 0, 3, 3, 5, 0].map((part, i) => {
    const entry = Entry.of("stream", "t", event(i + 1));
    entry.part = part;
    return new Lease(grant, entry, { at: 1 });
  });
  const epochs = new Map([[0, 2], [3, 7]]);
  const read = (bytes: Uint8Array) =>
    JSON.parse(decoder.decode(bytes)).deliveries.map(({ epoch }: { epoch?: number }) => epoch);
  const text = leaseReply({}, leases, (part) => epochs.get(part));
  assert.deepEqual(read(text), [2, 2, 7, 7, undefined, 2]);
  assert.deepEqual(read(leaseReply({}, leases)), leases.map(() => undefined));
});

Deno.test("leaseReply answers with an empty list when there is nothing", () => {
  assert.equal(decoder.decode(leaseReply({}, [])), '{"deliveries":[]}\n');
  assert.equal(
    decoder.decode(leaseReply({ paused: true }, [])),
    '{"paused":true,"deliveries":[]}\n',
  );
});
