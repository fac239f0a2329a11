/** A handler that waits for itself gets an error, and never hangs. */
import assert from "node:assert/strict";
import type { Broker, Event, SubscribeOptions, Subscription } from "../../../mod.ts";
import type { Test } from "./suite.ts";

type Handler = (events: readonly Event[]) => unknown;

/** The ways to subscribe; each handler gets what it handles at a time. */
const WAYS: readonly [
  string,
  (broker: Broker, handler: Handler, options?: SubscribeOptions) => Subscription,
][] = [
  [
    "a handler",
    (broker, handler, options) => broker.subscribe("t", (event) => handler([event]), options),
  ],
  [
    "one of four handlers",
    (broker, handler, options) =>
      broker.subscribe("t", (event) => handler([event]), { concurrency: 4, ...options }),
  ],
  [
    "a batch handler",
    (broker, handler, options) =>
      broker.subscribeBatch("t", handler, { size: 10, maxWaitMs: 1, ...options }),
  ],
];

/** What may not be waited for in a handler. */
const REFUSED: readonly [
  string,
  (of: { broker: Broker; subscription: Subscription; event: Event }) => Promise<unknown>,
][] = [
  ["idle()", ({ broker }) => broker.idle()],
  ["close()", ({ broker }) => broker.close()],
  ["the broker's disposal", ({ broker }) => broker[Symbol.asyncDispose]()],
  ["whenProcessed() of its event", ({ broker, event }) => broker.whenProcessed(event)],
  [
    "its subscription's whenProcessed()",
    ({ subscription, event }) => subscription.whenProcessed(event),
  ],
  [
    "whenProcessed() of a later event",
    async ({ broker }) => await broker.whenProcessed(await broker.publish("t", "later", {})),
  ],
];

const waitsForItself = { code: "handler/waits-for-itself", hint: /return first/ };

/** Registers them. */
export function waiting(test: Test): void {
  for (const [way, subscribe] of WAYS) {
    test(`refuses what ${way} of its own would wait for for ever`, async ({ broker }) => {
      await broker.createTopic("t").ready;
      const refused = Promise.withResolvers<void>();
      const subscription = subscribe(broker, async ([event]) => {
        if (event!.type === "later") return;
        try {
          for (const [what, wait] of REFUSED) {
            await new Promise((resolve) => setTimeout(resolve)); // across turns, too
            await assert.rejects(
              wait({ broker, subscription, event: event! }),
              waitsForItself,
              what,
            );
          }
          refused.resolve();
        } catch (error) {
          refused.reject(error);
        }
      }, { name: "s" });
      await subscription.ready;
      const event = await broker.publish("t", "x", {});
      await refused.promise;
      await broker.whenProcessed(event);
      await broker.idle();
    });

    test(`ends a subscription that ${way} of its own unsubscribes, with its event done`, async ({ broker, errors }) => {
      const seen: unknown[] = [];
      const ended = Promise.withResolvers<void>();
      const subscription = subscribe(broker, async ([event]) => {
        seen.push(event!.payload);
        await subscription.unsubscribe();
        await subscription.unsubscribe();
        ended.resolve();
      }, { name: "s", concurrency: 1 });
      await broker.publish("t", "x", 1);
      await ended.promise;
      await subscription.unsubscribe();
      await broker.publish("t", "x", 2);
      await broker.idle();
      assert.deepEqual(seen, [1]);
      const again = subscribe(broker, (events) => {
        for (const { payload } of events) seen.push(payload);
      }, { name: "s" });
      await broker.idle();
      assert.deepEqual(seen, [1, 2]);
      await again.unsubscribe();
      assert.deepEqual(errors, []);
    });
  }

  test("refuses a wait for another topic of its subscription that nothing can end", async ({ broker }) => {
    const refused = Promise.withResolvers<void>();
    broker.subscribe("t.*", async (event) => {
      if (event.topic === "t.b") return;
      const other = await broker.publish("t.b", "x", {});
      assert.rejects(broker.whenProcessed(other), waitsForItself)
        .then(refused.resolve, refused.reject);
      await refused.promise;
    }, { name: "s" });
    await broker.publish("t.a", "x", {});
    await refused.promise;
    await broker.idle();
  });

  test("lets a handler wait for other subscriptions, and for what its own has done", async ({ broker }) => {
    const waited = Promise.withResolvers<void>();
    const first = await broker.publish("t", "x", 1);
    broker.subscribe("other", () => {}, { name: "other" });
    broker.subscribe("t", async (event) => {
      if (event.payload === 1) return;
      try {
        await broker.whenProcessed(await broker.publish("other", "x", {}));
        await broker.whenProcessed(first);
        waited.resolve();
      } catch (error) {
        waited.reject(error);
      }
    }, { name: "s" });
    await broker.publish("t", "x", 2);
    await waited.promise;
    await broker.idle();
  });

  test("lets what a handler began wait, once the handler has returned", async ({ broker }) => {
    const returned = Promise.withResolvers<void>();
    const waited = Promise.withResolvers<void>();
    const subscription = broker.subscribe("t", (event) => {
      (async () => {
        await returned.promise;
        await broker.whenProcessed(event);
        await broker.idle();
        await subscription.unsubscribe();
      })().then(waited.resolve, waited.reject);
    }, { name: "s" });
    await broker.whenProcessed(await broker.publish("t", "x", {}));
    returned.resolve();
    await waited.promise;
  });

  test("refuses idle() and ends by itself in handlers of a topic that stores nothing", async ({ broker }) => {
    await broker.createTopic("quick", { persistent: false }).ready;
    for (const isAsync of [false, true]) {
      const outcomes: Promise<void>[] = [];
      const done = Promise.withResolvers<void>();
      const handle = () => {
        outcomes.push(assert.rejects(broker.idle(), waitsForItself));
        if (outcomes.length < 3) return;
        const left = subscription.unsubscribe();
        done.resolve();
        return left;
      };
      const subscription = broker.subscribe(
        "quick",
        isAsync
          ? async () => {
            await Promise.resolve();
            await handle();
          }
          : () => void handle(),
      );
      await subscription.ready;
      for (let i = 0; i < 3; i++) await broker.publish("quick", "x", i);
      await done.promise;
      await Promise.all(outcomes);
      await subscription.unsubscribe();
    }
  });

  test("tells of a subscription straight after subscribe(), and rejects where it is gone", async ({ broker }) => {
    for (const name of ["s", undefined]) {
      const subscription = broker.subscribe("t", () => {}, { name });
      const info = await subscription.info();
      assert.deepEqual([info.name, info.topic], [subscription.name, "t"]);
      await subscription.unsubscribe();
      if (name !== undefined) continue;
      const gone = subscription.info();
      assert.ok(gone instanceof Promise, "nothing is thrown");
      await assert.rejects(gone, { code: "subscription/not-found" });
    }
  });
}
