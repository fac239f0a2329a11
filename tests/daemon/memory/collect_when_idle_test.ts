/** A thread collects garbage once it is idle. */
import assert from "node:assert/strict";
import { IDLE_MS } from "../../../core/base/idle_timer.ts";
import { collectWhenIdle, GROWN } from "../../../daemon/memory/collect_when_idle.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

Deno.test("collectAtRest collects at rest what a heap has grown by, and leaves one alone that has hardly grown", async () => {
  const clock = new FakeClock();
  const heap = { bytes: 10 * GROWN, collections: 0 };
  const rest = collectWhenIdle({
    clock,
    heap: {
      size: () => heap.bytes,
      collect() {
        heap.collections++;
        heap.bytes /= 2;
      },
    },
  });
  const work = async (grown: number) => {
    heap.bytes += grown;
    rest.note();
    await clock.pass(IDLE_MS);
    return heap.collections;
  };
  assert.equal(await work(0), 1);
  assert.equal(await work(GROWN - 1), 1);
  assert.equal(await work(1), 2);
  assert.equal(await work(0), 2);
});
