/** Retrying entries of an application's own dead-letter queue. */
import assert from "node:assert/strict";
import { EventBroker } from "../../../core/broker/event_broker.ts";
import { redeliver } from "../../../core/dead_letter/custom_queue_retry.ts";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { WatchedState } from "../../helpers/watched_state.ts";

Deno.test("redeliver that is refused leaves an event that is at hand to whoever asks next", async () => {
  const state = new WatchedState();
  await using broker = new EventBroker({ state });
  const { subscriptions, store } = broker;
  await subscriptions.put("s", { topic: "t" });
  const event = await broker.publish("t", "n", 1);
  // It is read, and at hand.
  const { deliveries } = await subscriptions.lease("s", { max: 1 }, { consumer: "c" });
  await subscriptions.release("s", deliveries.map(({ token }) => token));
  state.refuses = true;
  const entry = { event, error: "no", subscription: "s", timestamp: 1, attempts: 1 };
  await assert.rejects(redeliver(entry, { subscriptions, store }), CannotStoreError);
  state.refuses = false;
  const again = await subscriptions.lease("s", { max: 1 }, { consumer: "c" });
  assert.equal(again.deliveries.length, 1);
});
