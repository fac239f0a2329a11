/**
 * Events with a time to live: delivered until it is over, then skipped and counted, also as
 * retries, over restarts and whatever the wall clock does. Their own dead letters do not expire.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import {
  type Event,
  EventBroker,
  InvalidArgumentError,
  MemoryEventStore,
  type PublishOptions,
} from "../../../mod.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { catalogNodes } from "../../helpers/catalog_nodes.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { SharedMemory } from "../../helpers/shared_catalog_state.ts";
import { WatchedState } from "../../helpers/watched_state.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const CONSUMER = { consumer: "c" };

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

/** The process is killed: nothing is closed. The next one begins with the clock so much later. */
function killed({ state, eventStore, clock }: Parts, laterMs: number): Partial<Parts> {
  return { state, eventStore, clock: new FakeClock(clock.now() + laterMs) };
}

/** A named subscription that was there before the events, and has no consumer yet. */
async function subscribed({ broker }: Parts, name = "s"): Promise<void> {
  await broker.subscriptions.put(name, { topic: "t", settings: { maxRetries: 1 } });
}

async function publish({ broker }: Parts, id: string, options: PublishOptions = {}) {
  return await broker.publish("t", "x", { id }, { id, ...options });
}

/** Leases what can be delivered now; durable what was settled instead. */
async function lease({ broker }: Parts, max = 1000) {
  const { deliveries } = await broker.subscriptions.lease("s", { max }, CONSUMER);
  await settled();
  return deliveries.map((one) => ({ id: one.entry.id, lease: one.token }));
}

async function ids(parts: Parts): Promise<string[]> {
  return (await lease(parts)).map(({ id }) => id);
}

async function ack({ broker }: Parts, leases: readonly { lease: string }[]): Promise<void> {
  await broker.subscriptions.ack("s", leases.map(({ lease }) => lease));
}

/** Ends all leases, as if their consumers had gone. */
function giveBack({ broker }: Parts): void {
  const driver = broker.subscriptions.require("s");
  driver.release([...driver.queue.ready.leases.values()].map(({ token }) => token));
}

async function expired({ broker }: Parts): Promise<number> {
  const { expired } = await broker.subscriptions.info("s");
  return expired.reduce((sum, { count }) => sum + count, 0);
}

Deno.test("EventBroker delivers an event until its time to live is over, and then counts it", async () => {
  const parts = brokerOn();
  const { broker, clock } = parts;
  await subscribed(parts);
  const short = await publish(parts, "short", { ttlMs: MINUTE });
  assert.equal(short.expiresAt, clock.now() + MINUTE);
  assert.deepEqual(short.metadata, {});
  await publish(parts, "long", { ttlMs: HOUR });
  await publish(parts, "unending");
  await clock.pass(MINUTE - 1);
  assert.deepEqual(await ids(parts), ["short", "long", "unending"]);
  assert.equal(await expired(parts), 0);
  giveBack(parts);
  await clock.pass(1);
  const left = await lease(parts);
  assert.deepEqual(left.map(({ id }) => id), ["long", "unending"]);
  assert.equal(await expired(parts), 1);
  await ack(parts, left);
  assert.deepEqual((await broker.subscriptions.info("s")).cursors, [
    { topic: "t", next: 4, lastSeq: 3, lag: 0 },
  ]);
  assert.equal(broker.expiry.expired, 1);
  const [stored, , last] = await parts.eventStore.getEvents("t");
  assert.deepEqual(
    [stored!.id, stored!.expiresAt],
    ["short", short.expiresAt],
    "still in the topic",
  );
  assert.ok(!("expiresAt" in last!));
  await broker.close();
});

Deno.test("EventBroker delivers at once what stands behind many expired events", async () => {
  const parts = brokerOn();
  await subscribed(parts);
  const message = (n: number) => ({ type: "x", payload: n, ttlMs: MINUTE, key: `k${n % 7}` });
  for (let i = 0; i < 6; i++) {
    await parts.broker.publishBatch("t", Array.from({ length: 2000 }, (_, n) => message(n)));
  }
  await publish(parts, "last", { key: "k3" });
  await parts.clock.pass(HOUR);
  assert.deepEqual((await lease(parts, 1)).map(({ id }) => id), ["last"]);
  assert.equal(await expired(parts), 12_000);
  await parts.broker.close();
});

