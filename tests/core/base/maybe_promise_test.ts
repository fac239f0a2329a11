/** Tests of values that may come later: what is there is used at once, without a promise. */
import assert from "node:assert/strict";
import {
  allReady,
  arrived,
  isPromise,
  resultOf,
  whenReady,
} from "../../../core/base/maybe_promise.ts";

Deno.test("isPromise is true for what has a then, and for nothing else", () => {
  for (const value of [Promise.resolve(1), { then() {} } as unknown as Promise<number>]) {
    assert.equal(isPromise(value as unknown), true);
  }
  for (const value of [undefined, null, 0, "then", [], {}, { then: 1 }, () => {}]) {
    assert.equal(isPromise(value as unknown), false);
  }
});

Deno.test("whenReady calls at once with a value that is there, and later with one that comes", async () => {
  assert.equal(whenReady(2, (value) => value + 1), 3);
  assert.equal(await whenReady(Promise.resolve(2), (value) => value + 1), 3);
  const failed = whenReady(Promise.reject<number>(new Error("gone")), (value) => value);
  await assert.rejects(Promise.resolve(failed), /gone/);
});

Deno.test("arrived yields only what comes later, and returns it after the wait", async () => {
  function* both(first: number | Promise<number>) {
    return (yield* arrived(first)) + (yield* arrived(1));
  }
  assert.deepEqual(both(2).next(), { done: true, value: 3 });

  const steps = both(Promise.resolve(2));
  const waits = steps.next();
  assert.equal(waits.done, false);
  await waits.value;
  assert.deepEqual(steps.next(), { done: true, value: 3 });
});

Deno.test("arrived throws at a runner that does not wait", () => {
  const steps = arrived(Promise.resolve(1));
  steps.next();
  assert.throws(() => steps.next(), /before what it waits for/);
});

Deno.test("resultOf has the result at once if nothing comes later, else a promise of it", async () => {
  function* sum(...values: (number | Promise<number>)[]) {
    let total = 0;
    for (const value of values) total += yield* arrived(value);
    return total;
  }
  assert.equal(resultOf(sum(1, 2)), 3);
  const later = resultOf(sum(1, Promise.resolve(2), 3, Promise.resolve(4)));
  assert.equal(isPromise(later), true);
  assert.equal(await later, 10);
  await assert.rejects(
    Promise.resolve(resultOf(sum(1, Promise.reject<number>(new Error("gone"))))),
    /gone/,
  );
});

Deno.test("allReady has all values at once if none comes later, else a promise of them", async () => {
  assert.deepEqual(allReady([1, 2]), [1, 2]);
  const later = allReady([1, Promise.resolve(2)]);
  assert.equal(isPromise(later), true);
  assert.deepEqual(await later, [1, 2]);
});
