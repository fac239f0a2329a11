/** Leases: their tokens, finding them by these, how many and how large, and when they end. */
import assert from "node:assert/strict";
import { Entry } from "../../../core/delivery/entry.ts";
import { Grant, Lease, Leases } from "../../../core/delivery/leases.ts";
import { Bench, event } from "./queue_bench.ts";

function handOut(leases: Leases, name: string, count: number): Lease[] {
  const grant = new Grant(name, { consumer: "c", bound: true, startedAt: 10, startedMono: 5.25 });
  return Array.from({ length: count }, (_, i) => {
    const entry = Entry.of("stream", "t", event(i + 1));
    const lease = new Lease(grant, entry, { at: 5.25 + 30_000 });
    leases.add(lease);
    return lease;
  });
}

Deno.test("Leases finds each lease by its token, and nothing by any other spelling of it", () => {
  const leases = new Leases();
  const all = [...handOut(leases, "a-1", 12), ...handOut(leases, "a-12", 3)];
  assert.deepEqual(all.map(({ token }) => leases.get(token)), all);
  assert.deepEqual([...leases.values()], all);
  assert.equal(new Set(all.map(({ token }) => token)).size, 15);
  const strange = ["", ".", "a-1", "a-1.", ".1", "a-1.01", "a-1.12", "a-1.-1", "a-1.+1", "a-1.1 "];
  const stranger = ["a-1. 1", "a-1.1e0", "a-1.1.1", "a-1.0x1", "A-1.1", "a-2.0", "a-12.3", "1.a-1"];
  for (const token of [...strange, ...stranger, "a-1.99999999999999999999"]) {
    assert.equal(leases.get("a-1.1"), all[1], "the last grant is remembered");
    assert.equal(leases.get(token), undefined, JSON.stringify(token));
    assert.equal(leases.has(token), false);
  }
});

Deno.test("Leases forgets a lease that has ended, and an answer with its last one", () => {
  const leases = new Leases();
  const all = handOut(leases, "a", 3);
  assert.equal(leases.size, 3);
  assert.equal(leases.get("a.1"), all[1]);
  leases.delete(all[1]!);
  assert.equal(leases.get("a.1"), undefined);
  assert.deepEqual([...leases.values()], [all[0], all[2]]);
  leases.delete(all[0]!);
  leases.delete(all[2]!);
  assert.equal(leases.size, 0);
  assert.deepEqual(all[0]!.grant.leases, [], "no place is held for what is over");
  assert.equal(leases.get("a.2"), undefined);
  const [again] = handOut(leases, "a", 1);
  assert.equal(leases.get("a.0"), again, "not the one that was remembered");
});

Deno.test("Lease tells when it ends by the wall clock", () => {
  const [lease] = handOut(new Leases(), "a", 1);
  assert.equal(lease!.expiresAt, 30_010);
});

Deno.test("DeliveryQueue.extend puts off what was extended, and nothing else", () => {
  const bench = new Bench();
  for (let i = 0; i < 4; i++) bench.publish(undefined);
  bench.feed(4);
  bench.lease(4);
  const [first, , third] = bench.leases.map(({ token }) => token);
  bench.now = { wall: bench.now.wall + 900, mono: bench.now.mono + 900 };
  assert.deepEqual(bench.queue.extend([first!, third!, "l9.0"], 1000, bench.now), {
    settled: 2,
    lost: ["l9.0"],
  });
  assert.equal(bench.queue.ready.nextExpiryMono, 1000);
  const expired = (mono: number) => bench.queue.ready.expired(mono).map(({ entry }) => entry.seq);
  assert.deepEqual(expired(1000), [2, 4]);
  assert.equal(bench.queue.ready.nextExpiryMono, 1900);
  assert.deepEqual(expired(1899), []);
  assert.deepEqual(expired(1900), [1, 3]);
});

Deno.test("DeliveryQueue hands out and ends on behind answers that are over while one lease is held", () => {
  const bench = new Bench();
  for (let i = 0; i < 31; i++) bench.publish(undefined);
  bench.feed(31);
  bench.lease(1);
  for (let i = 0; i < 3; i++) {
    bench.now = { wall: bench.now.wall + 10, mono: bench.now.mono + 10 };
    bench.lease(10);
    bench.settle(bench.leases.slice(1).map(({ token }) => ({ lease: token, ack: true })));
  }
  bench.publish(undefined);
  bench.feed(1);
  bench.lease(1);
  const { ready } = bench.queue;
  assert.equal(ready.nextExpiryMono, 1000);
  assert.deepEqual(ready.expired(1029).map(({ entry }) => entry.seq), [1]);
  assert.equal(ready.nextExpiryMono, 1030, "of the last one");
  assert.deepEqual(ready.expired(1030).map(({ entry }) => entry.seq), [32]);
  assert.equal(ready.nextExpiryMono, Infinity);
});