Deno.test("EventBroker answers untilEmpty when all that was left has expired", async () => {
  const parts = brokerOn();
  await subscribed(parts);
  await publish(parts, "a", { ttlMs: MINUTE });
  await parts.clock.pass(MINUTE);
  const reply = await parts.broker.subscriptions.lease("s", {
    waitMs: HOUR,
    untilEmpty: true,
  }, CONSUMER);
  assert.deepEqual(reply.deliveries, []);
  assert.equal((await parts.broker.subscriptions.info("s")).pending, 0);
  await parts.broker.close();
});

Deno.test("EventBroker settles a retry as expired when it is due too late, without a dead letter", async () => {
  const parts = brokerOn();
  const { broker, clock } = parts;
  await subscribed(parts);
  await publish(parts, "a", { ttlMs: HOUR });
  const nack = async (afterMs: number) => {
    const [one] = await lease(parts);
    await broker.subscriptions.nack("s", [{ lease: one!.lease, error: "no", afterMs }]);
  };
  await nack(2 * HOUR);
  assert.equal((await broker.subscriptions.info("s")).scheduled, 1);
  await clock.pass(2 * HOUR);
  assert.deepEqual(await ids(parts), []);
  const { scheduled, dead, pending } = await broker.subscriptions.info("s");
  assert.deepEqual([scheduled, dead, pending, await expired(parts)], [0, 0, 0, 1]);
  await broker.close();
});

Deno.test("EventBroker delivers a dead letter that is retried after its time to live", async () => {
  const parts = brokerOn();
  const { broker, clock } = parts;
  await subscribed(parts);
  await publish(parts, "a", { ttlMs: MINUTE });
  const [first] = await lease(parts);
  await broker.subscriptions.nack("s", [{ lease: first!.lease, error: "no", dead: true }]);
  await clock.pass(DAY);
  assert.equal(await broker.retryDeadLetter("a"), true);
  const [second] = await lease(parts);
  assert.equal(second?.id, "a");
  await broker.subscriptions.nack("s", [{ lease: second!.lease, error: "no", afterMs: DAY }]);
  await clock.pass(DAY);
  assert.deepEqual(await ids(parts), ["a"], "nor do its own retries expire");
  assert.equal(await expired(parts), 0);
  await broker.close();
});

Deno.test("EventBroker keeps times to live through jumps of the clock and kills", async () => {
  let parts = brokerOn();
  await subscribed(parts);
  await publish(parts, "a", { ttlMs: HOUR });
  parts.clock.jump(DAY);
  assert.deepEqual(await ids(parts), ["a"], "a clock set forward ends nothing");
  giveBack(parts);
  await publish(parts, "b", { ttlMs: HOUR });
  parts.clock.jump(-2 * DAY);
  await publish(parts, "c", { ttlMs: 2 * HOUR });
  await parts.clock.pass(HOUR);
  assert.deepEqual(await ids(parts), ["c"], "a clock set back keeps nothing longer");
  assert.equal(await expired(parts), 2);

  // The next process finds a clock that is a month behind.
  parts = brokerOn(killed(parts, -30 * DAY));
  await parts.broker.ready;
  assert.deepEqual(await ids(parts), ["c"]);
  assert.equal(await expired(parts), 2, "the count is durable");
  giveBack(parts);
  await parts.clock.pass(HOUR + MINUTE);
  assert.deepEqual(await ids(parts), [], "it does not live for a month more");
  assert.equal(await expired(parts), 3);
  await parts.broker.close();
});

Deno.test("EventBroker counts an expired event once when its outcome cannot be stored at first", async () => {
  const state = new WatchedState();
  const parts = brokerOn({ state });
  await subscribed(parts);
  await publish(parts, "a", { ttlMs: MINUTE });
  await publish(parts, "b");
  await parts.clock.pass(MINUTE);
  state.refuses = true;
  assert.deepEqual(await ids(parts), ["b"]);
  assert.equal(await expired(parts), 0);
  assert.ok(parts.errors.length > 0, "told");
  state.refuses = false;
  await parts.clock.pass(HOUR);
  assert.deepEqual(await ids(parts), ["b"], "the lease ran out, and nobody gets a");
  assert.equal(await expired(parts), 1);
  await parts.broker.close();
});

