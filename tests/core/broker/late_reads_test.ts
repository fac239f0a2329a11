/**
 * What happens to scheduled events, and to events that are redacted, while the state that they are
 * read from is elsewhere: each is published once or not at all, and nothing that was redacted is
 * left.
 */
import assert from "node:assert/strict";
import { EventBroker, MemoryEventStore, MemoryState } from "../../../mod.ts";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { FakeClock, settled } from "../../helpers/fake_clock.ts";
import { LateState, nextTick } from "../../helpers/late_state.ts";

const SECRET = "correct-horse-battery-staple";
const CONSUMER = { consumer: "c" };

class Rig {
  readonly clock = new FakeClock();
  readonly errors: unknown[] = [];
  readonly memory = new MemoryState();
  readonly state = new LateState(this.memory, { turn: nextTick });
  readonly store = new MemoryEventStore({ clock: this.clock });
  readonly broker = new EventBroker({
    clock: this.clock,
    state: this.state,
    eventStore: this.store,
    onError: (error) => this.errors.push(error),
  });

  async schedule(...ids: string[]): Promise<void> {
    await settled();
    for (const id of ids) {
      await this.broker.publish("t", "x", SECRET, { id, schedule: { delayMs: 1000 } });
    }
  }

  async pass(ms: number): Promise<void> {
    await this.clock.pass(ms);
    for (let i = 0; i < 20; i++) await settled();
  }

  async ids(): Promise<string[]> {
    return (await this.store.getEvents("t")).map(({ id }) => id);
  }

  async waiting(): Promise<number> {
    return (await this.broker.scheduledEvents()).total;
  }
}

async function withRig(work: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = new Rig();
  try {
    await work(rig);
  } finally {
    await rig.broker.close();
  }
}

Deno.test("ScheduledEvents publishes in order what is due when the lines come late", () =>
  withRig(async (rig) => {
    await rig.schedule("a", "b", "c");
    await rig.pass(1000);
    assert.deepEqual(await rig.ids(), ["a", "b", "c"]);
    assert.equal(await rig.waiting(), 0);
    assert.ok(rig.state.answered >= 3);
    assert.deepEqual(rig.errors, []);
  }));

Deno.test("ScheduledEvents does not cancel an event whose line is being fetched: it is published", () =>
  withRig(async (rig) => {
    await rig.schedule("a");
    const held = rig.state.hold("scheduledLine");
    await rig.pass(1000);
    assert.equal(held.asked, 1);
    await assert.rejects(rig.broker.cancelScheduled({ ids: ["a"] }), {
      code: "scheduled/not-found",
    });
    held.end();
    await rig.pass(1);
    assert.deepEqual(await rig.ids(), ["a"]);
  }));

Deno.test("ScheduledEvents publishes nothing of a topic that is removed while lines are fetched", async () => {
  for (const readAt of ["asked", "end"] as const) {
    await withRig(async (rig) => {
      await rig.schedule("a");
      const held = rig.state.hold("scheduledLine", { readAt });
      await rig.pass(1000);
      await rig.broker.topics.remove("t");
      held.end();
      await rig.pass(1);
      assert.equal(rig.broker.topics.get("t"), undefined);
      assert.deepEqual([await rig.waiting(), rig.errors], [0, []], readAt);
    });
  }
});

Deno.test("ScheduledEvents tries again when a line cannot be read, and publishes once", () =>
  withRig(async (rig) => {
    await rig.schedule("a", "b");
    const held = rig.state.hold("scheduledLine");
    await rig.pass(1000);
    held.end(new CannotStoreError("the database is away"));
    await rig.pass(0);
    assert.equal(await rig.waiting(), 2);
    await rig.pass(60_000);
    assert.deepEqual(await rig.ids(), ["a", "b"]);
    assert.match(String(rig.errors[0]), /the database is away/);
    assert.equal(rig.errors.length, 1);
  }));

Deno.test("ScheduledEvents cancels an event only after its redaction, which has read it", () =>
  withRig(async (rig) => {
    await rig.schedule("a");
    const held = rig.state.hold("scheduledLine");
    const redacted = rig.broker.redact("t", "a");
    await held.until(1);
    const cancelled = rig.broker.cancelScheduled({ ids: ["a"] });
    for (let i = 0; i < 5; i++) await settled();
    assert.equal(await rig.waiting(), 1, "it is not given up yet");
    held.end();
    assert.equal((await redacted).created, true);
    await cancelled;
    assert.equal(await rig.waiting(), 0);
    assert.deepEqual(rig.errors, []);
  }));

Deno.test("Redactor finds an event that is gone from its topic and becomes a dead letter while it looks", () =>
  withRig(async (rig) => {
    const { subscriptions } = rig.broker;
    await rig.broker.publish("t", "x", SECRET, { id: "a" });
    await subscriptions.put("s", { topic: "t" });
    const lease = async () => (await subscriptions.lease("s", { max: 1 }, CONSUMER)).deliveries;
    const nack = (token: string, dead: boolean) =>
      subscriptions.nack("s", [{ lease: token, error: SECRET, dead, afterMs: 0 }]);
    await nack((await lease())[0]!.token, false);
    const [retried] = await lease();
    await rig.store.truncate("t", 2);
    // The dead letters are read first.
    const held = rig.state.hold("deadLetters", { most: 1 });
    const redacted = rig.broker.redact("t", "a");
    await held.until(1);
    const died = nack(retried!.token, true);
    for (let i = 0; i < 5; i++) await settled();
    held.end();
    await Promise.all([redacted, died]);
    const kept = JSON.stringify([
      rig.memory.deadLetters({}, { limit: 9 }).records.map(({ line, ...rest }) => [
        new TextDecoder().decode(line),
        rest,
      ]),
      rig.memory.load().retries,
    ]);
    assert.ok(!kept.includes(SECRET), kept);
  }));
