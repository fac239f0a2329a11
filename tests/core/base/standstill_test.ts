/** After a standstill of the process nothing times out before pending input has been read. */
import assert from "node:assert/strict";
import { AwakeTime, setPatientTimer, standstillOf } from "../../../core/base/standstill.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

Deno.test("StandstillWatch tells every listener how long the process stood still", async () => {
  const clock = new FakeClock();
  const watch = standstillOf(clock);
  const told: number[][] = [[], []];
  const release = told.map((list) => watch.hold({ stood: (ms) => void list.push(ms) }));
  await clock.pass(10_000);
  assert.deepEqual(told, [[], []]);
  clock.stand(60_000);
  await clock.pass(0);
  assert.deepEqual(told, [[60_000], [60_000]]);
  assert.equal(watch.settledAt, clock.monotonic() + 1000);
  release[0]!();
  await clock.pass(100);
  clock.stand(2000);
  watch.check();
  assert.deepEqual(told, [[60_000], [60_000, 2100]], "asked before any timer fires");
  release[1]!();
  assert.equal(clock.timers, 0, "nobody asks: nothing is looked at");
  clock.stand(5000);
  watch.check();
  assert.equal(told[1]!.length, 2);
});

Deno.test("StandstillWatch takes no idle time for a standstill when somebody asks again", async () => {
  const clock = new FakeClock();
  const watch = standstillOf(clock);
  watch.hold({})();
  await clock.pass(60_000);
  const told: number[] = [];
  const release = watch.hold({ stood: (ms) => void told.push(ms) });
  watch.check();
  await clock.pass(1000);
  release();
  assert.deepEqual(told, []);
});

Deno.test("setPatientTimer waits again when it fires late, and not when it is in time", async () => {
  const clock = new FakeClock();
  const fired: number[] = [];
  setPatientTimer(clock, () => fired.push(clock.monotonic()), 5000);
  await clock.pass(5000);
  assert.deepEqual(fired, [5000]);
  setPatientTimer(clock, () => fired.push(clock.monotonic()), 5000);
  clock.stand(65_000);
  await clock.pass(0);
  assert.deepEqual(fired, [5000], "what came in meanwhile is read first");
  await clock.pass(999);
  assert.deepEqual(fired, [5000]);
  await clock.pass(1);
  assert.deepEqual(fired, [5000, 71_000]);
});

Deno.test("setPatientTimer calls nobody once it is cancelled, in its second wait too", async () => {
  const clock = new FakeClock();
  const cancel = setPatientTimer(clock, () => assert.fail("it was cancelled"), 5000);
  clock.stand(60_000);
  await clock.pass(0);
  cancel();
  await clock.pass(60_000);
  assert.equal(clock.timers, 0);
});

Deno.test("AwakeTime counts no standstill, and all of the time that a try may take", async () => {
  const clock = new FakeClock();
  await clock.pass(5000);
  const time = new AwakeTime(clock);
  await clock.pass(800);
  assert.equal(time.passed(1000), 800);
  clock.stand(60_000);
  assert.equal(time.passed(1000), 1800);
  assert.equal(time.passed(1000), 1800);
  await clock.pass(1000);
  assert.equal(time.passed(1000), 2800);
});
