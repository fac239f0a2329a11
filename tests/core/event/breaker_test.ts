/** When a breaker trips, and what it prevents. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { Breaker, checkBreaker, formatBreaker, parseBreaker } from "../../../core/event/breaker.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { InvalidArgumentError } from "../../../core/base/errors.ts";

Deno.test("Breaker trips exactly when the share of failures among the last attempts is reached", () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 60 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 100 }),
      (attempts, window, percent) => {
        const breaker = new Breaker();
        const spec = { failing: percent / 100, window };
        attempts.forEach((failed, index) => {
          const before = breaker.tripped;
          breaker.note(failed, spec);
          if (before !== undefined) return;
          const last = attempts.slice(0, index + 1).slice(-window);
          const reached = last.length === window &&
            last.filter(Boolean).length >= spec.failing * window;
          assert.equal(breaker.tripped !== undefined, reached);
        });
      },
    ),
  );
});

Deno.test("Breaker begins anew after a reset and does nothing when it is off", () => {
  const breaker = new Breaker();
  for (let i = 0; i < 9; i++) breaker.note(true, null);
  assert.equal(breaker.tripped, undefined);
  breaker.note(true, { failing: 1, window: 1 });
  assert.equal(breaker.tripped, "1 of the last 1 attempts failed");
  breaker.reset();
  assert.equal(breaker.tripped, undefined);
});

Deno.test("parseBreaker takes back what formatBreaker prints, and refuses anything else in words", () => {
  for (const text of ["50%/20", "12.5%/8", "100%/1", "off"]) {
    assert.equal(formatBreaker(parseBreaker(text)), text);
  }
  for (const text of ["", "50", "50/20", "0%/5", "101%/5", "50%/0", "50%/10001", "-5%/5"]) {
    assert.throws(() => parseBreaker(text), InvalidArgumentError, text);
  }
  assert.equal(checkBreaker(null), null);
});

Deno.test("a subscription pauses and dead-letters nothing when its breaker trips, and goes on when resumed", async () => {
  await using broker = new EventBroker();
  let broken = true;
  const seen: number[] = [];
  const subscription = broker.subscribe<number>("t", ({ payload }) => {
    if (broken) throw new Error("the mail server is gone");
    seen.push(payload);
  }, { name: "mailer", maxRetries: 0, retryDelay: 0, breaker: { failing: 1, window: 1 } });
  await subscription.ready;
  const events = [1, 2, 3, 4, 5];
  for (const payload of events) await broker.publish("t", "x", payload);
  while (!(await broker.subscriptions.info("mailer")).paused) {
    await new Promise((go) => setTimeout(go, 1));
  }
  const info = await broker.subscriptions.info("mailer");
  assert.equal(info.pauseReason, "1 of the last 1 attempts failed");
  assert.equal(info.dead, 0);
  broken = false;
  await broker.subscriptions.resume("mailer");
  while (seen.length < 5) await new Promise((go) => setTimeout(go, 1));
  assert.deepEqual(seen.toSorted(), events);
  assert.equal((await broker.subscriptions.info("mailer")).dead, 0);
});
