/** How many requests the dashboard carries out at a time, and how many of them follow something. */
import assert from "node:assert/strict";
import { MAX_REQUESTS, MAX_STREAMS, Slots } from "../../../commands/dashboard/slots.ts";

const busy = { code: "dashboard/busy", status: 503 };

/** Something under way, and what ends it. */
function began(slots: Slots, isStream: boolean): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const over = slots.during(isStream, () => promise);
  return () => {
    resolve();
    return over;
  };
}

Deno.test("Slots.during refuses one stream too many and one request too many, and goes on when one ends", async () => {
  const slots = new Slots();
  const nothing = () => Promise.resolve();
  const ends = Array.from({ length: MAX_STREAMS }, () => began(slots, true));
  await assert.rejects(slots.during(true, nothing), busy);
  for (let n = MAX_STREAMS; n < MAX_REQUESTS; n++) ends.push(began(slots, false));
  await assert.rejects(slots.during(false, nothing), busy);
  await ends.pop()!();
  await slots.during(false, nothing);
  await assert.rejects(slots.during(true, nothing), busy);
  await ends.shift()!();
  await slots.during(true, nothing);
  const fails = () => Promise.reject(new Error("failed"));
  // One that fails gives its place back, too.
  for (let n = 0; n < MAX_REQUESTS; n++) await assert.rejects(slots.during(true, fails), /failed/);
  for (const end of ends) await end();
});
