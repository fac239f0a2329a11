/**
 * Edited dead letters are delivered once, as copies with the whole history, while their originals
 * stay.
 */
import assert from "node:assert/strict";
import { EventBroker, MemoryEventStore, MemoryState } from "../../../mod.ts";
import type { ImportedDeadLetter } from "../../../core/dead_letter/imported.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A broker with one dead letter for each payload, on the subscription `s`. */
async function withDead(...payloads: unknown[]): Promise<EventBroker> {
  const broker = new EventBroker();
  await broker.subscriptions.put("s", { topic: "t", settings: { maxRetries: 0 } });
  for (const payload of payloads) await broker.publish("t", "x", payload, { key: "k" });
  await fail(broker);
  return broker;
}

async function lease(broker: EventBroker, name = "s") {
  const { deliveries } = await broker.subscriptions.lease(name, { max: 10 }, { consumer: "c" });
  return deliveries.map(({ token, line, attempt }) => ({
    lease: token,
    attempt,
    event: JSON.parse(decoder.decode(line)),
  }));
}

/** Fails whatever is there to be delivered. */
async function fail(broker: EventBroker, error = "bad"): Promise<void> {
  for (let taken = await lease(broker); taken.length > 0; taken = await lease(broker)) {
    await broker.subscriptions.nack("s", taken.map(({ lease }) => ({ lease, error })));
  }
}

/** The dead letters as exported, newest first, with another payload if one is given. */
async function exported(broker: EventBroker, payload?: unknown): Promise<ImportedDeadLetter[]> {
  return (await broker.deadLetters.records({}, { limit: 100 })).records.map((record) => {
    const { line, id: _id, type: _type, key: _key, editedAs: _as, ...about } = record;
    const { payload: before, metadata, ...event } = JSON.parse(decoder.decode(line));
    return {
      ...about,
      event: {
        ...event,
        idGiven: true,
        metadata: JSON.stringify(metadata),
        payload: encoder.encode(JSON.stringify(payload ?? before)),
      },
    };
  });
}

const dead = async (broker: EventBroker) =>
  (await broker.deadLetters.records({}, { limit: 100 })).records;

Deno.test("DeadLetterImporter.retry delivers an edited copy with an id of its own, and success takes the first one along", async () => {
  await using broker = await withDead({ n: "1" });
  const [first] = await dead(broker);
  const reply = await broker.deadLetterImports.retry(await exported(broker, { n: 1 }), {});
  assert.deepEqual(reply, { count: 1, mended: 1, unchanged: 0, added: 0, present: 0 });
  const [delivery] = await lease(broker);
  assert.deepEqual(delivery!.event.payload, { n: 1 });
  assert.equal(delivery!.event.metadata.originalEventId, first!.id);
  assert.notEqual(delivery!.event.id, first!.id);
  assert.equal(delivery!.event.key, "k");
  assert.equal(delivery!.attempt, 2);
  assert.equal((await dead(broker))[0]!.editedAs, `s:${delivery!.event.id}`, "it stays, linked");
  assert.equal((await broker.publish("t", "y", 0)).seq, 2, "nothing was appended to the topic");
  await broker.subscriptions.ack("s", [delivery!.lease]);
  assert.deepEqual(await dead(broker), []);
});

Deno.test("DeadLetterImporter.retry leaves both with all attempts when the copy fails, and the next copy replaces it", async () => {
  await using broker = await withDead({ n: "1" });
  await broker.deadLetterImports.retry(await exported(broker, { n: "2" }), {});
  await fail(broker, "still bad");
  const [copy, first] = await dead(broker);
  assert.equal(copy!.editedFrom, `s:${first!.id}`);
  assert.equal(first!.editedAs, `s:${copy!.id}`);
  assert.deepEqual(copy!.attempts.map(({ attempt, error }) => [attempt, error]), [
    [1, "bad"],
    [2, "still bad"],
  ]);
  assert.equal(first!.attempts.length, 1);
  // Both are in an export; edited together they are still one event.
  const reply = await broker.deadLetterImports.retry(await exported(broker, { n: 3 }), {});
  assert.deepEqual([reply.count, reply.mended, reply.present], [2, 1, 1]);
  const taken = await lease(broker);
  assert.deepEqual(taken.map(({ attempt, event }) => [attempt, event.payload]), [[3, { n: 3 }]]);
  assert.equal(taken[0]!.event.metadata.originalEventId, first!.id);
  assert.deepEqual((await dead(broker)).map(({ id }) => id), [first!.id]);
  await broker.subscriptions.ack("s", [taken[0]!.lease]);
  assert.deepEqual(await dead(broker), []);
});

