/** The idle timer calls back once after the last piece of work. */
import assert from "node:assert/strict";
import { IDLE_MS, IdleTimer } from "../../../core/base/idle_timer.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

function counting() {
  const clock = new FakeClock();
  let rests = 0;
  const rest = new IdleTimer({ clock, rested: () => rests++ });
  return { clock, rest, rests: () => rests };
}

Deno.test("Rest calls back once when no work came for so long, and is silent until there is work again", async () => {
  const { clock, rest, rests } = counting();
  rest.note();
  await clock.pass(IDLE_MS - 1);
  assert.equal(rests(), 0);
  await clock.pass(1);
  assert.equal(rests(), 1);
  await clock.pass(10 * IDLE_MS);
  assert.equal(rests(), 1);
  rest.note();
  await clock.pass(IDLE_MS);
  assert.equal(rests(), 2);
});

Deno.test("Rest counts from the last piece of work when work goes on", async () => {
  const { clock, rest, rests } = counting();
  for (let i = 0; i < 50; i++) {
    rest.note();
    assert.equal(clock.timers, 1);
    await clock.pass(IDLE_MS * 0.7);
  }
  assert.equal(rests(), 0);
  await clock.pass(IDLE_MS * 0.3);
  assert.equal(rests(), 1);
});

Deno.test("Rest sets no timer when nothing was done, at rest, and once stopped", async () => {
  const { clock, rest, rests } = counting();
  assert.equal(clock.timers, 0);
  rest.note();
  await clock.pass(IDLE_MS);
  assert.equal(clock.timers, 0);
  rest.note();
  rest.stop();
  rest.note();
  assert.equal(clock.timers, 0);
  await clock.pass(IDLE_MS);
  assert.equal(rests(), 1);
});
