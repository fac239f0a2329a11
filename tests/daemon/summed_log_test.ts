/**
 * A log that sums up many small events: `evs dlq retry --rate` redelivers one dead letter per
 * request.
 */
import assert from "node:assert/strict";
import { type Counts, SummedLog } from "../../daemon/summed_log.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

Deno.test("SummedLog tells the first at once and the rest together when many come", async () => {
  const clock = new FakeClock();
  const told: Counts[] = [];
  const log = new SummedLog({ clock, tell: (counts) => told.push(counts) });
  for (let n = 0; n < 101; n++) {
    log.add(n % 2 === 0 ? { billing: 1 } : { mailer: 2 });
    await clock.pass(90);
  }
  assert.deepEqual(told, [{ billing: 1 }]);
  await clock.pass(10_000);
  assert.deepEqual(told, [{ billing: 1 }, { billing: 50, mailer: 100 }]);
  await clock.pass(20_000);
  assert.equal(clock.timers, 0);
  log.add({ billing: 3 });
  log.add({ billing: 4 });
  log.flush();
  assert.deepEqual(told.slice(2), [{ billing: 3 }, { billing: 4 }]);
  assert.equal(clock.timers, 0);
});