Deno.test("DeadLetters.retry passes over what was mended, unless it is named", async () => {
  await using broker = await withDead(1, 2);
  const [second] = await dead(broker);
  await broker.deadLetterImports.retry((await exported(broker, 7)).slice(0, 1), {});
  const all = await broker.deadLetters.retry({ all: true, dryRun: true });
  assert.equal(all.count, 1);
  const named = await broker.deadLetters.retry({ ids: [second!.id], dryRun: true });
  assert.equal(named.count, 1);
  await fail(broker);
  const again = await broker.deadLetters.retry({ all: true });
  assert.equal(again.count, 2, "the copy and the one that nobody edited");
  const payloads: unknown[] = [];
  for (let taken = await lease(broker); taken.length > 0; taken = await lease(broker)) {
    payloads.push(...taken.map(({ event }) => event.payload));
    await broker.subscriptions.ack("s", taken.map(({ lease }) => lease));
  }
  assert.deepEqual(payloads.sort(), [1, 7]);
  assert.deepEqual(await dead(broker), [], "a retried copy still takes the first one along");
});

Deno.test("DeadLetterImporter.retry sends what was not changed as it was", async () => {
  await using broker = await withDead({ a: 1, b: [2] });
  const [record] = await dead(broker);
  const [entry] = await exported(broker);
  entry!.event.payload = encoder.encode(`{ "b": [2.0], "a": 1 }`);
  const reply = await broker.deadLetterImports.retry([entry!], {});
  assert.deepEqual([reply.unchanged, reply.mended], [1, 0]);
  const [delivery] = await lease(broker);
  assert.equal(delivery!.event.id, record!.id);
  assert.deepEqual(await dead(broker), []);
});

Deno.test("DeadLetterImporter.retry sends one copy when the same entry comes twice", async () => {
  await using broker = await withDead(1);
  const [entry] = await exported(broker, 2);
  const reply = await broker.deadLetterImports.retry([entry!, entry!], {});
  assert.deepEqual([reply.mended, reply.present], [1, 1]);
  const later = await broker.deadLetterImports.retry([entry!], {});
  assert.deepEqual([later.mended, later.present], [0, 1]);
  assert.equal((await lease(broker)).length, 1);
});

Deno.test("DeadLetterImporter delivers to another subscription, and refuses one that is gone before it changes anything", async () => {
  await using broker = await withDead(1);
  const entries = await exported(broker, 2);
  await broker.subscriptions.remove("s");
  await assert.rejects(broker.deadLetterImports.retry(entries, {}), {
    code: "dead-letter/subscription-gone",
  });
  assert.equal((await dead(broker)).length, 1);
  await broker.subscriptions.put("s2", { topic: "other" });
  await broker.deadLetterImports.retry(entries, { to: "s2" });
  const [delivery] = await lease(broker, "s2");
  assert.equal(delivery!.event.payload, 2);
  assert.equal((await dead(broker))[0]!.editedAs, `s2:${delivery!.event.id}`);
  await broker.subscriptions.ack("s2", [delivery!.lease]);
  assert.deepEqual(await dead(broker), []);
});

Deno.test("DeadLetterImporter.add brings back what was removed, once, with its attempts", async () => {
  await using broker = await withDead(1, 2);
  const entries = await exported(broker);
  await broker.deadLetters.remove({ ids: [`s:${entries[0]!.event.id}`] });
  const reply = await broker.deadLetterImports.add([...entries, entries[0]!]);
  assert.deepEqual(reply, { count: 3, mended: 0, unchanged: 0, added: 1, present: 2 });
  const back = (await dead(broker)).find(({ id }) => id === entries[0]!.event.id)!;
  assert.deepEqual(back.attempts, entries[0]!.attempts);
  assert.equal(JSON.parse(decoder.decode(back.line)).payload, 2);
});

Deno.test("DeadLetterImporter does a batch once and answers the same again, also in the next process", async () => {
  const parts = { state: new MemoryState(), eventStore: new MemoryEventStore() };
  let broker = new EventBroker(parts);
  await broker.subscriptions.put("s", { topic: "t", settings: { maxRetries: 0 } });
  await broker.publish("t", "x", 1, { key: "k" });
  await fail(broker);
  const entries = await exported(broker, 2);
  const retry = () => broker.deadLetterImports.retry(entries, { batch: "b-1" });
  const [first, same] = await Promise.all([retry(), retry()]);
  assert.equal(first.mended, 1);
  assert.deepEqual(same, first);
  const [copy, ...others] = await lease(broker);
  assert.deepEqual([copy!.event.payload, others], [2, []]);
  await broker.subscriptions.ack("s", [copy!.lease]);
  broker = new EventBroker(parts);
  await broker.ready;
  // Without its batch it would be an edit of its own: the first copy has succeeded.
  assert.deepEqual(await retry(), first);
  assert.deepEqual(await lease(broker), []);
  const other = await broker.deadLetterImports.retry(entries, { batch: "b-2" });
  assert.equal(other.mended, 1);
  assert.equal((await lease(broker)).length, 1);
  await broker.close();
});
