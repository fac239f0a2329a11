/** A process that gets an event alone: first it answers what it has, then nothing goes beside it. */
import assert from "node:assert/strict";
import { ProcessLoad } from "../../../core/delivery/process_load.ts";

Deno.test("ProcessLoad lets an event that goes alone wait for all others, and all others for it", async () => {
  let freed = 0;
  const load = new ProcessLoad(() => freed++);
  assert.equal(load.mayTake({ alone: false }), true);
  load.took({ alone: false });
  assert.equal(load.mayTake({ alone: true }), false, "another one is leased");
  assert.equal(load.mayTake({ alone: false }), false, "or it would never have its turn");
  load.ended();
  await Promise.resolve();
  assert.equal(freed, 1);
  assert.equal(load.mayTake({ alone: true }), true);
  load.took({ alone: true });
  for (const alone of [true, false]) assert.equal(load.mayTake({ alone }), false);
  load.ended();
  await Promise.resolve();
  assert.equal(freed, 2);
  assert.equal(load.mayTake({ alone: false }), true);
});

Deno.test("ProcessLoad tells nobody of what ends when nothing waits", async () => {
  const load = new ProcessLoad(() => assert.fail("nobody waits"));
  for (let i = 0; i < 2; i++) load.took({ alone: false });
  load.ended();
  load.ended();
  await Promise.resolve();
  assert.equal(load.leased, 0);
});