Deno.test("EventBroker counts a time to live from when a scheduled event is due", async () => {
  const parts = brokerOn();
  const { broker, clock } = parts;
  await subscribed(parts);
  const later = await publish(parts, "a", { ttlMs: MINUTE, schedule: { delayMs: HOUR } });
  assert.equal(later.expiresAt, undefined);
  const past = await publish(parts, "b", { ttlMs: MINUTE, schedule: { at: 0 } });
  assert.equal(past.expiresAt, clock.now() + MINUTE);
  await clock.pass(HOUR);
  for (let i = 0; i < 20; i++) await settled();
  const [b, a] = await parts.eventStore.getEvents("t");
  assert.deepEqual([b!.id, a!.id], ["b", "a"]);
  assert.equal(a!.expiresAt, clock.now() + MINUTE);
  assert.deepEqual(await ids(parts), ["a"]);
  await broker.close();
});

Deno.test("EventBroker gives each event of a group its own time to live", async () => {
  const parts = brokerOn();
  const { broker, clock } = parts;
  const now = clock.now();
  const batch = await broker.publishBatch("t", [
    { type: "x", payload: 1, ttlMs: 1 },
    { type: "x", payload: 2 },
  ]);
  assert.deepEqual(batch.map(({ expiresAt }) => expiresAt), [now + 1, undefined]);
  const group = await broker.publishAll([
    { topic: "t", type: "x", payload: 3, ttlMs: 100 * YEAR },
    { topic: "u", type: "x", payload: 4, ttlMs: 7, expected: "none" },
  ]);
  assert.deepEqual(group.map(({ expiresAt }) => expiresAt), [now + 100 * YEAR, now + 7]);
  const [stored] = await parts.eventStore.getEvents("u");
  assert.deepEqual(stored, group[1]);
  await broker.close();
});

Deno.test("EventBroker refuses a time to live that is none, and stores nothing", async () => {
  const { broker, eventStore } = brokerOn();
  for (const ttlMs of [0, -1, 1.5, NaN, Infinity, 100 * YEAR + 1, "1h", null]) {
    for (
      const attempt of [
        () => broker.publish("t", "x", 1, { ttlMs } as PublishOptions),
        () => broker.publishAll([{ topic: "t", type: "x", payload: 1, ttlMs: ttlMs as number }]),
      ]
    ) {
      await assert.rejects(attempt, (error: unknown) => {
        assert.ok(error instanceof InvalidArgumentError);
        assert.match(
          error.message,
          /ttlMs is a whole number of milliseconds from 1 to 3153600000000/,
        );
        assert.equal(error.details?.["field"], "ttlMs");
        return true;
      });
    }
  }
  assert.deepEqual(await eventStore.getEvents("t"), []);
  await broker.close();
});

Deno.test("EventBroker drops an event of a topic that stores nothing when its time to live is over", async () => {
  const parts = brokerOn();
  parts.broker.createTopic("t", { persistent: false });
  await subscribed(parts);
  await publish(parts, "a", { ttlMs: MINUTE });
  await publish(parts, "b");
  await parts.clock.pass(MINUTE);
  assert.deepEqual(await ids(parts), ["b"]);
  assert.equal(await expired(parts), 1);
  await parts.broker.close();
});

Deno.test("a handler gets expiresAt, and no event that has expired", async () => {
  const parts = brokerOn();
  const { broker, clock } = parts;
  await subscribed(parts);
  await publish(parts, "a", { ttlMs: MINUTE });
  await publish(parts, "b", { ttlMs: HOUR });
  await clock.pass(MINUTE);
  const got: Event[] = [];
  broker.subscribe("t", (event) => void got.push(event), { name: "s" });
  await broker.idle();
  assert.deepEqual(got.map(({ id }) => id), ["b"]);
  assert.equal(got[0]!.expiresAt, clock.now() - MINUTE + HOUR);
  await broker.close();
});

