/** Shows that a node tells the database's time, whatever its own clock says. */
import assert from "node:assert/strict";
import { DatabaseClock } from "../../../../core/state/postgres/database_clock.ts";
import { FakeClock } from "../../../helpers/fake_clock.ts";

const HOUR = 3_600_000;

/** A clock that is wrong by this, beside one that is right. */
function wrongBy(ms: number) {
  const own = new FakeClock(1_700_000_000_000 + ms);
  const clock = new DatabaseClock(own);
  const right = () => own.now() - ms;
  return { own, clock, right, measure: () => clock.measure(() => answer(right())) };
}

const answer = (now: number) => Promise.resolve({ now });

Deno.test("DatabaseClock tells the database's time once it has asked", async () => {
  for (const ms of [HOUR, -HOUR, 1000]) {
    const { own, clock, right, measure } = wrongBy(ms);
    assert.equal(clock.now(), own.now());
    await measure();
    assert.equal(clock.now(), right());
    await own.pass(5000);
    assert.equal(clock.now(), right());
    assert.equal(clock.monotonic(), own.monotonic());
  }
});

Deno.test("DatabaseClock leaves small differences alone", async () => {
  const { own, clock, measure } = wrongBy(200);
  await measure();
  assert.equal(clock.now(), own.now());
});

Deno.test("DatabaseClock learns that this machine's clock was set", async () => {
  const { own, clock, right, measure } = wrongBy(0);
  await measure();
  own.jump(HOUR);
  assert.equal(clock.now(), right(), "it has not asked since");
  await clock.measure(() => answer(own.now() - HOUR));
  assert.equal(clock.now(), own.now() - HOUR);
});

Deno.test("DatabaseClock takes no step that is only how long the answer took", async () => {
  const { own, clock, right } = wrongBy(0);
  await clock.measure(async () => {
    const now = right();
    await own.pass(10_000);
    return { now };
  });
  assert.equal(clock.now(), right());
});
