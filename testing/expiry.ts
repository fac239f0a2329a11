/** Tests of a time to live, for stores that claim to keep when an event expires. */
import assert from "node:assert/strict";
import type { Event } from "../core/event/event.ts";
import { readKey } from "../core/store/by_key.ts";
import type { EventStore, JournalStore } from "../core/store/store.ts";
import { newEvent } from "./new_event.ts";
import { again, type Register } from "./suite.ts";

const LATER = 4_000_000_000_000;
const decoder = new TextDecoder();

/** Registers the test that goes for every store. */
export function testExpiry(test: Register<EventStore>): void {
  test("keeps when an event expires, and gives no other an end", async (under) => {
    const event = (n: number, fields: Partial<Event> = {}): Event => ({
      id: `event-${n}`,
      type: "code.sent",
      topic: "t",
      timestamp: 1_700_000_000_000 + n,
      schemaVersion: "1.0",
      payload: { n },
      metadata: {},
      ...fields,
    });
    await under.store.saveEvent(event(1));
    await under.store.saveEvent(event(2, { expiresAt: LATER }));
    await under.store.saveEvent(event(3, { key: "k", expiresAt: LATER + 1 }));
    for (const reopened of [false, true]) {
      const store = reopened ? await again(under) : under.store;
      const events = await store.getEvents("t");
      assert.deepEqual(events.map(({ expiresAt }) => expiresAt), [undefined, LATER, LATER + 1]);
      assert.ok(!("expiresAt" in events[0]!), "an event without an end has no such member");
    }
  });
}

/** Registers the test for stores with sequence numbers. */
export function testExpiryReading(test: Register<JournalStore>): void {
  test("gives an event's end with it, however it is read", async (under) => {
    const events = [
      newEvent({ id: "a", key: "k", expiresAt: LATER }),
      newEvent({ key: "k" }),
      newEvent({ expiresAt: LATER + 1 }),
    ];
    await under.store.append([{ topic: "t", events }]);
    const ends = [LATER, undefined, LATER + 1];
    for (const reopened of [false, true]) {
      const store = reopened ? await again(under) : under.store;
      const query = { from: 1, to: 3, limit: 3 };
      const of = (found: readonly { expiresAt?: number | undefined }[]) =>
        found.map(({ expiresAt }) => expiresAt);
      assert.deepEqual(of((await store.readPage("t", query)).events), ends);
      const lines = decoder.decode((await store.readLines("t", query)).bytes).trim().split("\n");
      assert.deepEqual(of(lines.map((line) => JSON.parse(line))), ends);
      assert.deepEqual(
        of((await readKey(store, "t", { key: "k", ...query })).events),
        ends.slice(0, 2),
      );
      assert.equal((await store.find("t", "a"))?.expiresAt, LATER);
    }
  });
}
