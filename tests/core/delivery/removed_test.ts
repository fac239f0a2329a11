/**
 * A subscription that is removed: what comes in behind its removal, while that is under way, changes
 * nothing that is stored, and whoever answers a delivery is not told that the answer was taken.
 */
import assert from "node:assert/strict";
import { NotFoundError } from "../../../core/base/errors.ts";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { redeliver } from "../../../core/dead_letter/custom_queue_retry.ts";
import { retryNow } from "../../../core/delivery/scheduled_retries.ts";
import type { Event } from "../../../core/event/event.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { WatchedState } from "../../helpers/watched_state.ts";

const backoff = { kind: "fixed" as const, base: 1000, max: 1000, jitter: false };
const settings = { backoff, maxRetries: 1 };

/** A broker whose subscription `s` has three events leased, and one that waits to be retried. */
async function rig() {
  const state = new WatchedState();
  const errors: string[] = [];
  const broker = new EventBroker({
    state,
    clock: new FakeClock(),
    eventStore: new MemoryEventStore(),
    onError: (error, context) => errors.push(`${context}: ${error}`),
  });
  const events: Event[] = [];
  for (let n = 1; n <= 4; n++) events.push(await broker.publish("t", "x", n, { id: `e${n}` }));
  const { subscriptions } = broker;
  await subscriptions.put("s", { topic: "t", settings });
  const { deliveries } = await subscriptions.lease("s", { max: 4 }, { consumer: "c" });
  const [first, ...leases] = deliveries.map(({ token }) => token);
  await subscriptions.nack("s", [{ lease: first!, error: "no" }]);
  return { broker, state, subscriptions, events, leases, errors };
}

type Rig = Awaited<ReturnType<typeof rig>>;

/** Asserts that nothing of the subscription is stored after the removal and what came behind it. */
async function removedThen<T>(act: (rig: Rig) => Promise<T>): Promise<PromiseSettledResult<T>> {
  const made = await rig();
  const { broker, state, subscriptions, errors } = made;
  try {
    const removing = subscriptions.remove("s");
    const [acted] = await Promise.allSettled([act(made)]);
    await removing;
    await settled();
    const { subscriptions: records, cursors, retries, done } = state.load();
    assert.deepEqual({ records, cursors, retries, done, errors }, {
      ...{ records: [], cursors: [], retries: [], done: [], errors: [] },
    });
    assert.equal(await state.countDeadLetters({}), 0);
    return acted;
  } finally {
    await broker.close();
  }
}

const lost = (leases: string[]) => ({ settled: 0, lost: leases });

Deno.test("SubscriptionManager takes no acknowledgement behind a removal", async () => {
  let leased: string[] = [];
  const acted = await removedThen(({ subscriptions, leases }) => {
    return subscriptions.ack("s", leased = leases);
  });
  assert.deepEqual(acted, { status: "fulfilled", value: lost(leased) });
});

Deno.test("SubscriptionManager retries nothing and gives up on nothing behind a removal", async () => {
  let leased: string[] = [];
  const acted = await removedThen(({ subscriptions, leases }) => {
    leased = leases;
    return subscriptions.nack("s", [
      { lease: leases[0]!, error: "no" },
      { lease: leases[1]!, error: "no", dead: true },
      { lease: leases[2]!, error: "no", afterMs: 5 },
    ]);
  });
  assert.deepEqual(acted, {
    status: "fulfilled",
    value: { ...lost(leased), outcomes: ["lost", "lost", "lost"] },
  });
});

Deno.test("SubscriptionManager takes no answer once it has learned of a removal", async () => {
  const { broker, subscriptions, leases } = await rig();
  // It comes first, and its turn only afterwards.
  const acking = subscriptions.ack("s", leases);
  subscriptions.forget("s");
  assert.deepEqual(await acking, lost(leases));
  await broker.close();
});

const ACTS: Record<string, (rig: Rig) => Promise<unknown>> = {
  pause: ({ subscriptions }) => subscriptions.pause("s", { reason: "too late" }),
  seek: ({ subscriptions }) => subscriptions.seek("s", { to: "start" }),
  put: ({ subscriptions }) =>
    subscriptions.put("s", { topic: "t", settings: { maxRetries: 7 }, update: true }),
  remove: ({ subscriptions }) => subscriptions.remove("s"),
  // The entry stays in the application's own queue.
  redeliver: ({ broker: { store }, subscriptions, events: [event] }) => {
    const entry = { event: event!, error: "no", subscription: "s", timestamp: 1, attempts: 1 };
    return redeliver(entry, { subscriptions, store });
  },
  retryNow: ({ subscriptions }) => retryNow(subscriptions.require("s")),
};

for (const [name, act] of Object.entries(ACTS)) {
  Deno.test(`SubscriptionManager refuses ${name} behind a removal`, async () => {
    const acted = await removedThen(act);
    assert.ok(
      acted.status === "rejected" && acted.reason instanceof NotFoundError,
      Deno.inspect(acted),
    );
  });
}

Deno.test("EventBroker.redact does its work where a subscription is removed meanwhile", async () => {
  const { broker, state, subscriptions } = await rig();
  let removing: Promise<void> | undefined;
  state.committing = (changes) => {
    if (changes.some(({ op }) => op === "event.redact")) removing ??= subscriptions.remove("s");
  };
  const { created, undelivered } = await broker.redact("t", 2);
  await removing;
  assert.deepEqual([created, undelivered], [true, 0]);
  await broker.close();
});
