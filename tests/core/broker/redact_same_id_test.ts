/**
 * An id may name another event later: a corrected one that was published after an older backup was
 * restored, or after the store forgot the id. It is delivered, and can be redacted itself.
 */
import assert from "node:assert/strict";
import {
  EventBroker,
  FileDeadLetterQueue,
  FileEventStore,
  MemoryEventStore,
} from "../../../mod.ts";
import { redactionOf } from "../../../core/event/redaction.ts";
import { MemoryState } from "../../../core/state/memory.ts";
import { RedactedEvents } from "../../../core/state/redactions.ts";
import { SqliteEventStore } from "../../../core/store/sqlite/sqlite_event_store.ts";
import type { JournalStore } from "../../../core/store/store.ts";
import type { Clock } from "../../../core/base/clock.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";
import { filesWith } from "../../helpers/leftovers.ts";
import { inFolder } from "../../helpers/start.ts";

const SECRET = "correct-horse-battery-staple";
const CORRECTED = "corrected-horse";
const DAY = 24 * 3_600_000;

type Open = (folder: string, options: { clock: Clock; dedupWindow: number }) => JournalStore;
const STORES: Record<string, Open> = {
  SqliteEventStore: (folder, options) => new SqliteEventStore(`${folder}/events.db`, options),
  FileEventStore: (folder, options) => new FileEventStore(`${folder}/events`, options),
  MemoryEventStore: (_folder, options) => new MemoryEventStore(options),
};

Deno.test("RedactedEvents takes an event for redacted where the redaction is not finished, or has left its marker", () => {
  const encoder = new TextEncoder();
  const stored = (payload: string, metadata: string) => ({
    topic: "t",
    seq: 1,
    id: "a",
    type: "x",
    timestamp: 1,
    schemaVersion: "1.0",
    metadata,
    payload: encoder.encode(payload),
  });
  const [plain, marked] = [stored('"new"', "{}"), stored("null", '{"redacted":{"at":5}}')];
  const left = (record: { done: boolean; id?: string }) =>
    new RedactedEvents([{ topic: "t", seq: 1, id: "a", at: 5, ...record }])
      .without("t", [plain, marked], (event) => event);
  assert.deepEqual(left({ done: false }), []);
  assert.deepEqual(left({ done: true }), [plain]);
  assert.deepEqual(left({ done: true, id: "b" }), [plain, marked]);
});

for (const [name, open] of Object.entries(STORES)) {
  Deno.test(`broker.redact takes the newest event of an id that was redacted and published again: ${name}`, () =>
    inFolder(async (folder) => {
      const clock = new FakeClock();
      const eventStore = open(folder, { clock, dedupWindow: DAY });
      const broker = new EventBroker({ clock, eventStore, state: new MemoryState() });
      const got: unknown[] = [];
      const subscription = broker.subscribe("t", ({ payload }) => void got.push(payload));
      await subscription.ready;
      await broker.publish("t", "x", SECRET, { id: "a" });
      await broker.idle();
      assert.equal((await broker.redact("t", "a")).seq, 1);
      assert.equal((await broker.publish("t", "x", CORRECTED, { id: "a" })).seq, 1, "a repeat");
      await clock.pass(2 * DAY);
      assert.equal((await broker.publish("t", "x", CORRECTED, { id: "a" })).seq, 2);
      await broker.idle();
      assert.deepEqual(got, [SECRET, CORRECTED]);
      for (const created of [true, false]) {
        const reply = await broker.redact("t", "a", { reason: "again" });
        assert.deepEqual([reply.seq, reply.created], [2, created]);
      }
      const events = await broker.getEventStore().getEvents("t");
      assert.deepEqual(events.map((event) => redactionOf(event)?.reason), [undefined, "again"]);
      assert.deepEqual(events.map(({ payload }) => payload), [null, null]);
      await broker.close();
      assert.deepEqual(filesWith(folder, [SECRET, CORRECTED]), []);
    }));
}

