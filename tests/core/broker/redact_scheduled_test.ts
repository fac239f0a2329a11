/**
 * A scheduled event is redacted where it waits: it is published without its content when it is due,
 * and no subscription gets it, whatever is interrupted.
 */
import assert from "node:assert/strict";
import { CannotStoreError, type Event, EventBroker, MemoryEventStore } from "../../../mod.ts";
import { redactionOf } from "../../../core/event/redaction.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { SqliteState } from "../../../core/state/sqlite.ts";
import type { State, StateChange } from "../../../core/state/state.ts";
import { until } from "../../helpers/evs.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { filesWith } from "../../helpers/leftovers.ts";
import { inFolder } from "../../helpers/start.ts";

const SECRET = "correct-horse-battery-staple";
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const REASON = { reason: "a password", by: "anna" };

interface Parts {
  clock: FakeClock;
  state: State;
  eventStore: MemoryEventStore;
  broker: EventBroker;
  /** What the subscription `s` got. */
  got: unknown[];
  errors: unknown[];
}

/** A broker on what an earlier one left behind, with a subscription to `t`. */
async function brokerOn(kept: Partial<Parts> = {}): Promise<Parts> {
  const clock = kept.clock ?? new FakeClock();
  const state = kept.state ?? new MemoryState();
  const eventStore = kept.eventStore ?? new MemoryEventStore({ clock });
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const broker = new EventBroker({ clock, state, eventStore, onError });
  const got: unknown[] = [];
  const handler = ({ id }: Event) => void got.push(id);
  await broker.subscribe("t", handler, { name: "s", from: "start" }).ready;
  return { clock, state, eventStore, broker, got, errors };
}

/** The process is killed: nothing is closed, and its timers never fire again. */
function killed({ state, eventStore, clock }: Parts, { downMs = 0 } = {}): Partial<Parts> {
  return { state, eventStore, clock: new FakeClock(clock.now() + downMs) };
}

/** Schedules the secret, as event `a`, in an hour. */
async function scheduleSecret({ broker }: Parts): Promise<void> {
  const options = { id: "a", key: `key-${SECRET}`, metadata: { note: SECRET } };
  await broker.publish("t", "x", { password: SECRET }, { ...options, schedule: { delayMs: HOUR } });
}

/** Lets the timers that are due fire and what they start come to its end. */
async function pass({ clock }: Parts, ms: number): Promise<void> {
  await clock.pass(ms);
  for (let i = 0; i < 20; i++) await settled();
}

/** The events of the topic: the redacted one and one behind it. */
async function assertPublished(parts: Parts, secretAt = 1): Promise<void> {
  const { broker, eventStore, got } = parts;
  await until(async () => (await broker.scheduledEvents()).total === 0);
  await broker.publish("t", "x", "behind", { id: "b" });
  await broker.idle();
  const events = await eventStore.getEvents("t");
  assert.deepEqual(events.map(({ id }) => id), ["a", "b"]);
  const [event] = events;
  const { at: _at, ...redaction } = redactionOf(event!)!;
  assert.deepEqual(redaction, REASON);
  assert.match(event!.key!, /^redacted:/);
  assert.deepEqual([event!.seq, event!.type, event!.payload], [secretAt, "x", null]);
  assert.deepEqual(got, ["b"]);
  assert.equal((await broker.scheduledEvents()).total, 0);
  const again = await broker.redact("t", event!.seq!);
  assert.deepEqual([again.created, again.by], [false, "anna"]);
  await broker.subscribe("t", ({ id }) => void got.push(id), { name: "later", from: "start" })
    .ready;
  await broker.idle();
  assert.deepEqual(got, ["b", "b"]);
}

