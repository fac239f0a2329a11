/** A redacted event in a queue: nobody gets it, wherever it is, and it is done. */
import assert from "node:assert/strict";
import { planRedacted } from "../../../core/delivery/redact.ts";
import { Bench, event } from "./queue_bench.ts";

function bench(count: number): Bench {
  const made = new Bench();
  for (let i = 0; i < count; i++) made.publish(undefined);
  return made;
}

/** The event as it is after its redaction. */
function redacted(seq: number) {
  return {
    ...event(seq),
    metadata: '{"redacted":{"at":1}}',
    payload: new TextEncoder().encode("null"),
  };
}

function redact(of: Bench, seq: number, { fails = false } = {}): boolean {
  const plan = planRedacted(of.queue, redacted(seq), { isStored: true });
  of.commit(plan, fails);
  return plan.result;
}

function leased(of: Bench): number[] {
  of.feed(10);
  of.lease(10);
  return of.leases.map(({ entry }) => entry.seq);
}

Deno.test("planRedacted takes an event that was read out of the queue, and moves the cursor over it", () => {
  const b = bench(2);
  b.feed(2);
  assert.equal(redact(b, 1), true);
  assert.equal(b.state.load().cursors[0]!.next, 2);
  assert.deepEqual(leased(b), [2]);
  assert.equal(redact(b, 1), false, "it is done");
});

Deno.test("planRedacted delivers an event that was read to nobody, even if the plan is refused", () => {
  const b = bench(2);
  b.feed(2);
  redact(b, 1, { fails: true });
  assert.deepEqual(leased(b), [2]);
});

Deno.test("planRedacted counts a leased event as done whatever its handler answers, with nothing left of it", () => {
  for (const answer of ["ack", "nack", "release"] as const) {
    const b = bench(1);
    assert.deepEqual(leased(b), [1]);
    const [lease] = b.leases;
    assert.equal(redact(b, 1), true);
    assert.equal(b.queue.leased, 1, "its handler is not interrupted");
    assert.match(new TextDecoder().decode(lease!.line), /"payload":null/);
    if (answer === "release") b.release(lease!);
    else if (answer === "ack") b.settle([{ lease: lease!.token, ack: true }]);
    else b.settle([{ lease: lease!.token, ack: false, error: "no", dead: true }]);
    assert.ok(b.queue.drained, answer);
    assert.deepEqual([b.dead(), b.state.load().retries], [[], []]);
    assert.equal(b.queue.cursorOf(b.queue.lanes.at("t", 0)!), 2);
  }
});

Deno.test("planRedacted removes the retry that waits for an event, and its row", () => {
  const b = bench(1);
  leased(b);
  b.settle([{ lease: b.leases[0]!.token, ack: false, error: "no" }]);
  assert.equal(b.queue.scheduled, 1);
  assert.equal(redact(b, 1), true);
  assert.deepEqual(b.state.load().retries, []);
  assert.ok(b.queue.drained);
});
