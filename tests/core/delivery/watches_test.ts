/** When a subscription is done with an event, and who is told. */
import assert from "node:assert/strict";
import { isProcessed, Watches } from "../../../core/delivery/watches.ts";
import { Bench } from "./queue_bench.ts";

Deno.test("isProcessed is false while an event is leased or its retry waits, and true once it is done or dead", () => {
  const bench = new Bench();
  for (let i = 0; i < 3; i++) bench.publish(undefined);
  bench.feed(3);
  bench.lease(3);
  const done = () => [1, 2, 3].map((seq) => isProcessed(bench.queue, "t", seq));
  const [one, two, three] = bench.leases.map(({ token }) => token);
  bench.settle([{ lease: two!, ack: false, error: "no" }, { lease: three!, ack: true }]);
  assert.deepEqual(done(), [false, false, false]);
  bench.settle([{ lease: one!, ack: true }]);
  assert.deepEqual(done(), [true, false, false], "the retry of the second waits");
  bench.now = { wall: bench.now.wall + 100, mono: bench.now.mono + 100 };
  bench.lease(1);
  assert.deepEqual(done(), [true, false, false]);
  bench.settle([{ lease: bench.leases[0]!.token, ack: false, error: "no", dead: true }]);
  assert.deepEqual(done(), [true, true, true]);
  assert.equal(isProcessed(bench.queue, "other", 1), false);
});

Deno.test("Watches resolves what holds, rejects what is aborted, and ends the rest", async () => {
  const watches = new Watches();
  let holds = false;
  const abort = new AbortController();
  const first = watches.wait(() => holds, { endIsFine: false });
  const aborted = watches.wait(() => false, { signal: abort.signal, endIsFine: true });
  const fine = watches.wait(() => false, { endIsFine: true });
  const failed = watches.wait(() => false, { endIsFine: false });
  watches.look();
  holds = true;
  watches.look();
  await first;
  abort.abort(new Error("no longer wanted"));
  await assert.rejects(aborted, /no longer wanted/);
  watches.end(new Error("the end"));
  await fine;
  await assert.rejects(failed, /the end/);
});
