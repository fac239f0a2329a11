/**
 * Scheduled events are published once, when they are due: in order, over restarts, failures and
 * jumps of the clock, and are listed and cancelled until then.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  CannotStoreError,
  type Event,
  EventBroker,
  InvalidArgumentError,
  MemoryEventStore,
  NotFoundError,
  type PublishOptions,
} from "../../../mod.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import type { StateChange } from "../../../core/state/state.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { WatchedState } from "../../helpers/watched_state.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

interface Parts {
  clock: FakeClock;
  state: MemoryState;
  eventStore: MemoryEventStore;
  broker: EventBroker;
  errors: unknown[];
}

/** A broker on what an earlier one left behind; the clock of a new process begins at 0. */
function brokerOn(kept: Partial<Parts> = {}): Parts {
  const clock = kept.clock ?? new FakeClock();
  const state = kept.state ?? new MemoryState();
  const eventStore = kept.eventStore ?? new MemoryEventStore({ clock });
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const broker = new EventBroker({ clock, state, eventStore, onError });
  return { clock, state, eventStore, broker, errors };
}

/** The process is killed: nothing is closed, and its timers never fire again. */
function killed({ state, eventStore, clock }: Parts, { downMs = 0 } = {}): Partial<Parts> {
  return { state, eventStore, clock: new FakeClock(clock.now() + downMs) };
}

async function ids({ eventStore }: Pick<Parts, "eventStore">, topic = "t"): Promise<string[]> {
  return (await eventStore.getEvents(topic)).map(({ id }) => id);
}

async function later(
  { broker }: Pick<Parts, "broker">,
  id: string,
  schedule: PublishOptions["schedule"],
): Promise<Event> {
  return await broker.publish("t", "x", { id }, { id, schedule });
}

/** Lets the timers that are due fire and what they start come to its end. */
async function pass({ clock }: Pick<Parts, "clock">, ms: number): Promise<void> {
  await clock.pass(ms);
  for (let i = 0; i < 20; i++) await settled();
}

Deno.test("EventBroker publishes an event with a delay when it has passed, and not before", async () => {
  const parts = brokerOn();
  const { broker, clock } = parts;
  const begun = clock.now();
  const event = await broker.publish("t", "x", { n: 1 }, { key: "k", schedule: { delayMs: HOUR } });
  assert.equal(event.seq, undefined);
  assert.equal(event.timestamp, begun + HOUR, "when it is published");
  await pass(parts, HOUR - 1);
  assert.deepEqual(await ids(parts), []);
  await pass(parts, 1);
  const [stored, ...more] = await parts.eventStore.getEvents("t");
  assert.deepEqual(more, []);
  assert.equal(stored!.timestamp, begun + HOUR);
  assert.deepEqual(stored, { ...event, seq: 1, keySeq: 1, topic: "t" });
  assert.deepEqual(await broker.scheduledEvents(), { scheduled: [], total: 0 });
  await broker.close();
});

Deno.test("EventBroker publishes at a time that was named by the wall clock, corrected while it waits", async () => {
  const parts = brokerOn();
  const { broker, clock } = parts;
  const at = clock.now() + DAY;
  await later(parts, "number", { at });
  await later(parts, "date", { at: new Date(at + 1) });
  await later(parts, "text", { at: new Date(at + 2).toISOString() });
  clock.jump(DAY);
  await pass(parts, 60_002);
  assert.deepEqual(await ids(parts), ["number", "date", "text"]);
  await broker.close();
});

