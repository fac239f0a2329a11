/** The smallest element comes first, whether or not elements were added in order. */
import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "../../packages/fast_check.ts";
import { Heap } from "../../../core/delivery/heap.ts";

Deno.test("Heap gives the least first, in whatever order things come and go", () => {
  const pushed = fc.integer({ min: 0, max: 20 }).map((n): number | "pop" => n);
  const steps = fc.array(fc.oneof(pushed, pushed, fc.constant("pop" as const)), { maxLength: 60 });
  // Runs in order are what it is made for: each list of numbers is also tried sorted.
  const sorted = steps.map((list) =>
    list.filter((step) => step !== "pop").toSorted((a, b) => Number(a) - Number(b))
  );
  fc.assert(fc.property(fc.tuple(sorted, steps, sorted), (parts) => {
    const heap = new Heap<number>((n) => n);
    let model: number[] = [];
    for (const step of parts.flat()) {
      if (step === "pop") {
        assert.equal(heap.pop(), model[0]);
        model = model.slice(1);
      } else {
        heap.push(step);
        model = [...model, step].sort((a, b) => a - b);
      }
      assert.equal(heap.size, model.length);
      assert.equal(heap.peek(), model[0]);
    }
    assert.deepEqual([...heap].sort((a, b) => a - b), model);
    for (const n of model) assert.equal(heap.pop(), n);
    assert.equal(heap.pop(), undefined);
  }));
});

Deno.test("Heap takes and gives long lines in order", () => {
  const heap = new Heap<number>((n) => n);
  for (let n = 0; n < 5000; n++) heap.push(n);
  for (let n = 0; n < 3000; n++) assert.equal(heap.pop(), n);
  heap.push(10);
  assert.equal(heap.pop(), 10);
  for (let n = 3000; n < 5000; n++) assert.equal(heap.pop(), n);
  assert.equal(heap.size, 0);
});

Deno.test("Heap holds on to nothing that it gave", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const heap = new Heap<{ n: number }>(({ n }) => n);
  const taken: WeakRef<{ n: number }>[] = [];
  for (let n = 0; n < 100; n++) heap.push({ n });
  for (let n = 0; n < 50; n++) taken.push(new WeakRef(heap.pop()!));
  return new Promise<void>((resolve) => setTimeout(resolve)).then(() => {
    collect();
    assert.equal(taken.filter((one) => one.deref() !== undefined).length, 0);
    assert.equal(heap.size, 50);
  });
});
