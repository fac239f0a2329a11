/** What a handler's result means: whatever it threw, returned, or gave as a delay. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { asCause, asError, thrownStack, thrownText } from "../../../core/base/thrown.ts";
import { failureOfError, failureOfResult, withDelay } from "../../../core/delivery/outcome.ts";
import {
  deadLetter,
  EventBroker,
  MemoryEventStore,
  NonRetryableError,
  Projection,
  ProjectionError,
  retry,
  skip,
  Upcasters,
} from "../../../mod.ts";

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

Deno.test("thrownText says something of any value, in bounds", () => {
  fc.assert(fc.property(fc.anything({ withBigInt: true, withNullPrototype: true }), (thrown) => {
    const text = thrownText(thrown);
    assert.ok(text.length > 0 && text.length <= 4096, text);
    assert.equal(thrownText(asError(thrown)).length > 0, true);
    assert.equal(typeof failureOfError(thrown).error, "string");
    failureOfResult(thrown);
  }));
});

Deno.test("failureOfError tells the root of the causes when an error only wraps it", () => {
  const inner = new TypeError("fetch failed", {
    cause: new Error("connect ECONNREFUSED 10.0.0.7:443"),
  });
  const error = (thrown: unknown) => failureOfError(thrown).error;
  assert.equal(error(inner), "fetch failed; caused by connect ECONNREFUSED 10.0.0.7:443");
  assert.equal(
    error(new Error("cannot charge", { cause: inner })),
    "cannot charge; caused by connect ECONNREFUSED 10.0.0.7:443",
  );
  assert.equal(
    error(new Error("cannot charge: no route", { cause: new Error("no route") })),
    "cannot charge: no route",
  );
  assert.equal(
    error(new AggregateError([new Error("A"), new Error("B")], "both failed")),
    "both failed; caused by A",
  );
  assert.equal(error(new Error("x", { cause: "declined" })), "x; caused by declined");
  assert.equal(error(new Error("\x1b[31mred\x1b[0m")), "red");
  assert.notEqual(error(new Error("\x1b[31m")), "");
  assert.equal(failureOfResult(retry({ cause: inner }))?.error, error(inner));
  const round = new Error("round");
  round.cause = round;
  assert.equal(error(round), "round");
  const odd = Object.defineProperty(new Error("odd"), "cause", {
    get: () => {
      throw new Error("no");
    },
  });
  assert.equal(error(odd), "odd");
});

Deno.test("asError and asCause keep what can be printed, and replace what cannot", () => {
  const error = new Error("whole");
  assert.equal(asError(error), error);
  assert.equal(asCause(error), error);
  const plain = { code: 5 };
  assert.equal(asCause(plain), plain);
  assert.equal(asError(plain).message, '{"code":5}');
  for (const odd of [revoked(), Object.assign(new Error(), { message: 5 })]) {
    assert.ok(asCause(odd) instanceof Error);
    assert.notEqual(asCause(odd), odd);
  }
  assert.equal(thrownStack(plain), undefined);
});

Deno.test("withDelay keeps the subscription's own wait where retryDelay throws or tells none", () => {
  const told: unknown[] = [];
  const wait = (retryDelay: () => unknown) =>
    withDelay(failureOfError(new Error("no")), {
      attempt: 1,
      retryDelay: retryDelay as () => number,
      onError: (error) => told.push(error),
    }).afterMs;
  const odd = revoked();
  assert.equal(
    wait(() => {
      throw odd;
    }),
    undefined,
  );
  assert.equal(told.length, 1);
  assert.equal(wait(() => Symbol("none")), undefined);
  assert.equal(wait(() => NaN), undefined);
  assert.equal(wait(() => -1), undefined);
  assert.equal(wait(() => 0.4), 0);
  assert.equal(wait(() => 1500.6), 1501);
  assert.equal(wait(() => Infinity), 365 * 86_400_000);
  assert.equal(failureOfResult(retry({ afterMs: Infinity }))?.afterMs, 365 * 86_400_000);
  assert.equal(failureOfResult(deadLetter(5n as unknown as string))?.error, "5");
});

Deno.test("EventBroker refuses a publish in words when its store throws anything", async () => {
  for (const thrown of [Object.create(null), undefined, revoked(), { code: 5 }, Symbol("s")]) {
    const broker = new EventBroker({
      eventStore: {
        saveEvent: () => Promise.reject(thrown),
        getEvents: () => Promise.resolve([]),
        deleteEvents: () => Promise.resolve(0),
      },
    });
    await assert.rejects(broker.publish("t", "x", 1), (error) => {
      assert.match((error as Error).message, /refused the event: \S/);
      Deno.inspect(error);
      return true;
    });
    await broker.close();
  }
  const store = new MemoryEventStore();
  store.append = () => Promise.reject(undefined);
  await using broker = new EventBroker({ eventStore: store });
  await assert.rejects(broker.publish("t", "x", 1), /takes no more events: undefined/);
  await assert.rejects(broker.publish("t", "x", 2), /takes no more events: undefined/);
});

Deno.test("EventBroker keeps an event whose dead-letter queue throws anything, and outlives an onError that throws", async () => {
  const kept: string[] = [];
  let refusals = 0;
  const told = Promise.withResolvers<void>();
  await using broker = new EventBroker({
    onError() {
      told.resolve();
      throw revoked();
    },
    deadLetterQueue: {
      addEvent(event) {
        if (refusals++ === 0) throw Object.create(null);
        kept.push(event.id);
        return Promise.resolve();
      },
      getEvents: () => Promise.resolve([]),
      retryEvent: () => Promise.resolve(false),
      removeEvent: () => Promise.resolve(false),
    },
  });
  broker.subscribe("t", () => Promise.reject(revoked()), { name: "s", maxRetries: 0 });
  const { id } = await broker.publish("t", "x", 1);
  await told.promise;
  await broker.idle();
  assert.deepEqual(kept, [id]);
});

Deno.test("Projection says where it stands when a reducer or an upcaster throws anything", async () => {
  await using broker = new EventBroker();
  const upcast = new Upcasters().add("y", { from: "1.0", to: "2.0" }, () => {
    throw Object.create(null);
  });
  const projection = (type: string) =>
    new Projection({
      name: type,
      topic: type,
      initial: {},
      upcast,
      on: {
        x: () => {
          throw revoked();
        },
      },
    }, { broker });
  for (const type of ["x", "y"]) {
    await broker.publish(type, type, 1);
    await assert.rejects(projection(type).catchUp(), (error) => {
      assert.ok(error instanceof ProjectionError, String(error));
      assert.match(error.message, /thrown.*it stopped at 0/);
      Deno.inspect(error);
      return true;
    });
  }
});

Deno.test("failureOfResult and failureOfError tell what is done, what is retried and what is given up", () => {
  assert.equal(failureOfResult(undefined), undefined);
  assert.equal(failureOfResult({ kind: "dead" }), undefined, "a value of the handler's own");
  assert.equal(failureOfResult(skip("not mine")), undefined);
  const given = failureOfResult(deadLetter("no customer"));
  assert.deepEqual([given?.dead, given?.error], [true, "no customer"]);
  const again = failureOfResult(retry({ afterMs: 7 }));
  assert.deepEqual([again?.dead, again?.afterMs], [false, 7]);
  assert.equal(failureOfError(new Error("no")).dead, false);
  assert.equal(failureOfError(new NonRetryableError("never")).dead, true);
});
