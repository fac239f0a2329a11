/** What is known of a topic without reading it: how many events, how many a second, and when. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { TopicMeters } from "../../../core/broker/topic_meters.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const MINUTE = 60_000;

function metersOn(clock: FakeClock, store = new MemoryEventStore({ clock })) {
  const removed: ((name: string) => void)[] = [];
  const topics = { onRemove: (listener: (name: string) => void) => void removed.push(listener) };
  const meters = new TopicMeters({ clock, store, topics, onError: assert.fail });
  let lastSeq = 0;
  const publish = (count: number) => {
    meters.note({ topic: "t", firstSeq: lastSeq + 1, lastSeq: lastSeq += count });
  };
  return { meters, publish, remove: () => removed.forEach((listener) => listener("t")) };
}

Deno.test("TopicMeter.rates come close to the rate when it was the same for long, and fall by themselves", async () => {
  const clock = new FakeClock();
  const { meters, publish } = metersOn(clock);
  for (let second = 0; second < 75 * 60; second++) {
    publish(10);
    await clock.pass(1000);
  }
  for (const rate of Object.values(meters.rates("t"))) {
    assert.ok(Math.abs(rate - 10) < 0.3, `${rate}`);
  }
  assert.equal(clock.timers, 0);
  await clock.pass(MINUTE);
  const { last1m: one, last5m: five, last15m: fifteen } = meters.rates("t");
  assert.ok(one < 3.8 && five > 7.9 && fifteen > 9, `${one} ${five} ${fifteen}`);
  await clock.pass(10_000 * MINUTE);
  assert.deepEqual(Object.values(meters.rates("t")).map(Math.round), [0, 0, 0]);
});

Deno.test("TopicMeter.rates do not depend on when they are asked for", async () => {
  const step = fc.record({ ms: fc.nat(200_000), count: fc.nat(1000), asks: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30, size: "max" }), async (steps) => {
      const clock = new FakeClock();
      const [asked, left] = [metersOn(clock), metersOn(clock)];
      for (const { ms, count, asks } of steps) {
        for (const { publish } of [asked, left]) if (count > 0) publish(count);
        await clock.pass(ms);
        if (asks) asked.meters.rates("t");
      }
      const [a, b] = [asked, left].map(({ meters }) => Object.values(meters.rates("t")));
      // What was published within a second counts as published together.
      a!.forEach((rate, i) => assert.ok(Math.abs(rate - b![i]!) <= 0.04 * Math.max(1, rate)));
    }),
  );
});

Deno.test("TopicMeters.storedAt is right to a fifth of an event's age, however long the history", async () => {
  const step = fc.record({
    ms: fc.integer({ min: 1, max: 20 * MINUTE }),
    count: fc.integer({ min: 1, max: 9 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 300, size: "max" }),
      async (steps) => {
        const clock = new FakeClock();
        const { meters, publish } = metersOn(clock);
        const stored: number[] = [];
        for (const { ms, count } of steps) {
          publish(count);
          for (let i = 0; i < count; i++) stored.push(clock.now());
          await clock.pass(ms);
        }
        for (const [i, at] of stored.entries()) {
          const told = meters.storedAt("t", i + 1)!;
          const [age, real] = [clock.now() - told, clock.now() - at];
          assert.ok(Math.abs(age - real) <= 1000 + 0.2 * real, `${i}: ${age} instead of ${real}`);
        }
      },
    ),
    { numRuns: 30 },
  );
});

/** A store with events of before the start: that with the seq `n` was stored at `n` ms. */
async function storeOf(clock: FakeClock, count: number): Promise<MemoryEventStore> {
  const store = new MemoryEventStore({ clock });
  const events = Array.from({ length: count }, (_, n) => ({
    id: `${n}`,
    idGiven: false,
    type: "n",
    timestamp: n + 1,
    schemaVersion: "1.0",
    key: undefined,
    metadata: "{}",
    payload: new TextEncoder().encode("1"),
  }));
  await store.append([{ topic: "t", events }]);
  return store;
}

Deno.test("TopicMeters.storedAt reads what is older than the meters, some at a time, and remembers it", async () => {
  const clock = new FakeClock();
  const store = await storeOf(clock, 120);
  let reads = 0;
  const readPage = store.readPage.bind(store);
  store.readPage = (...args) => {
    reads++;
    return readPage(...args);
  };
  const { meters } = metersOn(clock, store);
  const seqs = Array.from({ length: 120 }, (_, n) => n + 1);
  const known = () => seqs.filter((seq) => meters.storedAt("t", seq) === seq).length;
  assert.deepEqual([known(), known(), reads], [50, 50, 50]);
  await clock.pass(1000);
  assert.equal(known(), 100);
  await clock.pass(1000);
  assert.deepEqual([known(), reads], [120, 120]);
  assert.equal(meters.storedAt("t", 121), undefined);
});

Deno.test("TopicMeters.storedAt has a turn for each of many cursors that move, and what was right last until then", async () => {
  const clock = new FakeClock();
  const { meters } = metersOn(clock, await storeOf(clock, 20_000));
  const [cursors, rounds] = [120, 100];
  for (let round = 0; round < rounds; round++) {
    await clock.pass(15_000);
    for (let i = 0; i < cursors; i++) {
      const seq = 100 * i + round + 1;
      const told = meters.storedAt("t", seq, `s${i}`);
      if (round < 10) continue;
      assert.ok(told !== undefined, `round ${round}: that of cursor ${i} is not known`);
      assert.ok(told <= seq && told >= seq - 10, `round ${round}: ${told} for ${seq}`);
    }
  }
});

Deno.test("TopicMeters forgets a topic when it is removed", () => {
  const { meters, publish, remove } = metersOn(new FakeClock());
  publish(3);
  assert.equal(meters.of("t")?.published, 3);
  remove();
  assert.equal(meters.of("t"), undefined);
});
