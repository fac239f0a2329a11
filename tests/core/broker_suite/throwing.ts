/**
 * Whatever a handler throws or returns is one failed attempt with a readable reason, and the next
 * event is delivered.
 */
import assert from "node:assert/strict";
import { deadLetter, type Event, retry } from "../../../mod.ts";
import type { Test } from "./suite.ts";

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function withGetter(name: string, on: object): object {
  return Object.defineProperty(on, name, {
    get() {
      throw new Error(`${name} is not to be read`);
    },
  });
}

const cycle: Record<string, unknown> = { code: 7 };
cycle["self"] = cycle;

/** What is thrown, and what the dead letter's reason says. */
const THROWN: readonly [string, unknown, RegExp][] = [
  ["an object without a prototype", Object.create(null), /without a message/],
  ["a throwing toString", { toString: () => assert.fail() }, /toString/],
  ["a throwing toString getter", withGetter("toString", { code: 8 }), /"code":8/],
  ["a throwing message getter", withGetter("message", new TypeError()), /TypeError/],
  ["a throwing stack getter", withGetter("stack", new Error("still said")), /^still said$/],
  ["a throwing name getter", withGetter("name", new Error("")), /an error/],
  ["a revoked proxy", revoked({}), /cannot be read/],
  ["a revoked proxy of a function", revoked(() => {}), /cannot be read/],
  ["a proxy that throws", new Proxy({}, { ownKeys: () => assert.fail() }), /cannot be read/],
  ["a message that is no text", Object.assign(new Error(), { message: { code: 9 } }), /"code":9/],
  ["a message that is a symbol", Object.assign(new Error(), { message: Symbol("m") }), /Symbol/],
  ["a stack that is no text", Object.assign(new Error("kept"), { stack: 5 }), /^kept$/],
  ["an object", { code: 5 }, /^\{"code":5\}$/],
  ["a frozen object", Object.freeze({ code: 6 }), /^\{"code":6\}$/],
  ["a cycle", cycle, /"code":7/],
  ["a bigint inside", { big: 5n }, /^\{"big":5\}$/],
  ["a member that throws", withGetter("b", { a: 1 }), /"a":1/],
  ["a symbol", Symbol("what"), /Symbol\(what\)/],
  ["a bigint", 12345678901234567890n, /^12345678901234567890$/],
  ["undefined", undefined, /^undefined$/],
  ["null", null, /^null$/],
  ["an empty text", "", /empty string/],
  ["a huge text", "x".repeat(5_000_000), /^x+…$/],
  ["a huge message", new Error("y".repeat(5_000_000)), /^y+…$/],
  ["a huge list", Array.from({ length: 1_000_000 }, (_, i) => i), /^\[0,1,2/],
  ["half a surrogate pair", new Error("\ud800 half"), /half/],
  ["a NUL", new Error("a\0b"), /^a.b$/],
];

/** What is returned that cannot be, and what the reason says. */
const RETURNED: readonly [string, () => unknown, RegExp][] = [
  ["a throwing then getter", () => withGetter("then", {}), /then is not to be read/],
  ["a thenable that throws", () => ({ then: () => assert.fail("no then") }), /no then/],
  [
    "a promise with a then of its own",
    () => Object.assign(Promise.reject(new Error("rejected")), { then: () => assert.fail("mine") }),
    /rejected|mine/,
  ],
  ["a reason that is no text", () => deadLetter(Symbol("reason") as unknown as string), /reason/],
  ["a retry for ever", () => retry({ afterMs: 0, reason: { a: 1 } as unknown as string }), /"a":1/],
  ["a cause that cannot be read", () => deadLetter("why", { cause: revoked({}) }), /^why$/],
];

/** Registers them. */
export function throwing(test: Test): void {
  test("makes one failed attempt of whatever a handler throws, and goes on", async ({ broker, errors }) => {
    const seen: unknown[] = [];
    broker.subscribe("t", (event) => {
      const thrown = THROWN[event.payload];
      if (thrown) throw thrown[1];
      seen.push(event.payload);
    }, { name: "s", maxRetries: 0 });
    await assertReasons(broker, errors, { cases: THROWN, subscription: "s" });
    assert.deepEqual(seen, [THROWN.length], "the event behind them came");
  });

  test("makes one failed attempt of whatever an asynchronous handler rejects with", async ({ broker, errors }) => {
    broker.subscribe("t", async (event) => {
      await Promise.resolve();
      const thrown = THROWN[event.payload];
      if (thrown) throw thrown[1];
    }, { name: "s", maxRetries: 0, concurrency: 4 });
    await assertReasons(broker, errors, { cases: THROWN, subscription: "s" });
  });

  test("makes one failed attempt of whatever a batch handler or its middleware throws", async ({ broker, errors }) => {
    broker.subscribeBatch("t", (events) => {
      const thrown = THROWN[events[0]!.payload];
      if (thrown) throw thrown[1];
    }, { name: "batch", size: 1, maxRetries: 0 });
    broker.subscribe("t", () => {}, {
      name: "middleware",
      maxRetries: 0,
      middleware: [(next) => async (event, context) => {
        await next(event, context);
        const thrown = THROWN[event.payload];
        if (thrown) throw thrown[1];
      }],
    });
    await assertReasons(broker, errors, { cases: THROWN, subscription: "batch" });
  });

  test("makes one failed attempt of whatever a handler returns that cannot be read", async ({ broker, errors }) => {
    broker.subscribe("t", (event) => RETURNED[event.payload]?.[1](), { name: "s", maxRetries: 0 });
    await assertReasons(broker, errors, { cases: RETURNED, subscription: "s" });
  });
}

async function assertReasons(
  broker: Parameters<Parameters<Test>[1]>[0]["broker"],
  errors: unknown[],
  { cases, subscription }: {
    cases: readonly (readonly [string, unknown, RegExp])[];
    subscription: string;
  },
): Promise<void> {
  for (let n = 0; n <= cases.length; n++) await broker.publish("t", "x", n);
  await broker.idle();
  const entries = await broker.getDeadLetterQueue().getEvents({ topic: "t" });
  const reasons = new Map(
    entries.filter((entry) => entry.subscription === subscription)
      .map((entry) => [(entry.event as Event<number>).payload, entry]),
  );
  for (const [n, [what, , reason]] of cases.entries()) {
    const entry = reasons.get(n);
    assert.ok(entry, `${what} made no dead letter`);
    assert.match(entry.error, reason, what);
    assert.ok(entry.error.length <= 4096, `${what}: ${entry.error.length} characters`);
    assert.equal(entry.attempts, 1, what);
  }
  assert.equal(reasons.size, cases.length);
  assert.deepEqual(errors, []);
}
