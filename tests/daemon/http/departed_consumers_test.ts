/**
 * When the leases of a consumer whose connection has closed go back: at once, or when the handlers
 * of a killed `evs consume` have ended.
 */
import assert from "node:assert/strict";
import { DepartedConsumers } from "../../../daemon/http/departed_consumers.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

Deno.test("DepartedConsumers releases leases as late as their consumer asked, and none once the daemon stops", async () => {
  const clock = new FakeClock();
  const released: string[] = [];
  const departed = new DepartedConsumers({ clock, release: (name) => released.push(name) });
  departed.left({ name: "at once", lingerMs: 0 });
  assert.deepEqual(released, ["at once"]);
  departed.left({ name: "late", lingerMs: 3000 });
  departed.left({ name: "later", lingerMs: 5000 });
  await clock.pass(2999);
  assert.deepEqual(released, ["at once"]);
  await clock.pass(1);
  assert.deepEqual(released, ["at once", "late"]);
  departed.stop();
  await clock.pass(60_000);
  assert.deepEqual([released, clock.timers], [["at once", "late"], 0]);
});
