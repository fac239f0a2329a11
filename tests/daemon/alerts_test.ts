/** From which limits on there is an alert, and what it says. */
import assert from "node:assert/strict";
import fc from "../packages/fast_check.ts";
import { type AlertFacts, type AlertLimits, alertsOf } from "../../daemon/alerts.ts";
import { Metrics } from "../../daemon/metrics.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

const MINUTE = 60_000;
const OFF: AlertLimits = {
  alertDeadLetters: 0,
  alertLag: 0,
  alertAge: 0,
  alertLeased: 0,
  alertDisk: 0,
};
const FACTS: AlertFacts = { now: 0, deadLetters: 0, subscriptions: [], disk: undefined };
const IDLE = {
  name: "s",
  pending: 0,
  leased: 0,
  scheduled: 0,
  oldestAt: undefined,
  lease: undefined,
};

/** The alerts of one subscription, and of nothing else. */
function of(limits: Partial<AlertLimits>, one: Partial<AlertFacts["subscriptions"][number]>) {
  const facts = { ...FACTS, now: 100 * MINUTE, subscriptions: [{ ...IDLE, ...one }] };
  return alertsOf({ ...OFF, ...limits }, facts);
}

Deno.test("alertsOf says nothing when every limit is 0, whatever there is", () => {
  const size = fc.integer({ min: 1, max: 1e9 });
  fc.assert(fc.property(size, size, fc.double({ min: 0, max: 1, noNaN: true }), (n, ms, free) => {
    const lease = { since: 0, leaseMs: 1 };
    const subscriptions = [{ ...IDLE, pending: n, leased: n, oldestAt: 0, lease }];
    const disk = { free: free * n, size: n };
    assert.deepEqual(alertsOf(OFF, { now: ms, deadLetters: n, subscriptions, disk }), []);
  }));
});

Deno.test("alertsOf names a subscription whose oldest event is as old as alert.age", () => {
  const limits = { alertAge: 5 * MINUTE };
  assert.deepEqual(of(limits, { oldestAt: 95 * MINUTE + 1 }), []);
  assert.deepEqual(of(limits, { oldestAt: undefined }), []);
  assert.deepEqual(of(limits, { oldestAt: 93 * MINUTE }), [{
    name: "age",
    subscription: "s",
    value: 7 * MINUTE,
    limit: 5 * MINUTE,
    message: "the oldest event of the subscription s is 7m old (alert.age is 5m)",
  }]);
});

Deno.test("alertsOf begins at its limits, of dead letters, of what waits and of how long", () => {
  const dead = (deadLetters: number) =>
    alertsOf({ ...OFF, alertDeadLetters: 3 }, { ...FACTS, deadLetters });
  assert.deepEqual(dead(2), []);
  assert.deepEqual(dead(3), [{
    name: "dead_letters",
    value: 3,
    limit: 3,
    message: "3 dead letters (alert.dead_letters is 3)",
  }]);
  // What is in flight or waits for its retry is behind, too.
  const behind = { pending: 4, leased: 3, scheduled: 2 };
  assert.deepEqual(of({ alertLag: 10 }, behind), []);
  assert.deepEqual(of({ alertLag: 9 }, behind).map(({ message }) => message), [
    "the subscription s is 9 events behind (alert.lag is 9)",
  ]);
  const names = (limits: Partial<AlertLimits>, one: Parameters<typeof of>[1]) =>
    of(limits, one).map(({ name }) => name);
  assert.deepEqual(names({ alertAge: 5 * MINUTE }, { oldestAt: 95 * MINUTE }), ["age"]);
  const lease = { since: 90 * MINUTE, leaseMs: 1000 };
  assert.deepEqual(names({ alertLeased: 10 * MINUTE }, { lease }), ["leased"]);
  assert.deepEqual(names({ alertLeased: 10 * MINUTE + 1 }, { lease }), []);
});

Deno.test("alertsOf names a consumer that holds an event for as long as alert.leased and longer than its lease", () => {
  const limits = { alertLeased: 10 * MINUTE };
  const leased = (minutes: number, leaseMs: number) =>
    of(limits, { lease: { since: (100 - minutes) * MINUTE, leaseMs } });
  assert.deepEqual(leased(9, 1000), []);
  assert.deepEqual(leased(20, 30 * MINUTE), [], "its lease lasts");
  assert.deepEqual(leased(31, 30 * MINUTE).map(({ name }) => name), ["leased"]);
  assert.deepEqual(leased(11, Infinity).map(({ message }) => message), [
    "a consumer of the subscription s has held an event for 11m (alert.leased is 10m): " +
    "evs subscription show s",
  ]);
});

Deno.test("alertsOf names a disk of which less than alert.disk percent are free", () => {
  const of = (free: number, alertDisk = 10) =>
    alertsOf({ ...OFF, alertDisk }, { ...FACTS, disk: { free, size: 1000 } });
  assert.deepEqual(of(100), []);
  assert.deepEqual(of(99, 0), []);
  assert.deepEqual(of(99).map(({ name, value, message }) => [name, value, message]), [
    ["disk", 9, "9 % of the disk of the data dir is free (alert.disk is 10)"],
  ]);
  assert.deepEqual(
    alertsOf({ ...OFF, alertDisk: 10 }, FACTS),
    [],
    "where the system does not tell",
  );
});

Deno.test("Metrics.refusedLately counts by code, most first, and forgets what is five minutes old", async () => {
  const clock = new FakeClock();
  const metrics = new Metrics(clock);
  metrics.refuse("a");
  await clock.pass(2 * MINUTE);
  for (let i = 0; i < 3; i++) metrics.refuse("b");
  metrics.refuse("a");
  assert.deepEqual(metrics.refusedLately(), [{ code: "b", count: 3 }, { code: "a", count: 2 }]);
  await clock.pass(3 * MINUTE - 1);
  assert.equal(metrics.refusedLately().find(({ code }) => code === "a")!.count, 2);
  await clock.pass(MINUTE / 4 + 1);
  assert.deepEqual(metrics.refusedLately(), [{ code: "b", count: 3 }, { code: "a", count: 1 }]);
  await clock.pass(3 * MINUTE);
  assert.deepEqual(metrics.refusedLately(), []);
  assert.equal(metrics.refused, 5);
  assert.equal(clock.timers, 0);
});