Deno.test("EventBroker keeps a delay whatever the wall clock does, also over a restart", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: -30 * DAY, max: 30 * DAY }),
      fc.integer({ min: 0, max: 9 }),
      fc.boolean(),
      async (jump, hours, isOrderly) => {
        const before = brokerOn();
        await later(before, "a", { delayMs: 10 * HOUR });
        before.clock.jump(jump);
        await pass(before, hours * HOUR);
        assert.deepEqual(await ids(before), []);
        // A kill may come before the clock was looked at, once a minute.
        if (!isOrderly) await pass(before, 60_000);
        else await before.broker.scheduled.close();
        const after = brokerOn(killed(before));
        await settled();
        const left = (10 - hours) * HOUR - (isOrderly ? 0 : 60_000);
        await pass(after, left - 2000);
        assert.deepEqual(await ids(after), []);
        await pass(after, 4000);
        assert.deepEqual(await ids(after), ["a"]);
        await after.broker.close();
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("EventBroker keeps a delay over a restart when a step of the clock could not be stored at first", async () => {
  const state = new WatchedState();
  const parts = brokerOn({ state });
  await later(parts, "a", { delayMs: HOUR });
  parts.clock.jump(-DAY);
  state.refuses = true;
  await pass(parts, 60_000);
  assert.ok(parts.errors.length > 0, "told");
  state.refuses = false;
  await pass(parts, 60_000);
  const after = brokerOn(killed(parts));
  await after.broker.ready;
  await pass(after, HOUR - 120_001);
  assert.deepEqual(await ids(after), []);
  await pass(after, 1);
  assert.deepEqual(await ids(after), ["a"]);
  await after.broker.close();
});

Deno.test("EventBroker puts a delay off by no more than itself when the clock was set back while it was down", async () => {
  const before = brokerOn();
  await later(before, "a", { delayMs: HOUR });
  const after = brokerOn(killed(before, { downMs: -30 * DAY }));
  await settled();
  await pass(after, HOUR);
  assert.deepEqual(await ids(after), ["a"]);
  await after.broker.close();
});

Deno.test("EventBroker publishes what was due while it was down at its start, in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.boolean()), {
        minLength: 1,
        maxLength: 600,
      }),
      async (events) => {
        const before = brokerOn();
        for (const [i, [hours, isNamed]] of events.entries()) {
          const ms = hours * 1000;
          await later(
            before,
            String(i),
            isNamed ? { at: before.clock.now() + ms } : { delayMs: ms },
          );
        }
        const after = brokerOn(killed(before, { downMs: HOUR }));
        await settled();
        await pass(after, 1);
        const wanted = events.map(([due], i) => ({ due, i }))
          .sort((a, b) => a.due - b.due || a.i - b.i).map(({ i }) => String(i));
        assert.deepEqual(await ids(after), wanted);
        await after.broker.close();
      },
    ),
    { numRuns: 20 },
  );
});

/** A state that forgets what is told of removed scheduled events: the process died before that. */
class Forgetful extends MemoryState {
  override commit(changes: readonly StateChange[]): Promise<void> {
    return super.commit(changes.filter(({ op }) => op !== "scheduled.remove"));
  }
}

for (
  const { down, name } of [{ down: 0, name: "at once" }, { down: 3 * DAY, name: "days later" }]
) {
  Deno.test(`EventBroker publishes once what it had published when it was killed, if it starts ${name}`, async () => {
    // By then the store has forgotten the ids.
    const eventStore = down === 0 ? undefined : new MemoryEventStore({ dedupWindow: 0 });
    const before = brokerOn({ state: new Forgetful(), eventStore });
    await later(before, "a", { delayMs: 1000 });
    // Without an id of the publisher's own, too.
    await before.broker.publish("t", "x", "b", { schedule: { delayMs: 1000 } });
    await before.broker.publish("t", "x", "c", { id: "c" });
    await pass(before, 1000);
    const published = await ids(before);
    assert.equal(published.length, 3);
    const after = brokerOn(killed(before, { downMs: down }));
    await settled();
    await pass(after, 1);
    assert.deepEqual(await ids(after), published);
    await after.broker.close();
  });
}

