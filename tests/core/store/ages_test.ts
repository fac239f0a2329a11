/**
 * The age of events counts from when they were stored, whatever their timestamps and the wall clock
 * say.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "../../packages/fast_check.ts";
import { thinMarks } from "../../../core/store/age_marks.ts";
import { FileEventStore } from "../../../core/store/file/file_event_store.ts";
import { MemoryEventStore } from "../../../core/store/memory.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import { dose } from "../../helpers/dose.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { unpackFixture } from "../../helpers/fixture.ts";
import { inFolder } from "../../helpers/start.ts";
import { newEvent } from "./conformance.ts";

const DAY = 86_400_000;
const MICROSECONDS = 1_700_000_000_000_000;

type Open = (folder: string, clock: FakeClock) => JournalStore;

const STORES: Record<string, Open> = {
  MemoryEventStore: (_folder, clock) => new MemoryEventStore({ clock }),
  SqliteEventStore: (folder, clock) =>
    new SqliteEventStore(`${folder}/events.db`, { clock, durability: "os" }),
  FileEventStore: (folder, clock) =>
    new FileEventStore(`${folder}/events`, { clock, durability: "os" }),
};

let lastId = 0;

async function append(store: JournalStore, timestamps: readonly number[]): Promise<void> {
  const events = timestamps.map((timestamp) => ({
    id: `id-${++lastId}`,
    idGiven: true,
    type: "t",
    timestamp,
    schemaVersion: "1.0",
    metadata: "{}",
    payload: new TextEncoder().encode("1"),
  }));
  const [outcome] = await store.append([{ topic: "t", events }]);
  assert.ok(outcome?.ok);
}

for (const [name, open] of Object.entries(STORES)) {
  Deno.test(`${name}.seekAge goes by when events were stored when timestamps are in microseconds or long past`, () =>
    inFolder(async (folder) => {
      const clock = new FakeClock();
      const store = open(folder, clock);
      await append(store, [MICROSECONDS, 1]);
      await clock.pass(10_000);
      await append(store, [1, MICROSECONDS]);
      assert.equal(await store.seekAge!("t", 5000), 3);
      assert.equal(await store.seekAge!("t", 20_000), 1);
      await clock.pass(10_000);
      assert.equal(await store.seekAge!("t", 5000), 5, "all of them");
      assert.equal(await store.seekAge!("nowhere", 5000), 1);
      await store.close();
    }));

  Deno.test(`${name} takes an event for as old as it is when the request before stored nothing`, () =>
    inFolder(async (folder) => {
      const clock = new FakeClock();
      const store = open(folder, clock);
      const event = (id: string) => newEvent({ id, idGiven: true });
      await store.append([{ topic: "t", events: [event("first")] }]);
      await clock.pass(1000);
      const refused = { topic: "t", events: [event("refused")], expected: "none" } as const;
      const repeated = { topic: "t", events: [event("after-0")] };
      const empty = { topic: "t", events: [] };
      for (const [i, request] of [refused, repeated, empty].entries()) {
        await store.append([request]);
        await clock.pass(DAY);
        const id = `after-${i}`;
        await store.append([{ topic: "t", events: [event(id)] }]);
        assert.equal(await store.seekAge!("t", DAY / 2), i + 2, "it was stored just now");
        const [repeat] = await store.append([{ topic: "t", events: [event(id)] }]);
        assert.deepEqual(repeat?.ok && repeat.duplicates, [{ index: 0, seq: i + 2 }]);
      }
      await store.close();
    }));

  Deno.test(`${name}.seekAge is where it was when the wall clock makes a step`, () =>
    inFolder(async (folder) => {
      for (const [i, step] of [DAY, -DAY, 400 * DAY, -400 * DAY].entries()) {
        const clock = new FakeClock();
        const own = `${folder}/${i}`;
        await Deno.mkdir(own);
        let store = open(own, clock);
        await append(store, [1]);
        await clock.pass(10_000);
        await append(store, [2]);
        clock.jump(step);
        assert.equal(await store.seekAge!("t", 5000), 2, `a step of ${step} ms`);
        await clock.pass(10_000);
        await append(store, [3]);
        if (name !== "MemoryEventStore") {
          await store.close();
          store = open(own, clock);
        }
        assert.equal(await store.seekAge!("t", 15_000), 2);
        assert.equal(await store.seekAge!("t", 5000), 3);
        await store.close();
      }
    }));

  Deno.test(`${name}.seekAge never takes an event before its age, and soon after`, () =>
    inFolder(async (folder) => {
      const step = fc.oneof(
        { weight: 4, arbitrary: fc.record({ op: fc.constant("append"), ms: fc.constant(0) }) },
        {
          weight: 4,
          arbitrary: fc.record({
            op: fc.constant("pass"),
            ms: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 90 * DAY })),
          }),
        },
        {
          weight: 1,
          arbitrary: fc.record({
            op: fc.constant("jump"),
            ms: fc.constantFrom(-400 * DAY, -DAY, DAY, 400 * DAY),
          }),
        },
        { weight: 1, arbitrary: fc.record({ op: fc.constant("reopen"), ms: fc.constant(0) }) },
        { weight: 1, arbitrary: fc.record({ op: fc.constant("truncate"), ms: fc.constant(0) }) },
      );
      let run = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 3, maxLength: 30 }),
          fc.integer({ min: 1, max: 100 * DAY }),
          async (steps, age) => {
            const own = `${folder}/${++run}`;
            await Deno.mkdir(own);
            const clock = new FakeClock();
            let store = open(own, clock);
            const storedAt: number[] = [];
            for (const { op, ms } of steps) {
              if (op === "append") {
                await append(store, [MICROSECONDS, 1]);
                storedAt.push(clock.monotonic(), clock.monotonic());
              } else if (op === "pass") await clock.pass(ms);
              else if (op === "truncate") await store.truncate("t", storedAt.length);
              else if (op === "reopen" && name !== "MemoryEventStore") {
                await store.close();
                store = open(own, clock);
              } else if (op === "jump") {
                clock.jump(ms);
                await store.seekAge!("t", 1);
              }
            }
            const keep = (await store.seekAge!("t", age))!;
            const { firstSeq, lastSeq } = store.head("t");
            for (let seq = firstSeq; seq <= lastSeq; seq++) {
              const is = clock.monotonic() - storedAt[seq - 1]!;
              if (seq < keep) assert.ok(is >= age, `${seq} is ${is} ms old, of ${age}`);
              else assert.ok(is <= age * 1.04 + 2000, `${seq} is ${is} ms old, of ${age}`);
            }
            await store.close();
          },
        ),
        { numRuns: dose(40) },
      );
    }));

  if (name === "MemoryEventStore") continue;

  Deno.test(`${name}.seekAge takes no time away for age when the clock was put back meanwhile`, () =>
    inFolder(async (folder) => {
      const clock = new FakeClock();
      const before = open(folder, clock);
      await append(before, [1]);
      await clock.pass(10_000);
      await append(before, [2]);
      await before.close();
      clock.jump(-400 * DAY);
      const store = open(folder, clock);
      assert.equal(await store.seekAge!("t", 5000), 2);
      await clock.pass(6000);
      assert.equal(await store.seekAge!("t", 5000), 3);
      // The clock is set right again.
      clock.jump(400 * DAY);
      await append(store, [3]);
      assert.equal(await store.seekAge!("t", 10_000), 2);
      await store.close();
    }));

  Deno.test(`${name} looks up given ids as long as before when the wall clock makes a step`, () =>
    inFolder(async (folder) => {
      const clock = new FakeClock();
      const store = open(folder, clock);
      const event = {
        id: "given",
        idGiven: true,
        type: "t",
        timestamp: 1,
        schemaVersion: "1.0",
        metadata: "{}",
        payload: new TextEncoder().encode("1"),
      };
      await store.append([{ topic: "t", events: [event] }]);
      clock.jump(3 * DAY);
      const [outcome] = await store.append([{ topic: "t", events: [event] }]);
      assert.deepEqual(outcome?.ok && outcome.duplicates, [{ index: 0, seq: 1 }]);
      await store.close();
    }));
}

Deno.test("SqliteEventStore.seekAge estimates the age of what an older format stored", () =>
  inFolder(async (folder) => {
    await unpackFixture("format-1", folder);
    // A day after the fixture was made.
    const clock = new FakeClock(1_795_547_290_000 + DAY);
    for (const _ of ["migrated", "opened again"]) {
      const store = new SqliteEventStore(`${folder}/events.db`, { clock });
      assert.equal(await store.seekAge("orders", DAY / 2), 43);
      assert.equal(await store.seekAge("orders", 2 * DAY), 1);
      await store.close();
    }
  }));

Deno.test("thinMarks keeps some hundreds of years of seconds, and makes nothing seem older", () => {
  const YEAR = 365 * DAY;
  let marks: { seq: number; at: number }[] = [];
  let most = 0;
  // Two marks an hour, thinned as they come.
  for (let at = 0, seq = 1; at < 10 * YEAR; at += DAY / 48, seq++) {
    marks.push({ seq, at });
    if (marks.length <= 640) continue;
    const thinned = thinMarks(marks, at);
    for (const mark of thinned) {
      const was = marks.find((one) => one.seq === mark.seq)!;
      assert.ok(mark.at >= was.at);
    }
    assert.ok(thinned.length < 600, `${thinned.length} of ${marks.length}`);
    most = Math.max(most, thinned.length);
    marks = thinned;
  }
  assert.ok(most > 100);
});

for (const name of ["MemoryEventStore", "SqliteEventStore"]) {
  Deno.test(`${name}.seekAge holds for a topic that got an event every two seconds for an hour`, () =>
    inFolder(async (folder) => {
      const clock = new FakeClock();
      const store = STORES[name]!(folder, clock);
      for (let i = 0; i < 1800; i++) {
        await append(store, [i]);
        clock.stand(2000);
      }
      for (const age of [3000, 60_000, 600_000, 3_000_000]) {
        const keep = (await store.seekAge!("t", age))!;
        const oldest = (1800 - keep + 1) * 2000;
        assert.ok(oldest + 2000 >= age && oldest <= age * 1.04 + 4000, `${oldest} of ${age}`);
      }
      await store.close();
      if (name === "MemoryEventStore") return;
      const database = new DatabaseSync(`${folder}/events.db`, { readOnly: true });
      const { n } = database.prepare("SELECT count(*) AS n FROM ages").get() as { n: number };
      database.close();
      assert.ok(n <= 640, `${n} rows for 1800 events`);
    }));
}