Deno.test("EventBroker delivers an event that has the seq and the id of a redacted one and not its marker, retries it as a dead letter, and redacts it again", async () => {
  const state = new MemoryState();
  const before = new EventBroker({ state, eventStore: new MemoryEventStore() });
  await before.subscriptions.put("s", { topic: "t", settings: { maxRetries: 0 } });
  await before.publish("t", "x", SECRET, { id: "a" });
  await before.redact("t", "a", { reason: "first" });
  // As it is when a backup was restored in which the topic was empty.
  await state.commit([{ op: "cursor.put", record: { subscription: "s", topic: "t", next: 1 } }]);
  await state.commit([{ op: "done.clear", subscription: "s", topic: "t" }]);
  const broker = new EventBroker({ state, eventStore: new MemoryEventStore() });
  await broker.ready;
  const { seq } = await broker.publish("t", "x", CORRECTED, { id: "a" });
  assert.equal(seq, 1);
  const lease = async () =>
    (await broker.subscriptions.lease("s", { max: 9 }, { consumer: "c" })).deliveries;
  const [first] = await lease();
  assert.equal(first?.entry.seq, 1);
  await broker.subscriptions.nack("s", [{ lease: first.token, error: "no" }]);
  assert.equal((await broker.deadLetters.retry({ ids: ["a"] })).count, 1);
  const [again] = await lease();
  await broker.subscriptions.nack("s", [{ lease: again!.token, error: "no" }]);
  assert.equal((await broker.deadLetters.retry({ all: true, dryRun: true })).count, 1);

  const reply = await broker.redact("t", "a", { reason: "second" });
  assert.deepEqual([reply.created, reply.reason, reply.deadLetters], [true, "second", 1]);
  assert.equal((await broker.redact("t", "a")).created, false);
  const [event] = await broker.getEventStore().getEvents("t");
  assert.equal(redactionOf(event!)?.reason, "second");
  await assert.rejects(broker.deadLetters.retry({ ids: ["a"] }), { code: "dead-letter/redacted" });
  await broker.subscriptions.put("later", { topic: "t" });
  const { deliveries } = await broker.subscriptions.lease("later", { max: 9 }, { consumer: "c" });
  assert.deepEqual(deliveries, []);
  await broker.close();
});

Deno.test("broker.redact empties the dead letter of an event that is gone from its topic, also where another subscription has one of the same id", async () => {
  const clock = new FakeClock();
  const eventStore = new MemoryEventStore({ clock, dedupWindow: DAY });
  const broker = new EventBroker({ clock, eventStore, state: new MemoryState() });
  const { subscriptions, deadLetters } = broker;
  const fail = async (name: string, from: string) => {
    await subscriptions.put(name, { topic: "t", from, settings: { maxRetries: 0 } });
    const { deliveries: [one] } = await subscriptions.lease(name, { max: 1 }, { consumer: "c" });
    await subscriptions.nack(name, [{ lease: one!.token, error: "no" }]);
  };
  await broker.publish("t", "x", SECRET, { id: "a" });
  await fail("first", "1");
  await clock.pass(2 * DAY);
  await broker.publish("t", "x", CORRECTED, { id: "a" });
  await fail("second", "2");
  await broker.topics.update("t", { maxEvents: 1 });
  await broker.retain();
  await broker.redact("t", 2);
  const reasons = async () =>
    (await deadLetters.show("a")).map(({ seq, reason }) => [seq, reason]).sort();
  assert.deepEqual(await reasons(), [[1, "no"], [2, "redacted"]]);
  // The topic's newest event of this id is done: what is left of the other one is next.
  assert.equal((await broker.redact("t", "a")).seq, 1);
  assert.deepEqual(await reasons(), [[1, "redacted"], [2, "redacted"]]);
  assert.equal((await broker.redact("t", "a")).created, false);
  await broker.close();
});

Deno.test("FileDeadLetterQueue keeps the entry of another event of the same id when one is redacted", () =>
  inFolder(async (folder) => {
    const queue = new FileDeadLetterQueue(`${folder}/dead`);
    const event = { id: "a", type: "x", topic: "t", timestamp: 1, schemaVersion: "1.0" };
    const of = (seq: number, payload: unknown) => ({ ...event, seq, payload, metadata: {} });
    await queue.addEvent(of(1, SECRET), new Error("no"), "first");
    await queue.addEvent(of(2, CORRECTED), new Error("no"), "second");
    await queue.redact({ ...of(1, null), metadata: { redacted: { at: 1 } } });
    const entries = await queue.getEvents();
    assert.deepEqual(entries.map((entry) => [entry.event.payload, entry.error]), [
      [null, "redacted"],
      [CORRECTED, "no"],
    ]);
    await queue.close();
    assert.deepEqual(filesWith(folder, [SECRET]), []);
  }));
