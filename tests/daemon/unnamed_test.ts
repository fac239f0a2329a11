/** Subscriptions without a name whose clients have died. */
import assert from "node:assert/strict";
import { UnnamedSubscriptions } from "../../daemon/unnamed.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

Deno.test("UnnamedSubscriptions removes what was left alone for ten minutes, and nothing else", async () => {
  const clock = new FakeClock();
  const removed: string[] = [];
  const infos = [
    { name: "unnamed-old", leased: 0 },
    { name: "unnamed-busy", leased: 1 },
    { name: "unnamed-asks", leased: 0 },
    { name: "named", leased: 0 },
  ];
  const unnamed = new UnnamedSubscriptions({
    list: () => infos.filter(({ name }) => !removed.includes(name)),
    remove: (name) => Promise.resolve(void removed.push(name)),
  }, { clock, removed: () => {}, onError: assert.ifError });
  for (let minute = 0; minute < 15; minute++) {
    await clock.pass(60_000);
    unnamed.seen("unnamed-asks");
  }
  await unnamed.stop();
  assert.deepEqual(removed, ["unnamed-old"]);
});
