/**
 * What a consumer holds, and how much more it asks for: leases that come anew, events that are done
 * by then, and those that the daemon has back.
 */
import assert from "node:assert/strict";
import type { RateLimit } from "../../../../core/base/rate.ts";
import { demand } from "../../../../core/client/consumer/demand.ts";
import { InFlight } from "../../../../core/client/consumer/in_flight.ts";
import type { Delivery } from "../../../../core/client/consumer/port.ts";
import { Prefetch } from "../../../../core/client/consumer/prefetch.ts";
import { MOST_DELIVERIES } from "../../../../core/event/limits.ts";

const NOTHING = new Uint8Array(0);

function delivery(seq: number, { lease = `lease-${seq}`, attempt = 1, id = `id-${seq}` } = {}) {
  const facts = { topic: "t", type: "x", id, seq };
  const given: Delivery = {
    lease,
    attempt,
    delivery: 1,
    isSuspect: false,
    facts,
    line: "",
    event: NOTHING,
    payload: NOTHING,
  };
  return given;
}

const uncounted = () => assert.fail("no failure was counted");

function holding(...deliveries: Delivery[]): InFlight {
  const inFlight = new InFlight();
  for (const one of deliveries) assert.equal(inFlight.take(one, uncounted), undefined);
  return inFlight;
}

const seqs = (works: readonly { delivery: Delivery }[]) =>
  works.map(({ delivery }) => delivery.facts.seq);

Deno.test("InFlight.doneOf knows what was done before it was handed out anew, until leases are asked for again", () => {
  const inFlight = holding(delivery(1), delivery(2));
  const [first] = inFlight.all();
  inFlight.finish(first!);
  const again = delivery(1, { lease: "late" });
  const next = delivery(3);
  inFlight.doneOf([delivery(1), delivery(2)]); // they have been seen
  assert.deepEqual([...inFlight.doneOf([again, next])], [again]);
  inFlight.asked();
  assert.deepEqual([...inFlight.doneOf([again])], [], "now it comes because it was sent again");
});

Deno.test("InFlight.take gives a work the lease that it has now, and begins nothing twice", () => {
  const inFlight = holding(delivery(1));
  const [work] = inFlight.all();
  work!.stale = true;
  work!.marked = true;
  assert.equal(inFlight.take(delivery(1, { lease: "new" }), uncounted), work);
  assert.deepEqual([work!.lease, work!.stale, work!.marked], ["new", false, false]);
  assert.equal(inFlight.size, 1);
  // The failure of the last attempt was stored, and only the reply was lost.
  work!.verdict = { kind: "nack", failure: { error: "no", durationMs: 1 } };
  const counted: unknown[] = [];
  assert.equal(inFlight.take(delivery(1, { attempt: 2 }), (one) => counted.push(one)), undefined);
  assert.deepEqual(counted, [work]);
  assert.notEqual(inFlight.all()[0], work);
});

Deno.test("InFlight.next leaves out what the daemon has back, what has begun, and a second event of an id", () => {
  const inFlight = holding(
    delivery(1),
    delivery(2),
    delivery(3, { id: "id-2" }),
    delivery(4),
    delivery(5),
  );
  const [stale, , , begun] = inFlight.all();
  stale!.stale = true;
  begun!.running = { kill() {} };
  assert.deepEqual(seqs(inFlight.next(10)), [2, 5]);
  assert.equal(inFlight.size, 4, "somebody else may have it");
  assert.deepEqual(seqs(inFlight.next(1)), [2]);
});

/** A reserve that wants ten events ahead. */
function tenAhead(): Prefetch {
  const prefetch = new Prefetch(1, 10);
  prefetch.note(0);
  return prefetch;
}

Deno.test("demand asks for what may begin and what is leased ahead, and for no more than may be done", () => {
  const sizes = { concurrency: 4, batch: 2 };
  const idle = { running: 0, waiting: 0, started: 0 };
  const free = { prefetch: tenAhead(), limit: undefined };
  assert.equal(demand(sizes, idle, free), 4 * 2 + 10);
  assert.equal(demand(sizes, { ...idle, running: 4 }, free), 10);
  assert.equal(demand({ ...sizes, max: 7 }, idle, free), 7);
  assert.equal(demand({ ...sizes, max: 7 }, { ...idle, started: 4, waiting: 2 }, free), 1);
  assert.equal(demand({ ...sizes, max: 7 }, { ...idle, started: 7 }, free), 0);
  assert.equal(demand({ concurrency: 5000 }, idle, free), MOST_DELIVERIES);
});

Deno.test("demand asks for nothing ahead with a rate: what waits for its turn waits in the daemon", () => {
  const limited = (tokens: number) => ({
    prefetch: tenAhead(),
    limit: { tokens } as RateLimit,
  });
  const load = { running: 1, waiting: 0, started: 0 };
  assert.equal(demand({ concurrency: 3 }, load, limited(100)), 2);
  assert.equal(demand({ concurrency: 3 }, load, limited(1)), 1);
  assert.equal(demand({ concurrency: 3 }, load, limited(0)), 0);
  assert.equal(demand({ concurrency: 3 }, { ...load, waiting: 1 }, limited(1)), 0);
  assert.equal(
    demand({ concurrency: 3, batch: 5 }, load, limited(1)),
    5,
    "a whole batch on credit",
  );
});
