/**
 * A client's texts about a pause or a failed attempt are truncated wherever they are kept, reported
 * and logged.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { LONGEST_OUTPUT, LONGEST_TEXT } from "../../../core/base/truncate.ts";

const LONG = "x".repeat(500_000);

Deno.test("SubscriptionManager.pause keeps the head of a reason that does not end", async () => {
  await using broker = new EventBroker();
  await broker.subscriptions.put("s", { topic: "t" });
  const { pauseReason } = await broker.subscriptions.pause("s", { reason: `why: ${LONG}` });
  assert.equal(pauseReason!.length, LONGEST_TEXT);
  assert.match(pauseReason!, /^why: x+…$/);
  const short = await broker.subscriptions.pause("s", {
    reason: "y".repeat(LONGEST_TEXT),
  });
  assert.equal(short.pauseReason, "y".repeat(LONGEST_TEXT));
});

Deno.test("SubscriptionManager.nack keeps the head of an error and a stack, and the end of what was printed", async () => {
  await using broker = new EventBroker();
  await broker.publish("t", "x", 1);
  await broker.subscriptions.put("s", { topic: "t", from: "start" });
  const { deliveries } = await broker.subscriptions.lease("s", { max: 1 }, { consumer: "c" });
  await broker.subscriptions.nack("s", [{
    lease: deliveries[0]!.token,
    error: `error: ${LONG}`,
    signal: `signal: ${LONG}`,
    stderr: `${LONG} the last line`,
    stack: `stack: ${LONG}`,
    dead: true,
  }]);
  const { records: [record] } = await broker.deadLetters.records({}, { limit: 1 });
  const [attempt] = record!.attempts;
  assert.equal(record!.reason, attempt!.error);
  assert.equal(attempt!.error.length, LONGEST_TEXT);
  assert.match(attempt!.error, /^error: x+…$/);
  assert.equal(attempt!.signal!.length, LONGEST_TEXT);
  assert.equal(attempt!.stderr!.length, LONGEST_OUTPUT);
  assert.match(attempt!.stderr!, /^…x+ the last line$/);
  assert.equal(attempt!.stack!.length, LONGEST_OUTPUT);
  assert.match(attempt!.stack!, /^stack: x+…$/);
});

Deno.test("SubscriptionManager.nack keeps what fits as it was said", async () => {
  await using broker = new EventBroker();
  await broker.publish("t", "x", 1);
  await broker.subscriptions.put("s", { topic: "t", from: "start" });
  const { deliveries } = await broker.subscriptions.lease("s", { max: 1 }, { consumer: "c" });
  const said = {
    error: "e".repeat(LONGEST_TEXT),
    stderr: "p".repeat(LONGEST_OUTPUT),
    stack: "s".repeat(LONGEST_OUTPUT),
  };
  await broker.subscriptions.nack("s", [{ lease: deliveries[0]!.token, ...said, dead: true }]);
  const { records: [record] } = await broker.deadLetters.records({}, { limit: 1 });
  const { error, stderr, stack } = record!.attempts[0]!;
  assert.deepEqual({ error, stderr, stack }, said);
});
