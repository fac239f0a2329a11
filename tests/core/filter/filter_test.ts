/** `--where` expressions: what matches, what is refused, and the limits on cost. */
import assert from "node:assert/strict";
import { compileFilter } from "../../../core/filter/filter.ts";
import type { Event } from "../../../core/event/event.ts";

function event(payload: unknown, fields: Partial<Event> = {}): Event {
  return {
    id: "1",
    seq: 4,
    type: "order.created",
    topic: "orders",
    timestamp: 5,
    schemaVersion: "1.0",
    metadata: {},
    payload,
    ...fields,
  };
}

async function matches(expression: string, payload: unknown): Promise<boolean> {
  return (await compileFilter(expression))(event(payload));
}

Deno.test("compileFilter compares JSON numbers with ints and doubles alike", async () => {
  for (
    const expression of [
      "payload.amount > 7",
      "payload.amount > 7.0",
      "payload.amount + 1 > 8",
      "payload.amount * 2 > 14.5",
    ]
  ) {
    assert.equal(await matches(expression, { amount: 7.5 }), true, expression);
    assert.equal(await matches(expression, { amount: 8 }), true, expression);
    assert.equal(await matches(expression, { amount: 6 }), false, expression);
  }
  assert.equal(await matches("event.seq % 2 == 0", {}), true);
  assert.equal(await matches("payload.n in [1, 2]", { n: 2 }), true);
});

Deno.test("compileFilter does not match when a field is missing", async () => {
  for (const payload of [{}, null, 3, "x", []]) {
    assert.equal(await matches("payload.amount > 7", payload), false);
    assert.equal(await matches("payload.a.b.c == 1", payload), false);
  }
  assert.equal(await matches('event.key == "k"', {}), false);
  assert.equal(await matches("payload.amount > 7", { amount: "many" }), false);
});

Deno.test("compileFilter reads the event and the payload", async () => {
  assert.equal(
    await matches('payload.amount > 7 && event.type == "order.created"', { amount: 9 }),
    true,
  );
  assert.equal(
    await matches("has(payload.note) || payload.items.exists(i, i.sku == 'x')", {
      items: [{ sku: "x" }],
    }),
    true,
  );
});

Deno.test("compileFilter runs matches() on a linear-time engine when the pattern is hostile", async () => {
  const hostile = `${"a".repeat(5000)}!`;
  assert.equal(await matches("payload.s.matches('^(a+)+$')", { s: hostile }), false);
  assert.equal(await matches("payload.s.matches('a!')", { s: hostile }), true);
  assert.equal(await matches("payload.s.matches(payload.p)", { s: "a", p: "(" }), false);
  assert.equal(await matches('payload.s == "x.matches(y)"', { s: "x.matches(y)" }), true);
});

Deno.test("compileFilter runs matches() on the linear-time engine however the call is written", async () => {
  const hostile = `${"a".repeat(40)}!`; // V8's engine would take hours
  const plain = "payload.s.matches('^(a+)+$')";
  for (
    const expression of [
      plain,
      plain.replace("matches(", "matches // '\n("),
      plain.replace("'^", "r'^"),
      `// '\n${plain} // '`,
      String.raw`r'\"' != '' && ${plain}`,
      String.raw`'''"''' != '' && ${plain}`,
      String.raw`b'"' != b'' && ${plain}`,
      "[payload.s].exists(s, s.matches('^(a+)+$'))",
      "[payload.s].filter(s, s.matches('^(a+)+$')).size() > 0",
      "cel.bind(s, payload.s, s.matches('^(a+)+$'))",
      "{'s': payload.s}.s.matches('^(a+)+$')",
      "(true ? payload.s : '').matches('^(a+' + ')+$')",
    ]
  ) assert.equal(await matches(expression, { s: hostile }), false, expression);
  await assert.rejects(compileFilter("payload.s.matches(r'(')"), { code: "filter/invalid" });
});

Deno.test("compileFilter lets an event match when deciding it would take for ever", async () => {
  const list = Array.from({ length: 100_000 }, (_, i) => i);
  const payload = { list, text: "x".repeat(500_000), words: list.map(String) };
  for (
    const expression of [
      "payload.list.exists(a, payload.list.exists(b, a + b < 0))",
      "payload.list.exists(a, (a - 1000000) in payload.list)",
      "payload.words.exists(word, payload.text.contains(word))",
      `cel.bind(l, payload.list, ${"l + ".repeat(150)} l).size() < 0`,
      `cel.bind(s, payload.text, ${"cel.bind(s, s + s, ".repeat(12)} s == ''${")".repeat(13)}`,
    ]
  ) assert.equal(await matches(expression, payload), true, expression);
  for (
    const expression of [
      "payload.list.exists(a, a < 0)",
      "payload.list.all(a, a > 0)",
      "-1 in payload.list",
      "payload.text.contains('y')",
      "payload.text.matches('y')",
    ]
  ) assert.equal(await matches(expression, payload), false, `${expression} is decided`);
});

Deno.test("compileFilter takes a sum as the body of a loop, and counts both", async () => {
  const payload = { list: [1, 2], many: new Array(100_000).fill(1) };
  for (
    const expression of [
      "payload.list.map(i, i + 1) == [2, 3]",
      "payload.list.exists(i, i + 1 == 3)",
      "size(payload.list.map(i, (i + 1) + i)) == 2",
      "payload.many.map(i, payload.many.map(j, i + j)).size() < 0",
    ]
  ) assert.equal(await matches(expression, payload), true, expression);
});

Deno.test("compileFilter decides each event anew when one before it was too costly", async () => {
  const filter = await compileFilter("payload.l.exists(a, payload.l.exists(b, a + b < 0))");
  assert.equal(filter(event({ l: new Array(5000).fill(1) })), true);
  assert.equal(filter(event({ l: [1] })), false);
  // A loop that ends early says no here, which means nothing either.
  const every = await compileFilter("payload.l.all(a, payload.l.all(b, a + b > 0))");
  assert.equal(every(event({ l: new Array(5000).fill(1) })), true);
  assert.equal(every(event({ l: [0] })), false);
  const pattern = await compileFilter("payload.s.matches('a{450}b')");
  assert.equal(pattern(event({ s: "a".repeat(20_000) })), true);
  assert.equal(pattern(event({ s: "a".repeat(500) })), false);
});

Deno.test("compileFilter says where an expression is wrong", async () => {
  await assert.rejects(compileFilter("payload.a &&"), {
    code: "filter/invalid",
    message: /column 13/,
  });
  await assert.rejects(compileFilter("payloads.a == 1"), {
    code: "filter/invalid",
    message: /payloads/,
  });
  await assert.rejects(compileFilter("x".repeat(5000)), { code: "filter/invalid" });
  await assert.rejects(compileFilter(`${"(".repeat(100)}1${")".repeat(100)} == 1`), {
    code: "filter/invalid",
  });
  await assert.rejects(compileFilter("payload.s.matches('(')"), {
    code: "filter/invalid",
    message: /"\("/,
  });
  await assert.rejects(compileFilter(""), { code: "filter/invalid" });
});