Deno.test("EventBroker stores an id once, whoever publishes it while it is scheduled", async () => {
  const parts = brokerOn();
  const { broker } = parts;
  const first = await later(parts, "a", { delayMs: HOUR });
  const again = await later(parts, "a", { delayMs: 2 * HOUR });
  assert.equal(again.timestamp, first.timestamp, "the first one counts");
  const now = await broker.publish("t", "x", 2, { id: "a" });
  assert.equal(now.seq, undefined, "it waits");
  const batch = await broker.publishBatch("t", [
    { type: "x", payload: 1, id: "b" },
    { type: "x", payload: 2, id: "a" },
    { type: "x", payload: 3 },
    { type: "x", payload: 4, id: "b" },
  ]);
  assert.deepEqual(batch.map(({ seq }) => seq), [1, undefined, 2, 1]);
  await assert.rejects(
    broker.publishBatch("t", [{ type: "x", payload: 1, id: "c" }, {
      type: "x",
      payload: 2,
      id: "a",
    }], { expected: 2 }),
    /expected seq 2/,
  );
  await pass(parts, DAY);
  assert.deepEqual((await ids(parts)).toSorted()[1], "a");
  assert.equal((await ids(parts)).length, 3);
  // Remembered from when it was published on.
  assert.equal((await later(parts, "a", { delayMs: HOUR })).seq, 3);
  await broker.close();
});

Deno.test("EventBroker accepts one of several that are scheduled with one id at once", async () => {
  const parts = brokerOn();
  const all = await Promise.all([1, 2, 3].map((n) => later(parts, "a", { delayMs: n * 1000 })));
  assert.equal(new Set(all.map(({ timestamp }) => timestamp)).size, 1);
  await pass(parts, 5000);
  assert.deepEqual(await ids(parts), ["a"]);
  await parts.broker.close();
});

Deno.test("EventBroker publishes at once when the time has passed, and when the delay is 0", async () => {
  const parts = brokerOn();
  const past = await later(parts, "past", { at: parts.clock.now() - 1 });
  assert.equal(past.seq, 1);
  assert.equal(past.timestamp, parts.clock.now());
  assert.equal((await later(parts, "none", { delayMs: 0 })).seq, 2);
  await parts.broker.close();
});

Deno.test("EventBroker.cancelScheduled cancels all that are named, or none, and their ids are free again", async () => {
  const parts = brokerOn();
  const { broker } = parts;
  for (const id of ["a", "b", "c"]) await later(parts, id, { delayMs: HOUR });
  await broker.publish("u", "x", 1, { id: "a", schedule: { delayMs: HOUR } });
  await assert.rejects(
    broker.cancelScheduled({ ids: ["a", "nobody"] }),
    (error) => error instanceof NotFoundError && error.code === "scheduled/not-found",
  );
  assert.deepEqual(await broker.cancelScheduled({ ids: ["a"], topic: "t" }), { count: 1 });
  assert.deepEqual(await broker.cancelScheduled({ ids: ["a", "c"] }), { count: 2 });
  const { scheduled } = await broker.scheduledEvents();
  assert.deepEqual(scheduled.map(({ id, topic }) => [topic, id]), [["t", "b"]]);
  assert.equal((await broker.publish("t", "x", 1, { id: "a" })).seq, 1);
  await pass(parts, 2 * HOUR);
  assert.deepEqual(await ids(parts), ["a", "b"]);
  const after = brokerOn(killed(parts));
  assert.equal((await after.broker.scheduledEvents()).total, 0);
  await broker.close();
  await after.broker.close();
});

Deno.test("EventBroker.cancelScheduled that is refused leaves the event to be published", async () => {
  const state = new WatchedState();
  const parts = brokerOn({ state });
  await later(parts, "a", { delayMs: 1000 });
  state.refuses = true;
  await assert.rejects(parts.broker.cancelScheduled({ ids: ["a"] }), CannotStoreError);
  state.refuses = false;
  await pass(parts, 1000);
  assert.deepEqual(await ids(parts), ["a"]);
  await parts.broker.close();
});

