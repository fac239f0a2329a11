/**
 * A silent lease request is given up only when the daemon answers elsewhere, and a daemon that
 * stands still is waited for.
 */
import assert from "node:assert/strict";
import { LeaseWatch } from "../../../core/client/lease_watch.ts";
import { DeadConnectionError } from "../../../core/client/consumer/port.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const LIMIT_MS = 3000;

function watched() {
  const clock = new FakeClock();
  const said: string[] = [];
  /** When it was asked, ms. */
  const asked: number[] = [];
  const state = { answers: false, isDead: false };
  const watch = new LeaseWatch({
    clock,
    limitMs: LIMIT_MS,
    say: (text) => said.push(text),
    inquire(signal) {
      asked.push(clock.monotonic());
      if (state.answers) return Promise.resolve(true);
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(false)));
    },
  });
  watch.dead.catch((error) => {
    assert.ok(error instanceof DeadConnectionError);
    state.isDead = true;
  });
  return { clock, said, asked, state, watch };
}

Deno.test("LeaseWatch asks nobody while heartbeats come", async () => {
  const { clock, said, asked, watch } = watched();
  for (let n = 0; n < 100; n++) {
    await clock.pass(LIMIT_MS - 1);
    watch.heard();
  }
  watch.close();
  assert.deepEqual([asked, said], [[], []]);
  assert.equal(clock.timers, 0);
});

Deno.test("LeaseWatch waits for a daemon that stands still, asks it ever more rarely, and tells once", async () => {
  const { clock, said, asked, state, watch } = watched();
  await clock.pass(LIMIT_MS);
  assert.deepEqual([asked, said], [[LIMIT_MS], []], "nothing is told before it is known");
  await clock.pass(12 * 3_600_000);
  assert.deepEqual(asked.slice(0, 4), [3000, 5000, 8000, 13_000]);
  assert.equal(asked.at(-1)! - asked.at(-2)!, 61_000);
  assert.deepEqual(said, ["nothing came from the daemon for 4 s; waiting for it"]);
  watch.heard();
  assert.deepEqual(said.slice(1), ["the daemon is back; going on"]);
  // What is in flight when it is heard decides nothing any more.
  state.answers = true;
  await clock.pass(LIMIT_MS - 1);
  watch.heard();
  await clock.pass(LIMIT_MS - 1);
  assert.equal(state.isDead, false);
  watch.close();
  assert.equal(clock.timers, 0);
});

Deno.test("LeaseWatch gives up a connection that stays silent though the daemon answers", async () => {
  const { clock, said, state } = watched();
  state.answers = true;
  await clock.pass(2 * LIMIT_MS - 1);
  assert.equal(state.isDead, false);
  await clock.pass(1);
  assert.equal(state.isDead, true);
  assert.deepEqual(said, [], "whoever connects again tells it");
  assert.equal(clock.timers, 0);
});

Deno.test("LeaseWatch keeps the connection of a daemon that was only busy, and tells nothing", async () => {
  const { clock, said, state, watch } = watched();
  state.answers = true;
  for (let n = 0; n < 20; n++) {
    await clock.pass(2 * LIMIT_MS - 1);
    watch.heard();
  }
  assert.deepEqual([state.isDead, said], [false, []]);
  watch.close();
});

Deno.test("LeaseWatch gives up a connection when a network that was away is back without it", async () => {
  const { clock, said, state } = watched();
  await clock.pass(60_000);
  state.answers = true;
  await clock.pass(60_000);
  assert.equal(state.isDead, true);
  assert.equal(said.length, 1);
});

Deno.test("LeaseWatch blames nobody for a standstill of its own process", async () => {
  const { clock, said, asked, state, watch } = watched();
  state.answers = true;
  await clock.pass(1000);
  clock.stand(60_000);
  await clock.pass(0);
  // What has come meanwhile is read after the timers that were due.
  watch.heard();
  await clock.pass(LIMIT_MS - 1);
  assert.deepEqual([asked, said], [[], []]);
  // The same while the connection is in doubt.
  await clock.pass(1001);
  assert.equal(asked.length, 1);
  clock.stand(60_000);
  await clock.pass(0);
  watch.heard();
  await clock.pass(LIMIT_MS - 1);
  assert.deepEqual([state.isDead, said], [false, []]);
  watch.close();
  assert.equal(clock.timers, 0);
});
