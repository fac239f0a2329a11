/**
 * What judges must let pass where requests cross each other, or the end of an attempt is told late,
 * and how near to that they still find a breach. Each came from a seed, as in in_doubt_test.ts.
 */
import assert from "node:assert/strict";
import { deadLetter, History, infoOf } from "./history.ts";

Deno.test("judges do not know what became of dead letters that two send again and remove", () => {
  for (const order of ["retry first", "remove first", "one after the other"] as const) {
    const history = new History();
    history.subscribed();
    const ns = [1, 2];
    for (const n of ns) history.published(n, { seq: n });
    for (const n of ns) history.handled(n, { seq: n }, "dead");
    const entries = ns.map((n) => ({ subscription: "s", n }));
    const remove = { to: "remove dead" as const, entries };
    const retry = { to: "retry dead" as const, entries };
    if (order === "one after the other") {
      history.done(remove);
      history.done(retry);
    } else {
      const asks = [retry, remove].map((request) => history.asked(request));
      if (order === "remove first") asks.reverse();
      for (const ask of asks) history.fact({ is: "done", ask });
    }
    const found = new Set(history.findings().map(({ judge }) => judge));
    const isFound = order === "one after the other";
    assert.deepEqual([...found], isFound ? ["every event is handled"] : [], order);
  }
});

Deno.test("judges do not know whether a subscription is paused that is resumed at the same time", () => {
  for (const order of ["crossed", "resumed first", "paused twice"] as const) {
    const history = new History();
    history.subscribed();
    const pause = { to: "pause" as const, name: "s" };
    const others = {
      "crossed": { to: "resume" as const, name: "s" },
      "resumed first": { to: "resume" as const, name: "s" },
      "paused twice": { ...pause, forMs: 1000 },
    };
    const other = history.asked(others[order]);
    if (order === "resumed first") history.fact({ is: "done", ask: other });
    const ask = history.asked(pause);
    history.fact({ is: "done", ask });
    if (order !== "resumed first") history.fact({ is: "done", ask: other });
    history.published(1, { seq: 1 });
    history.handled(1, { seq: 1 }, "done");
    const found = history.findings().map(({ judge }) => judge);
    const isFound = order === "resumed first";
    assert.deepEqual(found, isFound ? ["a paused subscription delivers nothing"] : [], order);
  }
});

/** What is found when the lease of a process that was killed after 1 s ran for `leaseMs`. */
function afterLease({ leaseMs, attempt }: { leaseMs: number; attempt: number }): string[] {
  const history = new History();
  history.subscribed({ maxRetries: 5 });
  history.published(1, { seq: 1 });
  history.began(1, { seq: 1, holder: "hand", leaseMs });
  history.fact({ is: "gone", holder: "hand" });
  history.pass(20_000);
  history.handled(1, { seq: 1, attempt }, "done");
  return history.findings().map(({ judge }) => judge);
}

Deno.test("judges count an attempt whose lease runs out when its holder is gone", () => {
  for (const attempt of [1, 2]) assert.deepEqual(afterLease({ leaseMs: 3000, attempt }), []);
  assert.deepEqual(afterLease({ leaseMs: 3000, attempt: 3 }), ["attempts count up"]);
  assert.deepEqual(afterLease({ leaseMs: 60_000, attempt: 2 }), ["attempts count up"]);
});

/** What is found when nobody heard an outcome, others fail with the event, and it is not there. */
function toldLater(
  outcome: "done" | "dead",
  { calmMs = 0, dead = false }: { calmMs?: number; dead?: boolean } = {},
): string[] {
  const history = new History();
  history.subscribed({ maxRetries: 5 });
  history.published(1, { seq: 1 });
  const run = history.began(1, { seq: 1 });
  history.fact({ is: "disturbed", what: "stall", by: 1 });
  history.fact({ is: "ended", run, outcome, sure: false });
  if (calmMs > 0) history.fact({ is: "disturbed", what: "stall is over", by: -1 });
  history.pass(calmMs);
  history.ended(history.began(1, { seq: 1, holder: "hand", leaseMs: 3000 }), "released");
  if (calmMs === 0) history.fact({ is: "disturbed", what: "stall is over", by: -1 });
  if (dead) history.end.dead = [deadLetter(1)];
  if (dead) history.end.subscriptions = [infoOf("s", { dead: 1 })];
  return history.findings().map(({ judge }) => judge);
}

Deno.test("judges let a consumer say what it did with an event that others had meanwhile", () => {
  assert.deepEqual(toldLater("done"), []);
  assert.deepEqual(toldLater("dead", { dead: true }), []);
  assert.deepEqual(toldLater("done", { calmMs: 60_000 }), ["every event is handled"]);
  assert.deepEqual(toldLater("dead", { calmMs: 60_000, dead: true }), ["only what failed is dead"]);
});
