/** Causes of dead letters: equal causes are grouped, and can be found again by their name. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { foldReason, foldReasonWholly, reasonHolds } from "../../../core/state/reason.ts";

const ALIKE: [cause: string, ...reasons: string[]][] = [
  ["timed out after * ms", "timed out after 100 ms", "timed out after 30000 ms"],
  [
    "exit code 1: connect to * refused",
    "exit code 1: connect to 10.0.0.7:5432 refused",
    "exit code 1: connect to 192.168.1.20:5433 refused",
  ],
  ["no user *", "no user 42", "no user 0199d3a5-51f7-7000-badb-d860beac11ef", "no user u1x9k2p7q"],
  [
    "cannot open /var/spool/orders/*.json for *",
    "cannot open /var/spool/orders/1.json for anna@example.com",
    "cannot open /var/spool/orders/0199d3a5.json for b.c@example.co.uk",
  ],
  [
    "cannot open '/var/spool/orders/*.json'",
    "cannot open '/var/spool/orders/1.json'",
    "cannot open '/var/spool/orders/2.json'",
  ],
  ["no customer *", `no customer "anna 7"`, "no customer 'b.c@example.com'", "no customer `c3`"],
  [
    "https://api.example/* failed at *",
    "https://api.example/x?y=1 failed at 2026-11-24T02:00:00Z",
    "https://api.example/orders/7 failed at 2026-11-24",
  ],
  ["postgres://*db.example/* refused", "postgres://anna:secret@db.example/orders refused"],
  [
    "order * not found on line *",
    "order 404 not found on line 503",
    "order 1042 not found on line 7",
    "order ORD-1042 not found on line 12",
  ],
  ["read * of * bytes", "read 12 of 503 bytes", "read 0x1f of 1,000 bytes"],
  [
    "exit code 1: curl: (7) Failed to connect to bank.example port * after * ms",
    "exit code 1: curl: (7) Failed to connect to bank.example port 443 after 404 ms",
    "exit code 1: curl: (7) Failed to connect to bank.example port 8443 after 2 ms",
  ],
  [
    "exit code 1: KeyError: 'currency'; caused by panicked at src/main.rs:*: order *",
    "exit code 1: KeyError: 'currency'; caused by panicked at src/main.rs:4:13: order 17",
    "exit code 1: KeyError: 'currency'; caused by panicked at src/main.rs:40:1: order a17b3c9d0",
  ],
  ["can't connect, won't wait", "can't connect,  won't wait"],
  ["killed by SIGKILL", "killed by SIGKILL"],
];

Deno.test("foldReason gives reasons of one cause the same name", () => {
  for (const [cause, ...reasons] of ALIKE) {
    for (const reason of reasons) assert.equal(foldReason(reason), cause, reason);
  }
});

/** What only looks alike: each line holds causes that an operator treats in different ways. */
const APART: string[][] = [
  [
    "exit code 1",
    "exit code 2",
    "exit code 1: no route",
    "exit code 1: no space",
    "killed by SIGTERM",
  ],
  ["HTTP 404", "HTTP 503", "HTTP 429"],
  ["HTTP Error 404: Not Found", "HTTP Error 503: Service Unavailable"],
  [
    "GET https://api.example/7: 404 Not Found",
    "GET https://api.example/7: 503 Service Unavailable",
  ],
  [
    "curl: (22) The requested URL returned error: 404",
    "curl: (22) The requested URL returned error: 503",
  ],
  ["curl: (6) no", "curl: (7) no", "curl: (28) no"],
  ["Request failed with status code 400", "Request failed with status code 401"],
  ["got 404 from the bank", "got 502 from the bank"],
  ["charge failed: 404", "charge failed: 503"],
  ["KeyError: 'currency'", "KeyError: 'amount'"],
  [
    "TypeError: Cannot read properties of undefined (reading 'id')",
    "TypeError: Cannot read properties of undefined (reading 'total')",
  ],
  ["undefined method `total' for nil:NilClass", "undefined method `charge' for nil:NilClass"],
  ['column "total" does not exist', 'column "currency" does not exist'],
  ["[Errno 2] no", "[Errno 111] no"],
  ["no (os error 2)", "no (os error 13)"],
  ["ORA-00942: no", "ORA-01017: no"],
  ["MongoServerError: E11000 duplicate", "MongoServerError: E11001 duplicate"],
  ["ERROR 1062 (23000): no", "ERROR 1213 (40001): no"],
  ["open /etc/ssl/cert.pem", "open /srv/prices.json"],
  ["Base64DecodeError", "Utf8DecodeError"],
  ["ERR_HTTP2_ERROR", "ERR_HTTP2_STREAM_ERROR"],
  ["connect to https://bank.example/7 failed", "connect to https://mail.example/7 failed"],
];

Deno.test("foldReason keeps causes apart when a word or a short code differs", () => {
  for (const reasons of APART) {
    assert.equal(new Set(reasons.map(foldReason)).size, reasons.length, reasons[0]);
  }
});

const word = fc.constantFrom(
  "exit code 1",
  "7",
  '"x"',
  "/a/b",
  "'",
  "*",
  "%",
  "https://a:b@c.example/7?d#e",
  "HTTP 404",
  "'id'",
  "`x'",
  "a@b.example",
  "\u001b[31m",
  "Base64Error",
  "~/x/../7.json",
  "a",
  "timeout",
  "\u0001",
);
const reason = fc.oneof(fc.string(), fc.array(word).map((words) => words.join(" ")));

Deno.test("reasonHolds finds a reason by the name of its cause", () => {
  fc.assert(
    fc.property(reason, (text) => {
      const cause = foldReason(text);
      assert.ok(reasonHolds(text, cause), cause);
      assert.ok(reasonHolds(text, foldReasonWholly(cause)), foldReasonWholly(cause));
    }),
    { numRuns: 5000 },
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
      "a.".repeat(100_000),
      "a@".repeat(100_000),
      "status ".repeat(100_000),
      "status: 503 ".repeat(100_000),
      "a://".repeat(100_000),
      "\u001b[".repeat(100_000),
    ]
  ) {
    assert.ok(foldReason(text).length <= 500);
  }
});

Deno.test("DeadLetterGroups.list shows five causes as five groups when there are thousands of entries", async () => {
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
  const groups = await broker.deadLetterGroups.list();
  assert.deepEqual(groups.map(({ reason, count }) => [reason, count]), [
    ["exit code 1: connect to * refused", 400],
    ["exit code 1: no user *", 400],
    ["exit code 65: refused for good: /spool/*.json", 400],
    ["killed by SIGKILL", 400],
    ["timed out after * ms", 400],
  ]);
  for (const { reason, count, subscriptions, firstAt, lastAt, example } of groups) {
    assert.equal(await broker.deadLetters.count({ reason }), count);
    assert.deepEqual(subscriptions, ["s"]);
    assert.ok(firstAt <= lastAt);
    assert.equal((await broker.deadLetters.show(example!.id))[0]!.reason, example!.reason);
  }
});