Deno.test("EventBroker.cancelScheduled does not name an event that is just being published", async () => {
  const clock = new FakeClock();
  const eventStore = new MemoryEventStore({ clock });
  const parts = brokerOn({ clock, eventStore });
  await later(parts, "a", { delayMs: 1000 });
  const append = eventStore.append.bind(eventStore);
  const gate = Promise.withResolvers<void>();
  eventStore.append = async (...args) => {
    await gate.promise;
    return await append(...args);
  };
  await pass(parts, 1000);
  await assert.rejects(parts.broker.cancelScheduled({ ids: ["a"] }), NotFoundError);
  gate.resolve();
  await pass(parts, 0);
  assert.deepEqual(await ids(parts), ["a"]);
  await parts.broker.close();
});

Deno.test("EventBroker.scheduledEvents lists by when they are due, in pages", async () => {
  const parts = brokerOn();
  const { broker, clock } = parts;
  const accepted = clock.now();
  for (let i = 0; i < 25; i++) {
    const delayMs = 1000 * (25 - i);
    await later(parts, `e${i}`, i % 2 ? { delayMs } : { at: accepted + delayMs });
  }
  await broker.publish("u", "y", 1, { id: "e24", key: "k", schedule: { delayMs: 500 } });
  const found: string[] = [];
  let after: string | undefined;
  do {
    const page = await broker.scheduledEvents({ topic: "t", limit: 7, after });
    assert.equal(page.total, 25);
    found.push(...page.scheduled.map(({ id }) => id));
    after = page.next;
  } while (after !== undefined);
  assert.deepEqual(found, Array.from({ length: 25 }, (_, i) => `e${24 - i}`));
  const { scheduled: [first] } = await broker.scheduledEvents({ limit: 1 });
  assert.deepEqual(first, {
    topic: "u",
    id: "e24",
    type: "y",
    key: "k",
    dueAt: accepted + 500,
    delayMs: 500,
    acceptedAt: accepted,
  });
  for (const page of [{ limit: 0 }, { after: "x" }]) {
    await assert.rejects(broker.scheduledEvents(page), InvalidArgumentError);
  }
  await broker.close();
});

Deno.test("EventBroker tries again when a due event cannot be stored, and reports that once", async () => {
  const state = new WatchedState();
  const parts = brokerOn({ state });
  await later(parts, "a", { delayMs: 1000 });
  state.refuses = true;
  await pass(parts, 10_000);
  assert.equal(parts.errors.length, 1, String(parts.errors));
  assert.deepEqual(await ids(parts), ["a"], "only its row could not be removed");
  state.refuses = false;
  await pass(parts, 60_000);
  assert.deepEqual(await ids(parts), ["a"]);
  assert.equal((await parts.broker.scheduledEvents()).total, 0);
  await parts.broker.close();
});

Deno.test("EventBroker publishes a scheduled event of a topic that stores nothing to those who are there", async () => {
  const parts = brokerOn();
  const { broker } = parts;
  broker.createTopic("live", { persistent: false });
  const got: unknown[] = [];
  broker.subscribe("live", (event) => void got.push(event.payload));
  await broker.publish("live", "x", 7, { schedule: { delayMs: 10 } });
  assert.deepEqual(got, []);
  await pass(parts, 10);
  assert.deepEqual(got, [7]);
  await broker.close();
});

Deno.test("EventBroker publishes a scheduled event of a topic that stores nothing once at most, after its row is gone", async () => {
  const state = new WatchedState();
  let parts = brokerOn({ state });
  const got: unknown[] = [];
  const live = ({ broker }: Parts) => {
    broker.createTopic("live", { persistent: false });
    broker.subscribe("live", (event) => void got.push(event.payload));
  };
  live(parts);
  await parts.broker.publish("live", "x", 7, { schedule: { delayMs: 10 } });
  state.refuses = true;
  await pass(parts, 10);
  assert.deepEqual(got, [], "after a restart it would come again");
  state.refuses = false;
  await pass(parts, 60_000);
  assert.deepEqual([got, state.load().scheduled], [[7], []]);
  parts = brokerOn(killed(parts));
  live(parts);
  await pass(parts, 60_000);
  assert.deepEqual(got, [7]);
  await parts.broker.close();
});

