/**
 * A subscription that is divided between brokers on one state: who delivers what of it when consumers
 * come and go, and what becomes of what a broker decides that has lost a part.
 */
import assert from "node:assert/strict";
import { EVERY_PART, maskOf } from "../../../core/event/part.ts";
import type { EventBroker } from "../../../mod.ts";
import type { Lease } from "../../../core/delivery/leases.ts";
import { DividedRig, LONG_MS, quiet, seqsOf, tokensOf, until, upTo } from "./divided_rig.ts";

Deno.test("a broker owns nothing of a subscription before somebody wants events, and all when it is alone", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(20);
  await quiet();
  assert.deepEqual(rig.owned(), { "-": 16 });
  const leases = await rig.lease(rig.a);
  assert.deepEqual(seqsOf(leases), upTo(20), "whoever does not wait gets all that there is");
  assert.deepEqual(rig.owned(), { a: 16 });
  assert.deepEqual((await rig.a.subscriptions.ack("s", tokensOf(leases))).lost, []);
  const { cursors, done } = rig.shared.rows();
  assert.deepEqual(cursors, [{ subscription: "s", topic: "t", next: 21, parts: EVERY_PART }]);
  assert.deepEqual(done, []);
});

Deno.test("two brokers divide a subscription, and each event is delivered by one of them", async () => {
  await using rig = await DividedRig.start();
  const waiting = [rig.a, rig.b].map((broker) => rig.lease(broker, { waitMs: LONG_MS }));
  await until(() => rig.owned()["a"] === 8 && rig.owned()["b"] === 8);
  await rig.publish(100);
  const got: Lease[] = [];
  for (const [i, broker] of [rig.a, rig.b].entries()) {
    const first = await waiting[i]!;
    await rig.a.subscriptions.ack("s", []);
    const rest = await rig.lease(broker);
    got.push(...first, ...rest);
    assert.ok(first.length + rest.length > 10, "each has some");
    assert.deepEqual(
      (await broker.subscriptions.ack("s", tokensOf([...first, ...rest]))).lost,
      [],
    );
  }
  assert.deepEqual(seqsOf(got), upTo(100));
  for (const broker of [rig.a, rig.b]) await broker.subscriptions.require("s").flush();
  const { cursors, done } = rig.shared.rows();
  const rows = cursors.filter(({ parts }) => parts !== EVERY_PART);
  assert.equal(rows.length, 16);
  for (const { next } of rows) assert.equal(next, 101);
  assert.deepEqual(done, []);
});

Deno.test("a consumer that comes to another broker gets its share once what is leased there has ended", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(40);
  const leases = await rig.lease(rig.a);
  const late = rig.lease(rig.b, { waitMs: LONG_MS });
  await quiet();
  assert.deepEqual(rig.owned(), { a: 16 }, "what is leased is not taken away");
  assert.equal(
    rig.queue(rig.a).lanes.own & rig.queue(rig.a).lanes.frozen,
    maskOf([8, 9, 10, 11, 12, 13, 14, 15]),
  );
  const [one, ...others] = leases;
  assert.deepEqual((await rig.a.subscriptions.ack("s", tokensOf(others))).lost, []);
  const failed = await rig.a.subscriptions.nack("s", [{
    lease: one!.token,
    error: "no",
    afterMs: 0,
  }]);
  assert.deepEqual(failed.lost, []);
  await until(() => rig.owned()["b"] === 8);
  await rig.publish(40, 40);
  const there = await late;
  const here = await rig.lease(rig.a);
  const rest = await rig.lease(rig.b);
  const all = [...there, ...here, ...rest];
  assert.deepEqual(seqsOf(all), [one!.entry.seq, ...upTo(80).slice(40)].sort((a, b) => a - b));
  for (const lease of [...there, ...rest]) assert.ok(lease.entry.part >= 8);
  for (const lease of here) assert.ok(lease.entry.part < 8);
});

/** Has a commit of the broker under way at any time; returns what ends that. */
function commitAlways(broker: EventBroker): () => Promise<unknown> {
  const driver = broker.subscriptions.require("s");
  let isOver = false;
  const commit = async () => {
    while (!isOver) {
      await driver.plan(() => ({
        changes: [{ op: "begun.remove", subscription: "s", consumer: "nobody" }],
        result: undefined,
        dead: [],
        apply: () => {},
        rollback: () => {},
      }));
    }
  };
  const commits = [commit(), commit()];
  return () => {
    isOver = true;
    return Promise.all(commits);
  };
}

