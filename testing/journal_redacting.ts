/** Tests of redaction, for stores with sequence numbers that claim it. */
import assert from "node:assert/strict";
import { readKey } from "../core/store/by_key.ts";
import type { JournalStore } from "../core/store/store.ts";
import { newEvent, seqs, stored } from "./new_event.ts";
import { again, type Register } from "./suite.ts";

const decoder = new TextDecoder();
const METADATA = '{"redacted":{"at":5,"by":"somebody","reason":"a password"}}';

/** The wire line of an event, parsed. */
async function lineOf(store: JournalStore, topic: string, seq: number) {
  const { bytes, count } = await store.readLines(topic, { from: seq, to: seq, limit: 1 });
  assert.equal(count, 1);
  return JSON.parse(decoder.decode(bytes));
}

/** Registers these tests through `test`. */
export function testRedacting(test: Register<JournalStore>): void {
  test("replaces payload, metadata and key of one event when it is redacted", async (under) => {
    const secret = newEvent({
      id: "the-one",
      key: "k",
      payload: `{"password":"${"secret".repeat(500)}"}`,
      metadata: '{"note":"secret"}',
    });
    const events = Array.from({ length: 60 }, (_, i) => newEvent({ key: i % 2 ? "k" : "l" }));
    const before = [...events.slice(0, 30), secret, ...events.slice(30)];
    await under.store.append([{ topic: "t", events: before }, {
      topic: "u",
      events: [newEvent()],
    }]);
    const bytes = under.store.head("t").bytes;
    const request = { seq: 31, id: "the-one", key: "digest", metadata: METADATA };
    assert.equal(await under.store.redact!("t", request), true);
    for (const reopened of [false, true]) {
      const store = reopened ? await again(under) : under.store;
      const { seq, id, type, timestamp, key, metadata, payload } = await lineOf(store, "t", 31);
      assert.deepEqual({ seq, id, type, timestamp, key, payload }, {
        seq: 31,
        id: "the-one",
        type: secret.type,
        timestamp: secret.timestamp,
        key: "digest",
        payload: null,
      });
      assert.deepEqual(metadata, JSON.parse(METADATA));
      assert.equal((await store.find("t", "the-one"))?.metadata, METADATA);
      assert.deepEqual(await seqs(store, "t"), Array.from({ length: 61 }, (_, i) => i + 1));
      const page = await store.readPage("t", { from: 1, to: 61, limit: 61 });
      before.forEach((event, i) => {
        if (i !== 30) assert.deepEqual(page.events[i]!.payload, event.payload);
      });
      const ofKey = async (key: string) => {
        const { events } = await readKey(store, "t", { key, from: 1, to: 61, limit: 99 });
        return events.map(({ seq }) => seq);
      };
      assert.deepEqual(await ofKey("digest"), [31]);
      const others = await ofKey("k");
      assert.ok(!others.includes(31) && others.length === 30);
      assert.equal(
        store.head("t").bytes,
        bytes - secret.payload.length - secret.metadata.length + "null".length + METADATA.length,
      );
      assert.deepEqual(store.damage?.() ?? [], []);
    }
  });

  test("stores on, knows ids and keys, and forgets the seq of the key, when its last event was redacted", async (under) => {
    const events = [
      newEvent({ id: "a", key: "k" }),
      newEvent({ id: "b" }),
      newEvent({ id: "c", key: "k" }),
    ];
    await under.store.append([{ topic: "t", events }]);
    await under.store.redact!("t", { seq: 3, id: "c", key: "digest", metadata: METADATA });
    for (const reopened of [false, true]) {
      const store = reopened ? await again(under) : under.store;
      const [repeat] = await store.append([{ topic: "t", events: [newEvent({ id: "c" })] }]);
      assert.deepEqual(stored(repeat).duplicates, [{ index: 0, seq: 3 }]);
      const [refused] = await store.append([
        { topic: "t", events: [newEvent({ key: "k" })], expected: 3 },
      ]);
      assert.ok(refused?.ok === false && refused.actual === 1);
    }
    const store = under.store;
    const last = (await again(under)).head("t").lastSeq;
    assert.equal(last, 3, `${store.kind} has stored nothing else`);
    const [next] = await (await again(under)).append([
      { topic: "t", events: [newEvent({ key: "k" }), newEvent()], expected: "any" },
    ]);
    assert.equal(stored(next).lastSeq, 5);
    assert.deepEqual(await seqs(await again(under), "t"), [1, 2, 3, 4, 5]);
  });

  test("leaves everything as it is when the event to redact is not there", async ({ store }) => {
    await store.append([{ topic: "t", events: [newEvent({ id: "a" }), newEvent({ id: "b" })] }]);
    await store.truncate("t", 2);
    for (const [topic, seq, id] of [["t", 1, "a"], ["t", 2, "a"], ["t", 3, "b"], ["u", 1, "a"]]) {
      const request = { seq: seq as number, id: id as string, metadata: METADATA };
      assert.equal(await store.redact!(topic as string, request), false);
    }
    assert.equal((await lineOf(store, "t", 2)).payload.n !== undefined, true);
  });

  test("does no harm when an event is redacted again", async (under) => {
    await under.store.append([{
      topic: "t",
      events: [newEvent({ id: "a", key: "k" }), newEvent()],
    }]);
    for (let times = 0; times < 3; times++) {
      const store = times === 2 ? await again(under) : under.store;
      const request = { seq: 1, id: "a", key: "digest", metadata: METADATA };
      assert.equal(await store.redact!("t", request), true);
      assert.deepEqual([(await lineOf(store, "t", 1)).key, (await lineOf(store, "t", 1)).payload], [
        "digest",
        null,
      ]);
    }
  });
}