Deno.test("DeliveryQueue looks after few leases that are over while one is held, and ends on time what is not", () => {
  const bench = new Bench();
  const { queue } = bench;
  const take = (count: number) => {
    for (let i = 0; i < count; i++) bench.publish(undefined);
    bench.feed(count);
    bench.lease(count);
  };
  take(1);
  let refused: string[] = [];
  for (let i = 0; i < 20; i++) {
    take(1000);
    const tokens = bench.leases.slice(-1000).map(({ token }) => token);
    assert.equal(queue.extend(tokens, 5000, bench.now).settled, 1000);
    const last = i === 19;
    bench.settle(tokens.slice(last ? 1 : 0).map((lease) => ({ lease, ack: true })), last);
    if (last) refused = tokens;
    else assert.equal(queue.leased, 1);
    assert.ok(queue.ready.watched <= 20_000, `${queue.ready.watched}`);
  }
  for (let i = 0; i < 40; i++) {
    bench.settle(refused.map((lease) => ({ lease, ack: true })), true);
    assert.ok(queue.ready.watched <= 20_000, `${queue.ready.watched}`);
  }
  assert.deepEqual(queue.ready.expired(4999).map(({ entry }) => entry.seq), [1]);
  const ended = new Set(queue.ready.expired(5000).map(({ token }) => token));
  assert.deepEqual([...ended].sort(), refused.sort());
});

Deno.test("DeliveryQueue ends none of the leases that are being settled, and all when that was refused", () => {
  const bench = new Bench();
  for (let i = 0; i < 3; i++) bench.publish(undefined);
  bench.feed(3);
  bench.lease(3);
  const [first, second] = bench.leases;
  first!.settling = second!.settling = true;
  assert.deepEqual(bench.queue.ready.expired(1000).map(({ entry }) => entry.seq), [3]);
  first!.settling = second!.settling = false;
  bench.settle([first!, second!].map(({ token }) => ({ lease: token, ack: true })), true);
  assert.deepEqual(bench.queue.ready.expired(1000).map(({ entry }) => entry.seq), [1, 2]);
});

Deno.test("DeliveryQueue knows what is held after a seek back over it, and reads none of it twice", () => {
  const bench = new Bench();
  for (let i = 0; i < 8; i++) bench.publish(undefined);
  bench.feed(8);
  bench.lease(6);
  const tokens = bench.leases.map(({ token }) => token);
  bench.seek(3);
  const { queue } = bench;
  const lane = queue.lanes.at("t", 0)!;
  assert.deepEqual([...queue.heldOf(lane).keys()], [3, 4, 5, 6], "1 and 2 are lost");
  assert.deepEqual([queue.pending, queue.leased, lane.held], [2, 4, 4]);
  bench.feed(8);
  bench.leases = [];
  bench.lease(8);
  assert.deepEqual(bench.leases.map(({ entry }) => entry.seq), [7, 8]);
  const held = [...tokens.slice(2), ...bench.leases.map(({ token }) => token)];
  bench.settle(held.map((lease) => ({ lease, ack: true })));
  assert.ok(queue.drained);
  assert.equal(lane.held, 0);
});

Deno.test("DeliveryQueue.lease stays below the bytes that were asked for, but leases one event of any size", () => {
  const bench = new Bench();
  const sized = (bytes: number) => {
    const seq = bench.log.length + 1;
    bench.log.push({ ...event(seq), payload: new Uint8Array(bytes) });
    bench.queue.look("t", { firstSeq: 1, lastSeq: seq });
  };
  for (const bytes of [1000, 5000, 1000, 1000, 5000]) sized(bytes);
  bench.queue.feed("t", { events: bench.log, next: 6 });
  const lease = (maxBytes: number) =>
    bench.queue.lease(bench.now, {
      max: 10,
      maxBytes,
      leaseMs: 1000,
      consumer: "c",
      bound: false,
      token: () => `m${bench.queue.leased}`,
    }).map(({ entry }) => entry.seq);
  const { size } = bench.queue.ready.peek()!;
  assert.deepEqual(lease(2 * size), [1], "the next one is larger");
  assert.deepEqual(lease(2 * size), [2], "larger than all that was asked for");
  assert.deepEqual(lease(2 * size), [3, 4], "exactly");
  assert.deepEqual(lease(2 * size), [5]);
  assert.deepEqual(lease(2 * size), []);
});

Deno.test("DeliveryQueue.lease holds no more than 64 MiB for all consumers together, and goes on when some is settled", () => {
  const bench = new Bench();
  const payload = new Uint8Array(20 * 1024 * 1024);
  for (let seq = 1; seq <= 4; seq++) bench.log.push({ ...event(seq), payload });
  bench.queue.look("t", { firstSeq: 1, lastSeq: 4 });
  bench.queue.feed("t", { events: bench.log, next: 5 });
  for (let i = 0; i < 4; i++) bench.lease(1);
  assert.deepEqual(bench.leases.map(({ entry }) => entry.seq), [1, 2, 3]);
  bench.settle([{ lease: bench.leases[1]!.token, ack: true }]);
  bench.lease(1);
  assert.deepEqual(bench.leases.map(({ entry }) => entry.seq), [1, 3, 4]);
});
