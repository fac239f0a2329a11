/**
 * What a consumer of a divided subscription gets, and how long it waits: also while parts are on
 * their way, where its broker may not deliver, and where another broker has what it asks for.
 */
import assert from "node:assert/strict";
import { partsIn } from "../../../core/event/part.ts";
import { DividedRig, LONG_MS, quiet, seqsOf, tokensOf, until, upTo } from "./divided_rig.ts";

/** Tells whether a promise has resolved by now. */
function watched<T>(promise: Promise<T>): { readonly isOver: boolean; promise: Promise<T> } {
  const watch = { isOver: false, promise };
  promise.then(() => watch.isOver = true, () => watch.isOver = true);
  return watch;
}

Deno.test("whoever waits for nothing new waits until it is known which parts come", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(5);
  const goOn = rig.shared.hold("claims");
  const leasing = watched(rig.lease(rig.a));
  await quiet();
  assert.equal(leasing.isOver, false);
  goOn();
  assert.deepEqual(seqsOf(await leasing.promise), upTo(5));
});

Deno.test("whoever waits for nothing new is told so where another broker has all parts", async () => {
  await using rig = await DividedRig.start();
  await rig.shared.claims.of("s", 16);
  rig.shared.claims.take("s", partsIn(2 ** 16 - 1), "z");
  await rig.publish(5);
  assert.deepEqual(await rig.lease(rig.a), []);
  assert.deepEqual(rig.owned(), { z: 16 }, "nobody takes them away");
});

Deno.test("a broker leases nothing while it may not deliver, and goes on when it may", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(5);
  const [first] = await rig.lease(rig.a, { max: 1 });
  rig.shared.claims.let("a", false);
  assert.deepEqual(await rig.lease(rig.a), [], "and nobody waits for it who does not wait");
  const waiting = watched(rig.lease(rig.a, { waitMs: LONG_MS }));
  await rig.publish(1, 5);
  await quiet();
  assert.equal(waiting.isOver, false);
  assert.deepEqual((await rig.a.subscriptions.ack("s", [first!.token])).lost, [], "leases go on");
  assert.equal(waiting.isOver, false);
  rig.shared.claims.let("a", true);
  assert.deepEqual(seqsOf(await waiting.promise), [2, 3, 4, 5, 6]);
});

Deno.test("a retry whose row comes when the broker may not deliver any more is not delivered", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(1);
  const [lease] = await rig.lease(rig.a);
  await rig.a.subscriptions.nack("s", [{ lease: lease!.token, error: "no", afterMs: 0 }]);
  const goOn = rig.shared.hold("retry");
  const waiting = watched(rig.lease(rig.a, { waitMs: LONG_MS }));
  await quiet();
  rig.shared.claims.let("a", false);
  goOn();
  await quiet();
  assert.deepEqual([waiting.isOver, rig.queue(rig.a).leased], [false, 0]);
  rig.shared.claims.let("a", true);
  assert.deepEqual((await waiting.promise).map(({ attempt }) => attempt), [2]);
});

Deno.test("whoever drains a subscription waits for what a broker has that is gone", async () => {
  await using rig = await DividedRig.start();
  rig.want(rig.b);
  rig.want(rig.a);
  await until(() => rig.owned()["a"] === 8 && rig.owned()["b"] === 8);
  const goOn = rig.shared.hold("claims");
  rig.shared.claims.silence("b");
  const draining = watched(rig.lease(rig.a, { waitMs: LONG_MS, untilEmpty: true }));
  await quiet();
  assert.equal(draining.isOver, false, "nobody has the parts of b");
  goOn();
  assert.deepEqual(await draining.promise, [], "they were empty");
  assert.deepEqual(rig.owned(), { a: 16 });
});

Deno.test("whoever drains a subscription is told at once that nothing comes where its broker takes no parts", async () => {
  await using rig = await DividedRig.start();
  rig.shared.claims.drain("a");
  await rig.publish(5);
  // Nobody else has them: what is left is not here, and will not come.
  const draining = watched(rig.lease(rig.a, { waitMs: LONG_MS, untilEmpty: true }));
  await quiet();
  assert.equal(draining.isOver, true);
  assert.deepEqual(rig.owned(), { "-": 16 });
  assert.deepEqual(seqsOf(await rig.lease(rig.b)), upTo(5));
});

Deno.test("parts that are to go are not leased any more, from when that is told", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(60);
  const leases = await rig.lease(rig.a, { max: 10 });
  const goOn = rig.shared.hold("commit");
  const acking = rig.a.subscriptions.ack("s", tokensOf(leases));
  const there = rig.lease(rig.b, { waitMs: LONG_MS });
  await quiet();
  assert.equal(rig.queue(rig.a).lanes.frozen, 0, "not while a commit is under way");
  const waiting = watched(rig.lease(rig.a, { waitMs: LONG_MS }));
  await quiet();
  assert.equal(waiting.isOver, false, "which parts it may lease of is not decided yet");
  goOn();
  assert.deepEqual((await acking).lost, []);
  const here = await waiting.promise;
  for (const { entry } of here) assert.ok(entry.part < 8);
  assert.deepEqual(
    seqsOf([...leases, ...here, ...await there]),
    upTo(60),
  );
});

Deno.test("an owner tells others what it has to do", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(10);
  const at = rig.clock.now();
  const leases = await rig.lease(rig.a, { max: 3 });
  await rig.clock.pass(500);
  await rig.lease(rig.a, { max: 2 });
  const failed = { lease: leases[0]!.token, error: "no", afterMs: 10_000 };
  await rig.a.subscriptions.nack("s", [failed]);
  assert.deepEqual(rig.shared.claims.ownerOf("a", "s").load(), {
    pending: 5,
    leased: 4,
    scheduled: 1,
    leasedSince: at,
  });
  assert.deepEqual(rig.shared.claims.ownerOf("b", "s").load(), {
    pending: 0,
    leased: 0,
    scheduled: 0,
  });
});