Deno.test("broker.redact replaces a scheduled event where it waits, and its id stays known", () =>
  inFolder(async (folder) => {
    const parts = await brokerOn({ state: new SqliteState(`${folder}/state.db`) });
    const { broker } = parts;
    await scheduleSecret(parts);
    assert.notDeepEqual(filesWith(folder, [SECRET]), []);
    const reply = await broker.redact("t", "a", REASON);
    const expected = { topic: "t", seq: 0, id: "a", at: parts.clock.now(), ...REASON };
    assert.deepEqual(reply, { ...expected, created: true, deadLetters: 0, undelivered: 0 });
    assert.deepEqual(filesWith(folder, [SECRET]), []);
    const { scheduled: [info] } = await broker.scheduledEvents();
    assert.deepEqual([info!.id, info!.redacted], ["a", true]);
    assert.match(info!.key!, /^redacted:/);
    assert.deepEqual(await broker.redact("t", "a"), { ...reply, created: false });
    await scheduleSecret(parts);
    assert.deepEqual(filesWith(folder, [SECRET]), [], "a publisher that tries again is a repeat");
    assert.equal((await broker.scheduledEvents()).total, 1);
    await broker.close();
    assert.deepEqual(filesWith(folder, [SECRET]), []);
  }));

Deno.test("EventBroker publishes a redacted scheduled event when it is due, and delivers it to nobody", async () => {
  const parts = await brokerOn();
  await scheduleSecret(parts);
  await parts.broker.redact("t", "a", REASON);
  await pass(parts, HOUR - 1);
  assert.equal(parts.eventStore.head("t").lastSeq, 0);
  await pass(parts, 1);
  await assertPublished(parts);
  await parts.broker.close();
});

Deno.test("EventBroker delivers a redacted scheduled event to nobody after a restart", async () => {
  const before = await brokerOn();
  await scheduleSecret(before);
  await before.broker.redact("t", "a", REASON);
  const after = await brokerOn(killed(before, { downMs: 2 * HOUR }));
  await settled();
  await pass(after, 1);
  await assertPublished(after);
  await after.broker.close();
});

/** A state whose process dies when it is told that a scheduled event was published. */
class Dying extends MemoryState {
  override commit(changes: readonly StateChange[]): Promise<void> {
    if (changes.some(({ op }) => op === "scheduled.remove")) return new Promise(() => {});
    return super.commit(changes);
  }
}

/** The same state in a new process. */
async function revived(state: MemoryState): Promise<MemoryState> {
  Object.setPrototypeOf(state, MemoryState.prototype);
  return await Promise.resolve(state);
}

for (const [name, downMs] of [["at once", 0], ["days later", 3 * DAY]] as const) {
  Deno.test(`EventBroker delivers a redacted event to nobody that it had published when it was killed, if it starts ${name}`, async () => {
    // By then the store has forgotten the ids.
    const eventStore = downMs === 0 ? undefined : new MemoryEventStore({ dedupWindow: 0 });
    const state = new Dying();
    const before = await brokerOn({ state, ...(eventStore ? { eventStore } : {}) });
    await scheduleSecret(before);
    await before.broker.redact("t", "a", REASON);
    await pass(before, HOUR);
    assert.equal(before.eventStore.head("t").lastSeq, 1);
    assert.deepEqual(before.got, []);
    const kept = killed(before, { downMs });
    const after = await brokerOn({ ...kept, state: await revived(state) });
    await settled();
    await pass(after, 1);
    await assertPublished(after);
    assert.deepEqual(await after.broker.scheduledEvents(), { scheduled: [], total: 0 });
    await after.broker.close();
  });
}

Deno.test("broker.redact finds a scheduled event that is being published, however far that is", async () => {
  for (let steps = 0; steps < 40; steps++) {
    const parts = await brokerOn();
    const { broker, clock, eventStore } = parts;
    await scheduleSecret(parts);
    const passed = clock.pass(HOUR);
    for (let i = 0; i < steps; i++) await Promise.resolve();
    const reply = await broker.redact("t", "a", REASON);
    assert.equal(reply.created, true);
    await passed;
    await pass(parts, 1);
    const [event, ...more] = await eventStore.getEvents("t");
    assert.deepEqual([more.length, redactionOf(event!)?.by], [0, "anna"]);
    assert.equal((await broker.redact("t", 1)).created, false);
    await broker.close();
  }
});

/** A state whose files somebody reads. */
class Busy extends MemoryState {
  isBusy = true;
  scrub(): Promise<void> {
    return this.isBusy ? Promise.reject(new CannotStoreError("busy")) : Promise.resolve();
  }
}

