/**
 * A topic whose scheduled events cannot be stored is tried again by itself: those of other topics
 * are published when they are due.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { CannotStoreError, EventBroker, MemoryEventStore } from "../../../mod.ts";
import { DueList, type ScheduledItem } from "../../../core/broker/due_list.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";

/** A store that refuses one topic for the time being. */
class RefusingStore extends MemoryEventStore {
  refused: string | undefined = "bad";
  /** When an append for it was tried. */
  readonly tries: number[] = [];
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    super({ clock });
    this.#clock = clock;
  }

  override append(...args: Parameters<MemoryEventStore["append"]>) {
    if (args[0].some(({ topic }) => topic === this.refused)) {
      this.tries.push(this.#clock.monotonic());
      throw new CannotStoreError("this topic takes nothing", { code: "store/busy" });
    }
    return super.append(...args);
  }
}

async function pass(clock: FakeClock, ms: number): Promise<void> {
  await clock.pass(ms);
  for (let i = 0; i < 20; i++) await settled();
}

Deno.test("EventBroker publishes the due events of other topics on time when those of one cannot be stored", async () => {
  const clock = new FakeClock();
  const eventStore = new RefusingStore(clock);
  const errors: unknown[] = [];
  const broker = new EventBroker({ clock, eventStore, onError: (error) => errors.push(error) });
  const later = (topic: string, id: string, delayMs: number) =>
    broker.publish(topic, "x", 1, { id, schedule: { delayMs } });
  const ids = async (topic: string) => (await eventStore.getEvents(topic)).map(({ id }) => id);

  await later("bad", "first", 1000);
  await later("bad", "second", 2500);
  for (let n = 1; n <= 40; n++) await later("good", `g-${n}`, 1001 + n * 1000);
  await pass(clock, 1001);
  assert.equal(eventStore.tries.length, 1);
  for (let n = 1; n <= 40; n++) {
    await pass(clock, 1000);
    await pass(clock, 0); // what a timer began while the clock was on its way
    assert.equal((await ids("good")).length, n, `number ${n} came on time`);
  }
  assert.equal(errors.length, 1, "told once");
  const waits = eventStore.tries.map((at, i) => at - (eventStore.tries[i - 1] ?? 0));
  assert.deepEqual(waits.slice(0, 5), [1000, 1000, 2000, 4000, 8000]);

  eventStore.refused = undefined;
  await pass(clock, 60_000);
  assert.deepEqual(await ids("bad"), ["first", "second"]);
  assert.equal((await broker.scheduledEvents()).total, 0);
  await broker.close();
});

Deno.test("EventBroker publishes the due events of other topics on time while one is being removed", async () => {
  const clock = new FakeClock();
  const removing = Promise.withResolvers<void>();
  class SlowStore extends MemoryEventStore {
    override async removeTopic(topic: string): Promise<void> {
      await removing.promise;
      await super.removeTopic(topic);
    }
  }
  const eventStore = new SlowStore({ clock });
  await using broker = new EventBroker({ clock, eventStore });
  // Before the broker is closed, which waits for it.
  using _ = { [Symbol.dispose]: () => removing.resolve() };
  const ids = async (topic: string) => (await eventStore.getEvents(topic)).map(({ id }) => id);
  for (const topic of ["bad", "good"]) {
    for (const n of [1, 2, 3]) {
      await broker.publish(topic, "x", 1, { id: `${n}`, schedule: { delayMs: n * 1000 } });
    }
  }
  await pass(clock, 1000);
  assert.deepEqual([await ids("bad"), await ids("good")], [["1"], ["1"]]);
  const removal = broker.topics.remove("bad");
  await pass(clock, 1000);
  await pass(clock, 0); // what a timer began while the clock was on its way
  assert.deepEqual(await ids("good"), ["1", "2"], "it came on time");
  await pass(clock, 1000);
  await pass(clock, 0);
  assert.deepEqual(await ids("good"), ["1", "2", "3"]);
  removing.resolve();
  await removal;
  await pass(clock, 60_000);
  assert.deepEqual(await ids("bad"), [], "what waited went with its topic");
  assert.equal((await broker.scheduledEvents()).total, 0);
});

