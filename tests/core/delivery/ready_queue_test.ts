/** Which event of a subscription may be leased next: keys, retries that wait, what is given back. */
import assert from "node:assert/strict";
import { Entry } from "../../../core/delivery/entry.ts";
import { Grant, Lease } from "../../../core/delivery/leases.ts";
import { ReadyQueue } from "../../../core/delivery/ready_queue.ts";
import { event } from "./queue_bench.ts";

const grant = new Grant("g", { consumer: "c", bound: false, startedAt: 0, startedMono: 0 });

function stream(seq: number, key?: string): Entry {
  return Entry.of("stream", "t", event(seq, key));
}

function retry(seq: number, { key, due }: { key?: string; due: number }): Entry {
  const entry = Entry.ofRetry({ topic: "t", seq, key, size: 1 }, { id: `id-${seq}`, type: "x" });
  entry.dueMono = due;
  return entry;
}

/** Leases what is next; undefined if nothing may be. */
function take(ready: ReadyQueue): Lease | undefined {
  const entry = ready.peek();
  if (entry === undefined) return undefined;
  const lease = new Lease(grant, entry, { at: Infinity });
  ready.lease(lease);
  return lease;
}

function finish(ready: ReadyQueue, lease: Lease): void {
  ready.endLease(lease);
  ready.drop(lease.entry);
}

/** Leases and finishes one event after the other, until none is next. */
function drain(ready: ReadyQueue): number[] {
  const seqs: number[] = [];
  for (let lease = take(ready); lease !== undefined; lease = take(ready)) {
    seqs.push(lease.entry.seq);
    finish(ready, lease);
  }
  return seqs;
}

Deno.test("ReadyQueue leases one event of a key at a time, in order, and other keys beside it", () => {
  const ready = new ReadyQueue();
  for (const [seq, key] of [[1, "a"], [2, "a"], [3, "b"], [4]] as const) {
    ready.addStream(stream(seq, key));
  }
  const leases = [take(ready)!, take(ready)!, take(ready)!];
  assert.deepEqual(leases.map(({ entry }) => entry.seq), [1, 3, 4]);
  assert.equal(take(ready), undefined);
  ready.addStream(stream(5, "a"));
  assert.equal(take(ready), undefined, "what comes later changes nothing");
  finish(ready, leases[0]!);
  assert.deepEqual(drain(ready), [2, 5]);
});

Deno.test("ReadyQueue gives a released event back in front of the others of its key", () => {
  const ready = new ReadyQueue();
  for (const seq of [1, 2, 3]) ready.addStream(stream(seq, "a"));
  const lease = take(ready)!;
  ready.endLease(lease);
  ready.giveBack(lease.entry);
  assert.deepEqual(drain(ready), [1, 2, 3]);
});

Deno.test("ReadyQueue leases a retry once it is due, and nothing of its key before", () => {
  const ready = new ReadyQueue();
  ready.addRetry(retry(1, { key: "a", due: 100 }));
  ready.addStream(stream(2, "a"));
  ready.addStream(stream(3, "b"));
  assert.deepEqual(drain(ready), [3]);
  assert.equal(ready.nextDueMono, 100);
  ready.wake(99);
  assert.deepEqual(drain(ready), []);
  ready.wake(100);
  assert.deepEqual(drain(ready), [1, 2]);
});

Deno.test("ReadyQueue holds an event back that was ready when a retry of its key comes", () => {
  const ready = new ReadyQueue();
  ready.addStream(stream(2, "a"));
  ready.addRetry(retry(1, { key: "a", due: 100 }));
  assert.deepEqual(drain(ready), []);
  ready.wake(100);
  assert.deepEqual(drain(ready), [1, 2]);
});

Deno.test("ReadyQueue leases the retries of a key by seq when they come in another order", () => {
  const ready = new ReadyQueue();
  for (const seq of [3, 1, 4, 2]) ready.addRetry(retry(seq, { key: "a", due: 0 }));
  ready.wake(0);
  assert.deepEqual(drain(ready), [1, 2, 3, 4]);
});

Deno.test("ReadyQueue holds a later retry of a key back until the earlier one is due", () => {
  const ready = new ReadyQueue();
  ready.addRetry(retry(2, { key: "a", due: 0 }));
  ready.addRetry(retry(1, { key: "a", due: 100 }));
  ready.wake(0);
  assert.deepEqual(drain(ready), []);
  ready.wake(100);
  assert.deepEqual(drain(ready), [1, 2]);
});