Deno.test("EventBroker delivers every event that has not expired when its turn comes, and counts the others", async () => {
  const step = fc.oneof(
    fc.record({
      publish: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
      key: fc.option(fc.constantFrom("k", "l"), { nil: undefined }),
    }),
    fc.record({ pass: fc.integer({ min: 1, max: 30 }) }),
    // Steps below a second, also of several jumps together, are taken for drift.
    fc.record({ jump: fc.integer({ min: -43_200, max: 43_200 }).map((n) => n * 2000) }),
    fc.record({ lease: fc.integer({ min: 1, max: 3 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const parts = brokerOn();
      await subscribed(parts);
      let time = 0;
      const ends: number[] = [];
      const got = new Set<string>();
      for (const step of steps) {
        if ("pass" in step) {
          await parts.clock.pass(step.pass);
          time += step.pass;
        } else if ("jump" in step) parts.clock.jump(step.jump);
        else if ("lease" in step) {
          const leases = await lease(parts, step.lease);
          for (const { id } of leases) {
            assert.ok(ends[Number(id)]! > time, `${id} has expired`);
            got.add(id);
          }
          await ack(parts, leases);
        } else {
          const ttlMs = step.publish;
          await publish(parts, String(ends.length), { ttlMs, key: step.key });
          ends.push(ttlMs === undefined ? Infinity : time + ttlMs);
        }
      }
      for (let leases = await lease(parts); leases.length > 0; leases = await lease(parts)) {
        for (const { id } of leases) {
          assert.ok(ends[Number(id)]! > time, `${id} has expired`);
          got.add(id);
        }
        await ack(parts, leases);
      }
      await settled();
      assert.equal(got.size + await expired(parts), ends.length);
      for (const [i, end] of ends.entries()) if (end > time) assert.ok(got.has(String(i)));
      assert.deepEqual(parts.errors, []);
      await parts.broker.close();
    }),
    { numRuns: 100 },
  );
});

Deno.test("a handler does not get what expires while it is busy with an earlier event", async () => {
  const parts = brokerOn();
  const { broker, clock } = parts;
  await subscribed(parts);
  for (const id of ["a", "b", "c"]) {
    await publish(parts, id, id === "b" ? { ttlMs: MINUTE } : {});
  }
  const got: string[] = [];
  broker.subscribe("t", async ({ id }) => {
    got.push(id);
    if (id === "a") await clock.pass(MINUTE);
  }, { name: "s" });
  await broker.idle();
  assert.deepEqual(got, ["a", "c"]);
  assert.equal(await expired(parts), 1);
  await broker.close();
});

Deno.test("EventBroker stores no clock for events to expire by where nodes share the state", async () => {
  await using test = await catalogNodes();
  const { a, shared } = test;
  await a.publish("t", "x", 1, { ttlMs: MINUTE });
  assert.equal(shared.rows().expiryClock, undefined, "its own clock may be wrong for a moment");
  const alone = brokerOn();
  await publish(alone, "x", { ttlMs: MINUTE });
  assert.ok(alone.state.load().expiryClock, "that of the only process is stored");
});

Deno.test("EventBroker expires no events by a clock that was stored before nodes shared the state", async () => {
  await using test = await catalogNodes(1);
  const { a, shared, make, brokers } = test;
  const record = { skew: HOUR, newest: 0 };
  await shared.store([{ op: "expiry.clock", record }]);
  const later = make();
  brokers.push(later);
  await later.ready;
  assert.ok(Math.abs(later.expiry.now() - a.expiry.now()) < MINUTE, "all expire by the database's");
  const state = new MemoryState();
  await state.commit([{ op: "expiry.clock", record }]);
  const alone = brokerOn({ state });
  assert.equal(alone.broker.expiry.now() - alone.clock.now(), HOUR, "the only process goes by it");
  await alone.broker.close();
});

Deno.test("EventBroker stores its clock in a state of nodes that has none of its events", async () => {
  const shared = new SharedMemory();
  const parts = brokerOn({ state: shared.node() as MemoryState });
  await publish(parts, "x", { ttlMs: MINUTE });
  assert.ok(shared.rows().expiryClock, "nobody shares it");
  await parts.broker.close();
});