Deno.test("a topic that is made later is delivered by who has the part", async () => {
  await using rig = await DividedRig.start();
  await rig.a.subscriptions.put("all", { topic: "more.*" });
  await until(() => rig.b.subscriptions.has("all"));
  const leasing = [rig.a, rig.b].map((broker) =>
    broker.subscriptions.lease("all", { max: 1000, waitMs: LONG_MS }, { consumer: "c" })
  );
  await until(() => rig.shared.claims.owners("all").every((owner) => owner !== undefined));
  await quiet();
  await rig.a.topics.create("more.1");
  for (const n of upTo(60)) await rig.a.publish("more.1", "x", n, { key: `k${n}` });
  const got = [];
  for (const [i, broker] of [rig.a, rig.b].entries()) {
    const { deliveries: first } = await leasing[i]!;
    const { deliveries: rest } = await broker.subscriptions.lease("all", { max: 1000 }, {
      consumer: "c",
    });
    assert.ok(first.length + rest.length > 5, "each has some");
    got.push(...first, ...rest);
  }
  assert.deepEqual(seqsOf(got), upTo(60));
});

Deno.test("a subscription without a name, and one that has one part, has one broker at a time", async () => {
  await using rig = await DividedRig.start();
  await rig.a.subscriptions.put("unnamed-1", { topic: "t" });
  const { record } = rig.a.subscriptions.require("unnamed-1");
  assert.equal(record.parts, undefined);
  await until(() => rig.b.subscriptions.has("unnamed-1"));
  const lease = (broker: typeof rig.a, waitMs: number) =>
    broker.subscriptions.lease("unnamed-1", { max: 9, waitMs }, { consumer: "c" });
  const here = lease(rig.a, LONG_MS);
  await until(() => rig.shared.claims.owners("unnamed-1")[0] === "a");
  assert.deepEqual((await lease(rig.b, 0)).deliveries, []);
  await rig.publish(3);
  const { deliveries } = await here;
  assert.deepEqual(seqsOf(deliveries), [1]);
  const rest = (await lease(rig.a, 0)).deliveries;
  await rig.a.subscriptions.ack("unnamed-1", tokensOf([...deliveries, ...rest]));
  const [cursor] = rig.shared.rows().cursors.filter((one) => one.subscription === "unnamed-1");
  assert.deepEqual(cursor, { subscription: "unnamed-1", topic: "t", next: 4 });
});

Deno.test("handlers on two brokers handle each event once, and are idle when they have", async () => {
  await using rig = await DividedRig.start();
  const handled: [string, number][] = [];
  for (const [name, broker] of rig.brokers) {
    await broker.subscribe("t", ({ payload }) => void handled.push([name, payload as number]), {
      name: "h",
    });
  }
  await until(() => new Set(rig.shared.claims.owners("h")).size === 2);
  await quiet();
  await rig.publish(80);
  await until(() => handled.length >= 80);
  for (const broker of rig.brokers.values()) await broker.subscriptions.require("h").idle();
  assert.deepEqual(handled.map(([, n]) => n + 1).sort((a, b) => a - b), upTo(80));
  assert.equal(new Set(handled.map(([name]) => name)).size, 2);
});

Deno.test("a topic that was made earlier, when nobody had the parts, is delivered from its beginning", async () => {
  await using rig = await DividedRig.start();
  await rig.a.subscriptions.put("all", { topic: "more.*" });
  await rig.a.topics.create("more.1");
  for (const n of upTo(5)) await rig.a.publish("more.1", "x", n, { key: `k${n}` });
  const { deliveries } = await rig.a.subscriptions.lease("all", { max: 9 }, { consumer: "c" });
  assert.deepEqual(seqsOf(deliveries), upTo(5));
  await rig.a.subscriptions.ack("all", tokensOf(deliveries));
  assert.deepEqual(
    rig.shared.rows().cursors.filter(({ topic }) => topic === "more.1").map(({ next }) => next),
    [6],
  );
});

Deno.test("whoever waits for nothing new waits until it is known where the topics of its parts end", async () => {
  await using rig = await DividedRig.start();
  const asked: string[][] = [];
  const known = Promise.withResolvers<void>();
  Object.assign(rig.shared.events, {
    refresh(topics: readonly string[] = []) {
      if (topics.length > 0) asked.push([...topics]);
      return topics.length > 0 ? known.promise : Promise.resolve();
    },
  });
  const leasing = watched(rig.lease(rig.a));
  await until(() => asked.length > 0 || leasing.isOver);
  await quiet();
  assert.deepEqual(asked[0], ["t"]);
  assert.equal(leasing.isOver, false);
  await rig.publish(3);
  known.resolve();
  assert.deepEqual(seqsOf(await leasing.promise), upTo(3));
});

Deno.test("a broker with handlers is not idle before it knows what it gets", async () => {
  await using rig = await DividedRig.start();
  await rig.publish(3);
  const goOn = rig.shared.hold("claims");
  const handled: number[] = [];
  await rig.a.subscribe("t", ({ seq }) => void handled.push(seq!), { name: "h", from: "start" });
  await until(() => rig.a.subscriptions.has("h"));
  const idle = watched(rig.a.subscriptions.require("h").idle());
  await quiet();
  assert.equal(idle.isOver, false);
  goOn();
  await idle.promise;
  assert.deepEqual(handled.sort(), upTo(3));
});
