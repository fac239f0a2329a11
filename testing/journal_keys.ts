/** Tests of reading by key, for every store with sequence numbers. */
import assert from "node:assert/strict";
import { newestOfKey, readKey } from "../core/store/by_key.ts";
import type { JournalStore } from "../core/store/store.ts";
import { newEvent } from "./new_event.ts";
import { again, type Register } from "./suite.ts";

/** Registers these tests through `test`. */
export function testKeys(test: Register<JournalStore>): void {
  test("reads the events of one key in order, a page at a time", async (under) => {
    const events = Array.from(
      { length: 2500 },
      (_, i) =>
        newEvent(i % 2 ? { key: i % 3 ? "a" : "b", ...i % 5 ? {} : { expiresAt: 2e12 } } : {}),
    );
    await under.store.append([{ topic: "t", events }, {
      topic: "u",
      events: [newEvent({ key: "a" })],
    }]);
    const of = (key: string, first: number, last: number) =>
      events.flatMap((event, i) =>
        event.key === key && i + 1 >= first && i + 1 <= last ? [i + 1] : []
      );
    const read = async (store: JournalStore, key: string, range: { from: number; to: number }) => {
      const got: number[] = [];
      for (let { from } = range; from <= range.to;) {
        const page = await readKey(store, "t", { key, from, to: range.to, limit: 100 });
        assert.ok(page.events.length <= 100 && page.next > from);
        got.push(...page.events.map(({ seq }) => seq));
        from = page.next;
      }
      return got;
    };
    assert.deepEqual(await read(under.store, "a", { from: 1, to: 1e9 }), of("a", 1, 1e9));
    assert.deepEqual(await read(under.store, "b", { from: 1001, to: 2002 }), of("b", 1001, 2002));
    assert.deepEqual(await read(under.store, "nobody", { from: 1, to: 1e9 }), []);
    assert.deepEqual(
      (await readKey(under.store, "no", { key: "a", from: 1, to: 9, limit: 9 })).events,
      [],
    );
    await under.store.truncate("t", 1234);
    const store = await again(under);
    assert.deepEqual(await read(store, "a", { from: 1, to: 1e9 }), of("a", 1234, 1e9));
    const large = Array.from(
      { length: 3 },
      () => newEvent({ key: "large", payload: JSON.stringify("x".repeat(700_000)) }),
    );
    await store.append([{ topic: "t", events: large }]);
    const page = await readKey(store, "t", { key: "large", from: 1, to: 1e9, limit: 100 });
    assert.equal(page.events.length, 2, "a page ends where it is large");
    assert.deepEqual(await read(store, "large", { from: 1, to: 1e9 }), [2501, 2502, 2503]);
  });

  test("finds the newest event of a key, after a truncation and another start too", async (under) => {
    const events = Array.from(
      { length: 2500 },
      (_, i) =>
        newEvent(i < 2000 && i % 7 === 0 ? { key: "early" } : i === 3 ? { key: "old" } : {}),
    );
    await under.store.append([{ topic: "t", events }]);
    await under.store.append([{ topic: "u", events: [newEvent({ key: "elsewhere" })] }]);
    assert.equal(await newest(under.store, "early"), 1996);
    assert.equal(await newest(under.store, "old"), 4);
    assert.equal(await newest(under.store, "elsewhere"), undefined);
    await under.store.append([{ topic: "t", events: [newEvent({ key: "early" })] }]);
    assert.equal(await newest(under.store, "early"), 2501);
    await under.store.truncate("t", 5);
    const store = await again(under);
    assert.equal(await newest(store, "old"), undefined, "it is deleted");
    assert.equal(await newest(store, "early"), 2501);
    await store.truncate("t", 2502);
    assert.equal(await newest(store, "early"), undefined);
  });
}

/** The seq of a key's newest event in the topic t. */
async function newest(store: JournalStore, key: string): Promise<number | undefined> {
  const steps = newestOfKey(store, "t", [key]);
  for (let step = steps.next();; step = steps.next()) {
    if (step.done) return step.value?.seq;
    await step.value;
  }
}
