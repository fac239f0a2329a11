/** Naming a dead letter by its subscription and event. */
import assert from "node:assert/strict";
import { failedEvent } from "../../../core/state/dead_letter_name.ts";

Deno.test("failedEvent holds which event it is and whose, and no key where there is none", () => {
  const event = { topic: "t", seq: 7, id: "a", type: "x" };
  const more = { payload: 1, reason: "no", subscription: "s" };
  const without = failedEvent({ ...event, ...more, key: undefined });
  assert.deepEqual(without, { subscription: "s", ...event });
  assert.equal("key" in without, false);
  assert.deepEqual(failedEvent({ ...event, ...more, key: "k" }), {
    subscription: "s",
    ...event,
    key: "k",
  });
});
