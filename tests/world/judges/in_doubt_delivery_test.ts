/**
 * What judges must let pass of deliveries and dead letters, because nobody outside can know
 * better, and how near to that they still find a breach. Each came from a seed in which a judge
 * accused wrongly.
 */
import assert from "node:assert/strict";
import type { Settings } from "../lives/act.ts";
import { deadLetter, History, infoOf, SETTINGS } from "./history.ts";

/** An answer that may be lost, and the next attempt of a batch, of which nobody tells the number. */
function guessed(outcome: "done" | "failed", { of }: { of: Partial<Settings> }): History {
  const history = new History();
  history.subscribed({ batch: 2, ...of });
  history.published(1, { seq: 1 });
  const first = history.began(1, { seq: 1 });
  history.fact({ is: "disturbed", what: "the daemon is told to stop" });
  history.fact({ is: "ended", run: first, outcome: "failed", sure: false });
  history.fact({ is: "down", how: "stopped" });
  history.pass(20_000);
  const second = history.began(1, { seq: 1, attempt: 2, isGuess: true });
  history.fact({ is: "ended", run: second, outcome, sure: false });
  return history;
}

Deno.test("judges do not believe a guessed attempt when an answer before it may be lost", () => {
  const history = guessed("done", { of: { maxRetries: 3 } });
  history.fact({ is: "down", how: "stopped" });
  history.pass(20_000);
  // Neither answer was kept.
  history.handled(1, { seq: 1, attempt: 1 }, "done");
  assert.deepEqual(history.findings(), []);
});

Deno.test("judges count a kept answer to a guessed attempt", () => {
  for (const [attempt, isRight] of [[1, false], [2, true], [3, true], [4, false]] as const) {
    const history = guessed("failed", { of: { maxRetries: 3 } });
    history.pass(20_000);
    history.handled(1, { seq: 1, attempt }, "done");
    const found = history.findings().map(({ judge }) => judge);
    assert.deepEqual(found, isRight ? [] : ["attempts count up"], `attempt ${attempt}`);
  }
});

Deno.test("judges do not know whether an event is dead if its last attempt was a guess", () => {
  const waits = guessed("failed", { of: { maxRetries: 1 } });
  waits.pass(20_000);
  waits.handled(1, { seq: 1, attempt: 2 }, "done");
  assert.deepEqual(waits.findings(), []);
  const dies = guessed("failed", { of: { maxRetries: 1 } });
  dies.end.dead = [deadLetter(1, { attempts: 2 })];
  dies.end.subscriptions = [infoOf("s", { dead: 1 })];
  assert.deepEqual(dies.findings(), []);
});

Deno.test("judges count a failure that is answered after somebody else has the event", () => {
  for (const isLate of [true, false]) {
    const history = new History();
    history.subscribed({ maxRetries: 1 });
    history.published(1, { seq: 1 });
    history.fact({ is: "disturbed", what: "network", by: 1 });
    const first = history.began(1, { seq: 1 });
    // Its answer is on its way, or was never given; the connection is gone.
    if (isLate) history.fact({ is: "ended", run: first, outcome: "failed", sure: false });
    else history.fact({ is: "ended", run: first, outcome: "cut", sure: false });
    history.handled(1, { seq: 1 }, "failed");
    history.fact({ is: "disturbed", what: "network is over", by: -1 });
    history.end.dead = [deadLetter(1, { attempts: 2 })];
    history.end.subscriptions = [infoOf("s", { dead: 1 })];
    const found = history.findings().map(({ judge }) => judge);
    assert.equal(found.includes("only what failed is dead"), !isLate, found.join());
    if (isLate) assert.deepEqual(found, []);
  }
});

Deno.test("judges count the failures of two who have an event at the same time", () => {
  for (const order of [[0, 1], [1, 0]]) {
    const history = new History();
    history.subscribed({ maxRetries: 1, concurrency: 2 });
    history.published(1, { seq: 1 });
    history.fact({ is: "disturbed", what: "network", by: 1 });
    const runs = [history.began(1, { seq: 1 }), history.began(1, { seq: 1 })];
    for (const i of order) {
      history.fact({ is: "ended", run: runs[i]!, outcome: "failed", sure: false });
    }
    history.fact({ is: "disturbed", what: "network is over", by: -1 });
    history.end.dead = [deadLetter(1, { attempts: 2 })];
    history.end.subscriptions = [infoOf("s", { dead: 1 })];
    const found = history.findings().map(({ judge }) => judge);
    assert.equal(found.includes("only what failed is dead"), false, found.join());
  }
});

Deno.test("judges let an event be dead still if nobody knows whether it was sent again", () => {
  for (const answer of ["lost", "done"] as const) {
    const history = new History();
    history.subscribed();
    history.published(1, { seq: 1 });
    history.handled(1, { seq: 1 }, "dead");
    const entries = [{ subscription: "s", n: 1 }];
    const ask = history.asked({ to: "retry dead", entries });
    history.fact(answer === "done" ? { is: "done", ask } : { is: "lost", ask, code: "gone" });
    history.end.dead = [deadLetter(1)];
    history.end.subscriptions = [infoOf("s", { dead: 1 })];
    const found = history.findings().map(({ judge }) => judge);
    assert.equal(found.includes("only what failed is dead"), answer === "done", found.join());
    if (answer === "lost") assert.deepEqual(found, []);
  }
});

Deno.test("judges let a handler of an ended subscription run beside those of the next", () => {
  const history = new History();
  history.subscribed({ concurrency: 1 });
  history.published(1, { seq: 1 });
  history.published(2, { seq: 2 });
  const old = history.began(1, { seq: 1 });
  history.subscribed({ concurrency: 1 });
  const next = history.began(2, { seq: 2 });
  history.ended(old, "done");
  history.ended(next, "done");
  assert.deepEqual(history.findings(), []);
});

