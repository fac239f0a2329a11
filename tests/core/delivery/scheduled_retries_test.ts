/** Waiting retries by pages: each one once, in the order in which they are due. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import type { SubscriptionDriver } from "../../../core/delivery/driver.ts";
import { DeliveryQueue } from "../../../core/delivery/queue.ts";
import { retriesPage } from "../../../core/delivery/scheduled_retries.ts";
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
function listed(driver: SubscriptionDriver, limit: number): Waiting[] {
  const found: Waiting[] = [];
  let after: string | undefined;
  do {
    const page = retriesPage(driver, { limit, after });
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

Deno.test("retriesPage lists each retry once and by its time when pages are of any size", () => {
  const retries = fc.uniqueArray(retry, { selector: nameOf, maxLength: 40 });
  fc.assert(fc.property(retries, fc.integer({ min: 1, max: 9 }), (waiting, limit) => {
    const driver = driverOf(waiting);
    const found = listed(driver, limit);
    // What was due in the past is due now.
    const due = (one: Waiting) => Math.max(one.dueAt, now.wall);
    const sorted = [...waiting].sort((a, b) => due(a) - due(b) || (nameOf(a) < nameOf(b) ? -1 : 1));
    assert.deepEqual(
      found.map((one) => [nameOf(one), one.dueAt]),
      sorted.map((one) => [nameOf(one), due(one)]),
    );
    assert.equal(retriesPage(driver, { limit }).total, waiting.length);
  }));
});