Deno.test("parts that came are read together with the others also where one commit follows the other", async () => {
  await using rig = await DividedRig.start();
  const [first, there] = [rig.a, rig.b].map((broker) => rig.lease(broker, { waitMs: LONG_MS }));
  await until(() => rig.owned()["a"] === 8 && rig.owned()["b"] === 8);
  await rig.publish(40);
  const leases = [...await first!, ...await rig.lease(rig.a)];
  await there; // and does not answer
  assert.deepEqual((await rig.a.subscriptions.ack("s", tokensOf(leases))).lost, []);
  const end = commitAlways(rig.a);
  await rig.b.close();
  await until(() => rig.owned()["a"] === 16);
  const { lanes } = rig.queue(rig.a);
  const got: Lease[] = [];
  for (let n = 40; n < 80; n++) {
    assert.ok(rig.a.subscriptions.require("s").isCommitting, "it is never at rest");
    await rig.publish(1, n);
    got.push(...await rig.lease(rig.a, { max: 2 }));
  }
  assert.equal(lanes.of("t").length, 1, "a page is read once");
  await end();
  got.push(...await rig.lease(rig.a));
  assert.deepEqual(seqsOf([...leases, ...got]), upTo(80));
});

Deno.test("a broker gives its parts back some time after nobody waits or holds a lease any more", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(4);
  const leases = await rig.lease(rig.a);
  await rig.clock.pass(10_000);
  assert.deepEqual(rig.owned(), { a: 16 }, "as long as there is a lease");
  await rig.a.subscriptions.ack("s", tokensOf(leases));
  await rig.clock.pass(1999);
  await quiet();
  assert.deepEqual(rig.owned(), { a: 16 });
  await rig.clock.pass(2);
  await until(() => rig.owned()["-"] === 16);
  assert.equal(rig.queue(rig.a).lanes.own, 0);
  assert.deepEqual(await rig.lease(rig.b), [], "all is done");
  assert.deepEqual(rig.owned(), { b: 16 });
});

Deno.test("a consumer that asks again in time keeps the parts", async () => {
  await using rig = await DividedRig.start();
  for (let round = 0; round < 5; round++) {
    assert.deepEqual(await rig.lease(rig.a), []);
    await rig.clock.pass(1500);
    await quiet();
  }
  assert.deepEqual(rig.shared.claims.of("s").map(({ epoch }) => epoch), Array(16).fill(1));
});

Deno.test("a consumer that asks often costs as many timers as one that asks once", async () => {
  await using rig = await DividedRig.start();
  await rig.lease(rig.a);
  const { timers } = rig.clock;
  for (let round = 0; round < 50; round++) await rig.lease(rig.a);
  assert.equal(rig.clock.timers, timers);
});

Deno.test("the end of a wait is the end of the want", async () => {
  await using rig = await DividedRig.start();
  const waiting = rig.lease(rig.a, { waitMs: 30_000 });
  await until(() => rig.owned()["a"] === 16);
  await rig.clock.pass(30_000);
  assert.deepEqual(await waiting, []);
  await rig.clock.pass(2001);
  await until(() => rig.owned()["-"] === 16);
});

Deno.test("close gives the parts back at once, also what is leased", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(10);
  const leases = await rig.lease(rig.a);
  await rig.a.subscriptions.ack("s", tokensOf(leases.slice(0, 4)));
  const waiting = rig.lease(rig.b, { waitMs: LONG_MS });
  await rig.a.close();
  const left = await waiting;
  assert.deepEqual(rig.owned(), { b: 16 });
  assert.deepEqual(seqsOf([...leases.slice(0, 4), ...left]), upTo(10));
});

Deno.test("a broker that comes starts with nothing of what is stored", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(6);
  const leases = await rig.lease(rig.a);
  const failed = leases.slice(0, 2).map(({ token }) => ({ lease: token, error: "no" }));
  await rig.a.subscriptions.nack("s", failed);
  const c = await rig.add("c");
  const { lanes, ready, scheduled, pending } = rig.queue(c);
  assert.deepEqual([lanes.own, lanes.count, lanes.of("t").length], [0, 16, 0]);
  assert.deepEqual([ready.buffered, scheduled, pending], [0, 0, 0]);
});
