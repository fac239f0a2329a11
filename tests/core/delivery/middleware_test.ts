/** Middleware and batches, each by itself, with a fake clock. */
import assert from "node:assert/strict";
import { compose, type HandlerContext } from "../../../core/delivery/handler.ts";
import {
  deadLetterOn,
  dedup,
  reliable,
  retryOn,
  timeout,
} from "../../../core/delivery/middleware.ts";
import { HandlerOutcome, retry } from "../../../core/delivery/outcome.ts";
import { batchParts } from "../../../core/delivery/handler_options.ts";
import {
  HandlerTimeoutError,
  InvalidArgumentError,
  NonRetryableError,
} from "../../../core/base/errors.ts";
import type { Event } from "../../../core/event/event.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";

function event(payload: unknown, id = String(payload)): Event {
  return { id, type: "x", topic: "t", timestamp: 1, schemaVersion: "1.0", payload, metadata: {} };
}

function context(attempt: number, signal = new AbortController().signal): HandlerContext {
  return { subscription: "s", attempt, delivery: 1, maxRetries: 2, signal };
}

async function kindOf(result: unknown): Promise<string> {
  const outcome = await result;
  return outcome instanceof HandlerOutcome ? outcome.kind : "done";
}

Deno.test("reliable puts dead letter outside of retry: it gets what the retry gave up, and only that", async () => {
  const failing = compose(() => Promise.reject(new Error("down")), reliable());
  const kinds = [1, 2, 3].map((attempt) => kindOf(failing(event(1), context(attempt))));
  assert.deepEqual(await Promise.all(kinds), ["retry", "retry", "dead"]);
  const hopeless = compose(() => Promise.reject(new NonRetryableError("no")), reliable());
  assert.equal(await kindOf(hopeless(event(1), context(1))), "dead");
});

Deno.test("reliable puts retry outside of timeout: a time-out is a failure like any other", async () => {
  const clock = new FakeClock();
  const slow = compose(() => new Promise(() => {}), reliable({ timeout: 50, clock }));
  const first = kindOf(slow(event(1), context(1)));
  const last = kindOf(slow(event(2), context(3)));
  await clock.pass(50);
  assert.deepEqual([await first, await last], ["retry", "dead"]);
  assert.equal(clock.timers, 0);
});

Deno.test("dedup forgets nothing that was done, everything that failed, and the oldest beyond its size", async () => {
  const calls: unknown[] = [];
  const handler = compose(({ payload }) => {
    calls.push(payload);
    if (calls.length === 1) throw new Error("once");
    if (calls.length === 2) return retry();
  }, [dedup({ size: 2 })]);
  await assert.rejects(async () => await handler(event("a"), context(1)), /once/);
  assert.equal(await kindOf(handler(event("a"), context(2))), "retry");
  for (const name of ["a", "a", "b", "c", "c", "a"]) await handler(event(name), context(3));
  assert.deepEqual(calls, ["a", "a", "a", "b", "c", "a"]);
});

Deno.test("deadLetterOn and retryOn leave alone what their predicates do not mean", async () => {
  const handler = compose(({ payload }) => {
    throw new Error(String(payload));
  }, [
    deadLetterOn({ when: (error) => (error as Error).message === "dead" }),
    retryOn({ when: (error) => (error as Error).message === "again", delay: (n) => n * 10 }),
  ]);
  assert.equal(await kindOf(handler(event("dead"), context(1))), "dead");
  const outcome = await handler(event("again"), context(2)) as HandlerOutcome;
  assert.deepEqual([outcome.kind, outcome.afterMs, outcome.reason], ["retry", 20, "again"]);
  await assert.rejects(async () => await handler(event("other"), context(1)), /other/);
});

Deno.test("timeout aborts the attempt's signal, passes the subscription's on, and leaves no timer", async () => {
  const clock = new FakeClock();
  const signals: AbortSignal[] = [];
  const handler = timeout(50, { clock })((_, { signal }) => {
    signals.push(signal);
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(new Error("heard")))
    );
  });
  const late = handler(event(1), context(1)) as Promise<unknown>;
  const end = new AbortController();
  const ended = handler(event(2), context(1, end.signal)) as Promise<unknown>;
  end.abort();
  await assert.rejects(ended, /heard/);
  assert.equal(clock.timers, 1);
  const told = assert.rejects(late, HandlerTimeoutError);
  await clock.pass(50);
  await told;
  assert.ok(signals[0]!.reason instanceof HandlerTimeoutError);
  assert.equal(clock.timers, 0);
  assert.throws(() => timeout(0), InvalidArgumentError);
});

Deno.test("subscribeBatch gathers by size and by time, one batch after the other", async () => {
  const clock = new FakeClock();
  const batches: unknown[][] = [];
  const gates: PromiseWithResolvers<unknown>[] = [];
  const { handler, options } = batchParts(
    (events) => {
      batches.push(events.map(({ payload }) => payload));
      gates.push(Promise.withResolvers<unknown>());
      return gates.at(-1)!.promise;
    },
    { size: 3, maxWaitMs: 20 },
    clock,
  );
  assert.equal(options.concurrency, 3);
  const add = (n: number) => Promise.resolve(handler(event(n), context(1))).catch(String);
  const first = [add(1), add(2)];
  await clock.pass(19);
  assert.deepEqual(batches, []);
  await clock.pass(1);
  assert.deepEqual(batches, [[1, 2]]);
  const second = [add(3), add(4), add(5)];
  await clock.pass(100);
  assert.equal(batches.length, 1, "one at a time");
  gates[0]!.resolve(undefined);
  await settled();
  assert.deepEqual(batches[1], [3, 4, 5], "a full one does not wait");
  gates[1]!.resolve(["too", "few"]);
  assert.deepEqual(await Promise.all(first), [undefined, undefined]);
  for (const said of await Promise.all(second)) {
    assert.match(String(said), /2 outcomes for 3 events/);
  }
  assert.throws(() => batchParts(() => {}, { size: 0 }, clock), InvalidArgumentError);
});