Deno.test("EventBroker publishes what was due while somebody else had its topic alone, once that is over", async () => {
  const clock = new FakeClock();
  const eventStore = new MemoryEventStore({ clock });
  await using broker = new EventBroker({ clock, eventStore });
  await broker.publish("t", "x", 1, { id: "1", schedule: { delayMs: 1000 } });
  const { promise, resolve } = Promise.withResolvers<void>();
  broker.topics.locks.hold(["t"], promise);
  await pass(clock, 5000);
  assert.deepEqual(await eventStore.getEvents("t"), []);
  resolve();
  for (let turn = 0; turn < 5; turn++) await settled();
  await pass(clock, 0);
  assert.deepEqual((await eventStore.getEvents("t")).map(({ id }) => id), ["1"]);
});

Deno.test("EventBroker publishes the events of other topics that are due together with refused ones a moment later", async () => {
  const clock = new FakeClock();
  const eventStore = new RefusingStore(clock);
  const broker = new EventBroker({ clock, eventStore, onError: () => {} });
  const waiting = async () =>
    (await broker.scheduledEvents()).scheduled.map(({ topic }) => topic).sort();
  for (const topic of ["bad", "good", "fine"]) {
    await broker.publish(topic, "x", 1, { id: "a", schedule: { delayMs: 1000 } });
  }
  await pass(clock, 1000);
  assert.deepEqual(await waiting(), ["bad", "fine", "good"], "the store refused all of them");
  await pass(clock, 1000);
  assert.deepEqual(await waiting(), ["bad"]);
  const again = await broker.publish("good", "x", 1, { id: "a" });
  assert.equal(again.seq, 1, "it is stored, and does not wait any more");
  await broker.close();
});

Deno.test("DueList gives back all that was put into it, in order, when topics are put aside and taken from", () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("add" as const),
      topic: fc.constantFrom("a", "b", "c"),
      ms: fc.integer({ min: 0, max: 50 }),
      isDelay: fc.boolean(),
    }),
    fc.record({ kind: fc.constant("refuse" as const), topic: fc.constantFrom("a", "b", "c") }),
    fc.record({ kind: fc.constant("remove" as const), nth: fc.nat(20) }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 40 }) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const list = new DueList();
    const left = new Set<ScheduledItem>();
    const until = new Map<string, number>();
    let now = { wall: 1000, mono: 0 };
    let number = 0;
    const dueOf = (item: ScheduledItem) => item.dueMono ?? item.dueAt - 1000;
    for (const one of [...steps, { kind: "pass" as const, ms: 200 }]) {
      if (one.kind === "add") {
        const dueAt = now.wall + one.ms;
        const item: ScheduledItem = {
          number: ++number,
          topic: one.topic,
          id: `${number}`,
          type: "x",
          dueAt,
          acceptedAt: now.wall,
          afterSeq: 0,
          stamped: false,
          ...(one.isDelay ? { waitMs: one.ms, dueMono: now.mono + one.ms } : {}),
        };
        left.add(item);
        list.add(item);
      } else if (one.kind === "remove") {
        const item = [...left][one.nth];
        if (item === undefined) continue;
        left.delete(item);
        list.remove(item);
      } else if (one.kind === "refuse") {
        const due = list.take(now, Infinity);
        const refused = due.filter(({ topic }) => topic === one.topic);
        for (const item of due) if (item.topic !== one.topic) left.delete(item);
        list.putAside(one.topic, refused, now.mono + 30);
        if (refused.length > 0) until.set(one.topic, now.mono + 30);
      } else {
        now = { wall: now.wall + one.ms, mono: now.mono + one.ms };
        const isAside = (topic: string) => (until.get(topic) ?? 0) > now.mono;
        const due = list.take(now, Infinity);
        const wanted = [...left].filter((item) => dueOf(item) <= now.mono && !isAside(item.topic))
          .sort((a, b) => dueOf(a) - dueOf(b) || a.number - b.number);
        const reachable = due.filter(({ topic }) => !isAside(topic));
        assert.deepEqual(reachable.map(({ id }) => id), wanted.map(({ id }) => id));
        for (const item of due) left.delete(item);
        assert.equal(
          list.delays.length,
          [...left].filter(({ dueMono }) => dueMono !== undefined).length,
        );
      }
    }
    assert.equal(left.size, 0);
    assert.equal(list.left(now), Infinity);
  }));
});
