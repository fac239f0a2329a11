/** Causes of dead letters: what belongs together is put together, and is found again by what it is called. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { CauseCounter } from "../../../core/dead_letter/groups.ts";
import { foldReason, reasonHolds } from "../../../core/state/reason.ts";

const ALIKE: [cause: string, ...reasons: string[]][] = [
  ["timed out after * ms", "timed out after 100 ms", "timed out after 30000 ms"],
  [
    "exit code 1: connect to * refused",
    "exit code 1: connect to 10.0.0.7:5432 refused",
    "exit code 1: connect to 192.168.1.20:5433 refused",
  ],
  ["no user *", "no user 42", "no user 0199d3a5-51f7-7000-badb-d860beac11ef", "no user u1x9k2p7q"],
  [
    "cannot open * for *",
    "cannot open /var/spool/a/1.json for anna@example.com",
    "cannot open ./x/2 for b.c@example.co.uk",
  ],
  ["unknown field * in *", `unknown field "total" in 'order'`, 'unknown field `n` in "cart"'],
  ["* failed at *", "https://a.example/x?y=1 failed at 2026-11-24T02:00:00Z"],
  ["can't connect, won't wait", "can't connect,  won't wait"],
  ["killed by SIGKILL", "killed by SIGKILL"],
];

Deno.test("foldReason gives reasons of one cause the same name", () => {
  for (const [cause, ...reasons] of ALIKE) {
    for (const reason of reasons) assert.equal(foldReason(reason), cause, reason);
  }
});

Deno.test("foldReason keeps exit codes and words apart", () => {
  const causes = [
    "exit code 1",
    "exit code 2",
    "exit code 1: no route",
    "exit code 1: no space",
    "killed by SIGTERM",
  ];
  assert.equal(new Set(causes.map(foldReason)).size, causes.length);
});

const word = fc.constantFrom(
  "exit code 1",
  "7",
  '"x"',
  "/a/b",
  "'",
  "*",
  "%",
  "a",
  "timeout",
  "\u0001",
);
const reason = fc.oneof(fc.string(), fc.array(word).map((words) => words.join(" ")));

Deno.test("reasonHolds finds a reason by the name of its cause", () => {
  fc.assert(
    fc.property(reason, (text) => {
      assert.ok(reasonHolds(text, foldReason(text)), foldReason(text));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("reasonHolds finds each part of a reason, whatever its case, and nothing else", () => {
  fc.assert(fc.property(reason, fc.nat(), fc.nat(), (text, from, length) => {
    assert.ok(reasonHolds(text, text.slice(from % (text.length + 1), from + length).toUpperCase()));
  }));
  assert.ok(reasonHolds("Connection REFUSED by mail", "refused"));
  assert.ok(reasonHolds("a b c", "a*c"));
  assert.ok(!reasonHolds("a b c", "c*a"));
  assert.ok(!reasonHolds("a b c", "d"));
});

Deno.test("foldReason is quick when a reason is long and hostile", () => {
  for (
    const text of [
      "a1_".repeat(100_000),
      "/a".repeat(100_000),
      "'".repeat(100_001),
      "1.".repeat(100_000),
    ]
  ) {
    assert.ok(foldReason(text).length <= 500);
  }
});

Deno.test("DeadLetters.groups shows five causes as five groups when there are thousands of entries", async () => {
  await using broker = new EventBroker();
  const causes = [
    (i: number) => `exit code 1: connect to 10.0.0.${i % 256}:5432 refused`,
    (i: number) => `exit code 1: no user "u${i}"`,
    (i: number) => `timed out after ${i} ms`,
    (i: number) => `exit code 65: refused for good: /spool/${i}.json`,
    () => "killed by SIGKILL",
  ];
  await broker.subscriptions.put("s", { topic: "t", settings: { maxRetries: 0 } });
  for (let i = 0; i < 2000; i++) void broker.publish("t", "x", i);
  await broker.idle();
  let n = 0;
  for (;;) {
    const { deliveries } = await broker.subscriptions.lease("s", { max: 500 }, { consumer: "c" });
    if (deliveries.length === 0) break;
    await broker.subscriptions.nack(
      "s",
      deliveries.map(({ token }) => ({ lease: token, error: causes[n % 5]!(n++) })),
    );
  }
  const groups = await broker.deadLetters.groups({});
  assert.deepEqual(groups.map(({ reason, count }) => [reason, count]), [
    ["exit code 1: connect to * refused", 400],
    ["exit code 1: no user *", 400],
    ["exit code 65: refused for good: *", 400],
    ["killed by SIGKILL", 400],
    ["timed out after * ms", 400],
  ]);
  for (const { reason, count, subscriptions, firstAt, lastAt, example } of groups) {
    assert.equal(broker.deadLetters.count({ reason }), count);
    assert.deepEqual(subscriptions, ["s"]);
    assert.ok(firstAt <= lastAt);
    assert.equal(broker.deadLetters.show(example.id)[0]!.reason, example.reason);
  }
});

Deno.test("CauseCounter keeps a thousand causes apart and counts the rest as one", () => {
  const counter = new CauseCounter();
  const letters = (i: number) => String(i).replace(/\d/g, (d) => "abcdefghij"[Number(d)]!);
  for (let i = 0; i < 1500; i++) {
    counter.add({
      subscription: "s",
      topic: "t",
      seq: i,
      id: String(i),
      type: "x",
      reason: `cause ${letters(i)}`,
      diedAt: i,
      attempts: [],
      line: new Uint8Array(),
    });
  }
  const groups = counter.groups();
  assert.equal(groups.length, 1001);
  assert.deepEqual([groups[0]!.reason, groups[0]!.count], ["*", 500]);
});