Deno.test("judges take a dead letter for what it was when two who ask to send it again do nothing", () => {
  for (const second of ["refused", "none", "done"] as const) {
    const history = new History();
    history.subscribed();
    history.published(1, { seq: 1 });
    history.handled(1, { seq: 1 }, "dead");
    const entries = [{ subscription: "s", n: 1 }];
    const asks = [1, 2].map(() => history.asked({ to: "retry dead", entries }));
    history.done({ to: "remove dead", entries });
    history.fact({ is: "refused", ask: asks[0]!, code: "dead-letter/not-found" });
    const ask = asks[1]!;
    history.fact(
      {
        refused: { is: "refused", ask, code: "dead-letter/not-found" } as const,
        none: { is: "done", ask, count: 0 } as const,
        done: { is: "done", ask, count: 1 } as const,
      }[second],
    );
    const found = history.findings().map(({ judge }) => judge);
    assert.deepEqual(found, second === "done" ? ["every event is handled"] : []);
  }
});

/** What is found when c begins with event 1 after c2 has done it, and fails. */
function begunAfterDone(of: { attempt: number; sure?: boolean; waitMs?: number }): string[] {
  const { attempt, sure = true, waitMs = 0 } = of;
  const history = new History();
  history.subscribed({ maxRetries: 5 });
  history.published(1, { seq: 1 });
  history.handled(1, { seq: 1, attempt: 1, holder: "c2" }, "failed");
  const run = history.began(1, { seq: 1, attempt: 2, holder: "c2" });
  if (sure) history.ended(run, "done");
  history.fact({ is: "disturbed", what: "c goes on" });
  if (!sure) history.fact({ is: "ended", run, outcome: "done", sure });
  history.pass(waitMs);
  history.handled(1, { seq: 1, attempt, holder: "c" }, "failed");
  return history.findings().map(({ judge }) => judge);
}

Deno.test("judges know what a consumer had leased before it stood still by the attempt", () => {
  assert.deepEqual(begunAfterDone({ attempt: 1 }), []);
  assert.deepEqual(begunAfterDone({ attempt: 2 }), []);
  assert.deepEqual(begunAfterDone({ attempt: 3 }), ["every event is handled"]);
});

Deno.test("judges do not know whether an event is done that somebody begins again in doubt", () => {
  assert.deepEqual(begunAfterDone({ attempt: 2, sure: false }), []);
  const later = begunAfterDone({ attempt: 2, sure: false, waitMs: 60_000 });
  assert.deepEqual(later, ["every event is handled"], "the broker gave it away again");
});

Deno.test("judges let somebody have an event that another has fetched before a disturbance", () => {
  for (const isFresh of [false, true]) {
    const history = new History();
    history.subscribed();
    history.published(1, { seq: 1 });
    history.fact({ is: "down", how: "killed" });
    const ask = { to: "subscribe" as const, name: "s", topic: "a", settings: SETTINGS };
    if (isFresh) history.done({ ...ask, holder: "c" });
    const old = history.began(1, { seq: 1, holder: "c" });
    history.done({ ...ask, holder: "c2" });
    const next = history.began(1, { seq: 1, holder: "c2" });
    for (const run of [old, next]) history.ended(run, "done");
    const found = history.findings().map(({ judge }) => judge);
    assert.deepEqual(found, isFresh ? ["one consumer has an event"] : []);
  }
});

Deno.test("judges let an event expire that a consumer gives up on which has it from long before", () => {
  for (const [waitMs, isCounted] of [[60_000, true], [60_000, false], [0, true]] as const) {
    const history = new History();
    history.subscribed({ maxRetries: 0 });
    history.published(1, { seq: 1, ttlMs: 10_000 });
    history.pass(waitMs);
    history.fact({ is: "disturbed", what: "c goes on" });
    history.handled(1, { seq: 1 }, "failed");
    const expired = isCounted ? [{ topic: "a", count: 1 }] : [];
    history.end.subscriptions = [infoOf("s", { expired })];
    const found = history.findings().map(({ judge }) => judge);
    assert.deepEqual(found, waitMs > 0 && isCounted ? [] : ["a dead letter is never lost"]);
  }
});

Deno.test("judges count a lease whose answer was lost for an attempt that may have been made", () => {
  for (const answer of ["lost", "done"] as const) {
    for (const [attempt, isRight] of [[2, true], [3, false]] as const) {
      const history = new History();
      history.subscribed();
      history.published(1, { seq: 1 });
      const ask = history.asked({ to: "lease", name: "s", max: 1 });
      history.fact(answer === "done" ? { is: "done", ask } : { is: "lost", ask, code: "gone" });
      history.handled(1, { seq: 1, attempt }, "done");
      const found = history.findings().map(({ judge }) => judge);
      assert.deepEqual(found, isRight && answer === "lost" ? [] : ["attempts count up"]);
    }
    const died = new History();
    died.subscribed({ maxRetries: 0 });
    died.published(1, { seq: 1 });
    const ask = died.asked({ to: "lease", name: "s", max: 1 });
    died.fact(answer === "done" ? { is: "done", ask } : { is: "lost", ask, code: "gone" });
    died.end.dead = [deadLetter(1)];
    died.end.subscriptions = [infoOf("s", { dead: 1 })];
    const found = died.findings().map(({ judge }) => judge);
    assert.equal(found.includes("only what failed is dead"), answer === "done", found.join());
    if (answer === "lost") assert.deepEqual(found, []);
  }
});
