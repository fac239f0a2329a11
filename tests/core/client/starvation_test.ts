/** What an overloaded machine adds to the limits of a daemon. */
import assert from "node:assert/strict";
import { starvation } from "../../../core/client/daemon_address.ts";

const held = (pid: number) => ({ holder: { pid, socket: "/s", dataDir: "/d", config: "/c" } });

Deno.test("starvation is the time that a daemon waited for a processor since it was first asked about", () => {
  let waited = 30_000;
  const starved = starvation(() => waited);
  assert.equal(starved(held(7)), 0);
  waited += 1500;
  assert.equal(starved(held(7)), 1500);
  waited += 60_000;
  assert.equal(starved(held(7)), 20_000, "a daemon that hangs is named all the same");
  assert.equal(starved(held(8)), 0, "another one has waited for nothing yet");
});

Deno.test("starvation takes no time away from a daemon that has just ended", () => {
  let waited = 30_000;
  const starved = starvation(() => waited);
  assert.equal(starved(held(7)), 0);
  waited = 0;
  assert.equal(starved(held(7)), 0);
});