Deno.test("EventBroker forgets the scheduled events of a topic that is removed", async () => {
  const parts = brokerOn();
  const { broker } = parts;
  await later(parts, "a", { delayMs: 1000 });
  await broker.topics.remove("t");
  assert.equal((await broker.scheduledEvents()).total, 0);
  await pass(parts, 5000);
  assert.equal(broker.getTopic("t"), undefined);
  await broker.close();
});

Deno.test("EventBroker.publish refuses a schedule that it cannot keep, and says what it takes", async () => {
  const { broker } = brokerOn();
  const bad: unknown[] = [
    5,
    null,
    "10m",
    {},
    { delayMs: 1, at: 1 },
    { delayMs: -1 },
    { delayMs: NaN },
    { delayMs: "1" },
    { delayMs: 1e15 },
    { at: "tomorrow" },
    { at: "2031-01-01T10:00" },
    { at: new Date(NaN) },
    { at: 1e16 },
    { in: 5 },
  ];
  for (const schedule of bad) {
    await assert.rejects(
      broker.publish("t", "x", 1, { schedule } as PublishOptions),
      InvalidArgumentError,
      JSON.stringify(schedule),
    );
  }
  await assert.rejects(
    broker.publish("t", "x", 1, { schedule: { delayMs: 5 }, expected: "none" }),
    /expected does not go with schedule/,
  );
  await assert.rejects(
    broker.publishBatch("t", [{ type: "x", payload: 1, schedule: { delayMs: 5 } } as never]),
    /schedule goes with one event/,
  );
  await broker.registerSchema("x", { type: "object" });
  await assert.rejects(
    broker.publish("t", "x", 1, { schedule: { delayMs: 5 } }),
    /does not follow the schema/,
  );
  assert.equal((await broker.scheduledEvents()).total, 0);
  await broker.close();
});

Deno.test("publishAll stores nothing when one of its ids is scheduled", async () => {
  const parts = brokerOn();
  await using _broker = parts.broker;
  await later(parts, "s-1", { delayMs: HOUR });
  await assert.rejects(
    parts.broker.publishAll([
      { topic: "u", type: "x", payload: 1 },
      { topic: "t", type: "x", payload: 2, id: "s-1" },
    ]),
    (error: Error & { details?: { ids?: string[] } }) => {
      assert.equal(error.name, "ConflictError");
      assert.deepEqual(error.details?.ids, ["s-1"]);
      return true;
    },
  );
  assert.deepEqual([await ids(parts), await ids(parts, "u")], [[], []]);
});

Deno.test("EventBroker publishes what is soon due after a look that found nothing", async () => {
  for (const cancelled of [true, false]) {
    const parts = brokerOn();
    await using _broker = parts.broker;
    await later(parts, "long", { delayMs: 10 * HOUR });
    if (cancelled) await parts.broker.cancelScheduled({ ids: ["long"] });
    await pass(parts, 61_000);
    await pass(parts, 61_000);
    await later(parts, "soon", { delayMs: 1000 });
    await pass(parts, 999);
    assert.deepEqual(await ids(parts), []);
    await pass(parts, 1);
    assert.deepEqual(await ids(parts), ["soon"]);
  }
});

Deno.test("publishAll refuses an event that is to be published later", async () => {
  const parts = brokerOn();
  await using _broker = parts.broker;
  const message = { topic: "t", type: "x", payload: 1, schedule: { delayMs: HOUR } };
  await assert.rejects(parts.broker.publishAll([message]), InvalidArgumentError);
  assert.deepEqual(await ids(parts), []);
});
