/** Waiting retries: listed by pages in the order in which they are due, and made due by a person. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import type { SubscriptionDriver } from "../../../core/delivery/driver.ts";
import { EventBroker, MemoryEventStore, MemoryState, NotFoundError } from "../../../mod.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { DeliveryQueue } from "../../../core/delivery/queue.ts";
import { retriesPage, retryNow } from "../../../core/delivery/scheduled_retries.ts";
import { defaultSettings } from "../../../core/delivery/settings.ts";

interface Waiting {
  topic: string;
  id: string;
  dueAt: number;
}

const now = { wall: 1_700_000_000_000, mono: 5.25 };

/** What the page is made of, of a driver whose queue has these retries. */
function driverOf(retries: readonly Waiting[]): SubscriptionDriver {
  const queue = new DeliveryQueue({
    name: "s",
    settings: defaultSettings,
    cursors: [],
    done: [],
    missed: [],
    retries: retries.map((one) => ({
      ...one,
      subscription: "s",
      seq: 1,
      type: "x",
      waitMs: one.dueAt,
      nextAttempt: 2,
      failures: 1,
    })),
  }, now);
  const ledger = { retry: () => undefined };
  return { queue, ledger, now: () => now } as unknown as SubscriptionDriver;
}

/** All of them, page by page. */
async function listed(driver: SubscriptionDriver, limit: number): Promise<Waiting[]> {
  const found: Waiting[] = [];
  let after: string | undefined;
  do {
    const page = await retriesPage(driver, { limit, after });
    assert.ok(page.retries.length <= limit);
    found.push(...page.retries.map(({ topic, id, dueAt }) => ({ topic, id, dueAt })));
    after = page.next;
  } while (after !== undefined);
  return found;
}

const retry = fc.record({
  topic: fc.constantFrom("a", "b", "a.b"),
  id: fc.stringMatching(/^[!-~]{1,4}$/),
  // Many are due at the same time.
  dueAt: fc.integer({ min: -3, max: 3 }).map((ms) => now.wall + ms),
});
const nameOf = ({ topic, id }: Waiting) => `${topic}/${id}`;

Deno.test("retriesPage lists each retry once and by its time when pages are of any size", async () => {
  const retries = fc.uniqueArray(retry, { selector: nameOf, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(retries, fc.integer({ min: 1, max: 9 }), async (waiting, limit) => {
      const driver = driverOf(waiting);
      const found = await listed(driver, limit);
      // What was due in the past is due now.
      const due = (one: Waiting) => Math.max(one.dueAt, now.wall);
      const sorted = [...waiting].sort((a, b) =>
        due(a) - due(b) || (nameOf(a) < nameOf(b) ? -1 : 1)
      );
      assert.deepEqual(
        found.map((one) => [nameOf(one), one.dueAt]),
        sorted.map((one) => [nameOf(one), due(one)]),
      );
      assert.equal((await retriesPage(driver, { limit })).total, waiting.length);
    }),
  );
});

Deno.test("retryNow makes the named retries due at once, durably, and the others stay as they were", async () => {
  const parts = {
    clock: new FakeClock(),
    state: new MemoryState(),
    eventStore: new MemoryEventStore(),
  };
  let broker = new EventBroker(parts);
  for (const id of ["a", "b", "c"]) await broker.publish("t", "x", 1, { id });
  await broker.subscriptions.put("s", { topic: "t" });
  const lease = async () =>
    (await broker.subscriptions.lease("s", { max: 10 }, { consumer: "c" })).deliveries;
  const failed = await lease();
  await broker.subscriptions.nack(
    "s",
    failed.map(({ token }) => ({ lease: token, error: "no", afterMs: 3_600_000 })),
  );
  const now = (ids: string[]) => retryNow(broker.subscriptions.require("s"), { ids });
  await assert.rejects(now(["a", "nobody"]), NotFoundError);
  assert.deepEqual(await lease(), [], "nothing was done");
  assert.deepEqual(await now(["a"]), { count: 1 });
  assert.deepEqual(await now(["b"]), { count: 1 });
  assert.deepEqual((await lease()).map(({ entry }) => entry.id), ["a", "b"]);
  // The process is killed while both are leased.
  broker = new EventBroker(parts);
  const again = await lease();
  assert.deepEqual(again.map(({ entry, attempt }) => [entry.id, attempt]), [["a", 2], ["b", 2]]);
  assert.equal((await broker.subscriptions.info("s")).scheduled, 1);
  await broker.close();
});
