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

Deno.test("UnnamedSubscriptions keeps what clients of another node use, and goes on when that is not known", async () => {
  const clock = new FakeClock();
  const removed: string[] = [];
  const errors: unknown[] = [];
  const away = new Error("the database is away");
  let minutes = 0;
  const unnamed = new UnnamedSubscriptions({
    list: () =>
      ["unnamed-here", "unnamed-there", "unnamed-ended"].map((name) => ({ name, leased: 0 }))
        .filter(({ name }) => !removed.includes(name)),
    remove: (name) => Promise.resolve(void removed.push(name)),
    inUse() {
      if (minutes === 3) return Promise.reject(away);
      return Promise.resolve(new Set(["unnamed-there", ...minutes < 10 ? ["unnamed-ended"] : []]));
    },
  }, { clock, removed: () => {}, onError: (error) => errors.push(error) });
  for (; minutes < 15; minutes++) await clock.pass(60_000);
  assert.deepEqual(removed, ["unnamed-here"]);
  for (; minutes < 25; minutes++) await clock.pass(60_000);
  await unnamed.stop();
  assert.deepEqual(removed, ["unnamed-here", "unnamed-ended"]);
  assert.deepEqual(errors, [away]);
});