for (const published of [false, true]) {
  Deno.test(`broker.redact finishes the redaction of a scheduled event when it is asked again${published ? ", also after it was published" : ""}`, async () => {
    const state = new Busy();
    const parts = await brokerOn({ state });
    const { broker } = parts;
    await scheduleSecret(parts);
    await assert.rejects(broker.redact("t", "a", REASON), CannotStoreError);
    assert.deepEqual(broker.redactor.unfinished.map(({ seq, id }) => [seq, id]), [[0, "a"]]);
    if (published) await pass(parts, HOUR);
    await assert.rejects(broker.redact("t", "a", REASON), CannotStoreError);
    state.isBusy = false;
    const { created, seq } = await broker.redact("t", "a");
    assert.deepEqual([created, seq], [!published, published ? 1 : 0]);
    assert.deepEqual(broker.redactor.unfinished, []);
    if (!published) await pass(parts, HOUR);
    await assertPublished(parts);
    await broker.close();
  });
}

Deno.test("EventBroker finishes the redaction of a scheduled event at its start", async () => {
  const state = new Busy();
  const before = await brokerOn({ state });
  await scheduleSecret(before);
  await assert.rejects(before.broker.redact("t", "a", REASON), CannotStoreError);
  state.isBusy = false;
  const after = await brokerOn(killed(before));
  await after.broker.ready;
  assert.deepEqual(after.broker.redactor.unfinished, []);
  await pass(after, HOUR);
  await assertPublished(after);
  await after.broker.close();
});

Deno.test("broker.redact changes nothing when the state has no room for it", async () => {
  const full = new CannotStoreError("the disk is full");
  const state = new MemoryState();
  const parts = await brokerOn({ state });
  await scheduleSecret(parts);
  state.commit = () => Promise.reject(full);
  await assert.rejects(parts.broker.redact("t", "a"), full);
  Reflect.deleteProperty(state, "commit");
  assert.equal((await parts.broker.scheduledEvents()).scheduled[0]!.redacted, undefined);
  await pass(parts, HOUR);
  await parts.broker.idle();
  assert.deepEqual(parts.got, ["a"]);
  await parts.broker.close();
});

Deno.test("EventBroker passes on no redacted scheduled event of a topic that stores nothing", async () => {
  const parts = await brokerOn();
  const { broker } = parts;
  await broker.createTopic("m", { persistent: false });
  const got: unknown[] = [];
  await broker.subscribe("m", ({ id }) => void got.push(id)).ready;
  for (const id of ["a", "b"]) {
    await broker.publish("m", "x", SECRET, { id, schedule: { delayMs: HOUR } });
  }
  assert.equal((await broker.redact("m", "a")).seq, 0);
  await pass(parts, HOUR);
  await broker.idle();
  assert.deepEqual(got, ["b"]);
  await broker.close();
});

Deno.test("EventBroker delivers another event under the id of a redacted one that was cancelled", async () => {
  const before = await brokerOn();
  await scheduleSecret(before);
  await before.broker.redact("t", "a", REASON);
  assert.equal((await before.broker.cancelScheduled({ ids: ["a"] })).count, 1);
  await before.broker.publish("t", "x", 1, { id: "a", schedule: { delayMs: HOUR } });
  const after = await brokerOn(killed(before));
  await pass(after, HOUR);
  await after.broker.idle();
  assert.deepEqual(after.got, ["a"]);
  assert.equal((await after.broker.redact("t", "a")).seq, 1);
  await after.broker.close();
});

Deno.test("broker.redact names both events of an id that was published long ago and is scheduled again", async () => {
  const clock = new FakeClock();
  const eventStore = new MemoryEventStore({ clock, dedupWindow: 0 });
  const parts = await brokerOn({ clock, eventStore });
  const { broker } = parts;
  await broker.publish("t", "x", SECRET, { id: "a" });
  await broker.idle();
  clock.jump(2 * DAY);
  await scheduleSecret(parts);
  const replies = [];
  for (let i = 0; i < 3; i++) replies.push(await broker.redact("t", "a", REASON));
  assert.deepEqual(replies.map(({ seq, created }) => [seq, created]), [
    [1, true],
    [0, true],
    [0, false],
  ]);
  await broker.close();
});
