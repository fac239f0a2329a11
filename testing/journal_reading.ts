/** Tests of reading a store with sequence numbers: pages, types, times, sizes. */
import assert from "node:assert/strict";
import type { JournalStore } from "../core/store/store.ts";
import { fill, newEvent } from "./new_event.ts";
import { again, type Register } from "./suite.ts";

const decoder = new TextDecoder();

/** Registers this part of the suite. */
export function testReading(test: Register<JournalStore>): void {
  test("gives back what it was given when every field is set", async ({ store }) => {
    const event = newEvent({
      id: `id"with\\quotes`,
      type: `type "quoted" \\ ü`,
      key: `key"1`,
      metadata: `{"correlationId":"c\\u0000","n":9007199254740993}`,
      schemaVersion: "2.1",
      timestamp: 12,
      payload:
        `{"big":9007199254740993,"f":1.0,"a":1,"a":2,"z":"\\u0000\\ud800","__proto__":{"x":1}}`,
    });
    await store.append([{ topic: "t", events: [event, newEvent({ payload: '"ü€𝄞"' })] }]);
    const [read] = (await store.readPage("t", { from: 1, to: 1, limit: 10 })).events;
    assert.ok(read);
    const { line, ...rest } = read;
    assert.deepEqual(
      { ...rest, payload: decoder.decode(read.payload) },
      {
        seq: 1,
        topic: "t",
        id: event.id,
        type: event.type,
        timestamp: 12,
        schemaVersion: "2.1",
        key: `key"1`,
        ...store.countsKeys ? { keySeq: 1 } : {},
        metadata: event.metadata,
        payload: decoder.decode(event.payload),
      },
    );
    const lines = decoder.decode((await store.readLines("t", { from: 1, to: 9, limit: 10 })).bytes)
      .split(
        "\n",
      );
    assert.equal(lines.length, 3);
    // A store may also return the line itself; it must then be identical.
    if (line !== undefined) assert.equal(decoder.decode(line), lines[0]);
    assert.equal(JSON.parse(lines[0]!).id, event.id);
    assert.equal(JSON.parse(lines[0]!).type, event.type);
    assert.equal(JSON.parse(lines[0]!).key, event.key);
    assert.ok(lines[0]!.endsWith(`,"payload":${decoder.decode(event.payload)}}`));
    assert.ok(lines[1]!.endsWith(`,"payload":"ü€𝄞"}`));
  });

  test("reads by page to the end of the range when the page is smaller", async ({ store }) => {
    await fill(store, "t", 2500);
    const got: number[] = [];
    for (let from = 1; from <= 2400;) {
      const page = await store.readPage("t", { from, to: 2400, limit: 700 });
      got.push(...page.events.map((event) => event.seq));
      from = page.next;
    }
    assert.equal(got.length, 2400);
    assert.ok(got.every((seq, i) => seq === i + 1));
    let lines = 0;
    for (let from = 2001; from <= 1e9;) {
      const page = await store.readLines("t", { from, to: 1e9, limit: 300 });
      lines += page.count;
      if (page.count > 0) assert.ok(page.lastSeq <= 2500);
      from = page.next;
    }
    assert.equal(lines, 500);
  });

  test("reads only the asked types when a page holds none of them", async ({ store }) => {
    await fill(store, "t", 1500);
    await store.append([{ topic: "t", events: [newEvent({ type: "rare" })] }]);
    const page = await store.readPage("t", { from: 1, to: 1e9, limit: 1000, types: ["rare"] });
    assert.deepEqual(page.events, []);
    assert.equal(page.next, 1001);
    const rest = await store.readLines("t", {
      from: page.next,
      to: 1e9,
      limit: 1000,
      types: ["rare", "other"],
    });
    assert.equal(rest.count, 1);
    assert.equal(rest.lastSeq, 1501);
  });

  test("finds an event by id when the id was given or made", async ({ store }) => {
    await fill(store, "t", 1500);
    const made = newEvent();
    await store.append([{ topic: "t", events: [newEvent({ id: "given" }), made] }]);
    assert.equal((await store.find("t", "given"))?.seq, 1501);
    assert.equal((await store.find("t", made.id))?.seq, 1502);
    assert.equal(await store.find("t", "nobody"), undefined);
    assert.equal(await store.find("nowhere", "given"), undefined);
  });

  test("seeks the lowest seq at or after a time when timestamps are out of order", async ({ store }) => {
    const at = (timestamp: number) => newEvent({ timestamp });
    await store.append([{ topic: "t", events: [at(100), at(300), at(200), at(400)] }]);
    assert.equal(await store.seekTime("t", 0), 1);
    assert.equal(await store.seekTime("t", 150), 2);
    assert.equal(await store.seekTime("t", 301), 4);
    assert.equal(await store.seekTime("t", 401), 5);
    assert.equal(await store.seekTime("nowhere", 1), 1);
    await fill(store, "t", 2100);
    await store.append([{ topic: "t", events: [at(1_900_000_000_000)] }]);
    assert.equal(await store.seekTime("t", 1_900_000_000_000), 2105);
  });

  test("passes over an event that is later than the latest time to look for", async ({ store }) => {
    const at = (timestamp: number) => newEvent({ timestamp });
    await store.append([{ topic: "t", events: [at(100), at(9e15), at(200), at(400)] }]);
    assert.equal(await store.seekTime("t", 150, 300), 3);
    assert.equal(await store.seekTime("t", 150, 9e15), 2);
    assert.equal(await store.seekTime("t", 250, 300), 5);
  });

  test("finds no event that was deleted, by its id, its key or its time", async (under) => {
    const events = [1, 2, 3, 4].map((n) =>
      newEvent({ id: `id-${n}`, key: n < 3 ? "gone" : "left", timestamp: n })
    );
    await under.store.append([{ topic: "t", events }]);
    await under.store.truncate("t", 3);
    for (const reopened of [false, true]) {
      const store = reopened ? await again(under) : under.store;
      const ids = ["id-1", "id-2", "id-3"];
      const found = await Promise.all(ids.map((id) => store.find("t", id)));
      assert.deepEqual(found.map((event) => event?.seq), [
        undefined,
        undefined,
        3,
      ]);
      // Not every store has an index of keys.
      if (await store.lastSeqOfKey?.("t", "left") !== undefined) {
        assert.equal(await store.lastSeqOfKey!("t", "gone"), 0);
        assert.equal(await store.lastSeqOfKey!("t", "left"), 4);
      }
      assert.deepEqual([await store.seekTime("t", 1), await store.seekTime("t", 1, 2)], [3, 5]);
      assert.equal(await store.seekBytes("t", 1e9), 3);
    }
  });

  test("tells what to keep for a size when topics are limited by bytes", async ({ store }) => {
    const events = Array.from({ length: 2000 }, () => newEvent({ payload: '"12345678"' }));
    await store.append([{ topic: "t", events }]);
    const each = 12; // 10 of the payload, 2 of the metadata
    assert.equal(store.head("t").bytes, 2000 * each);
    for (const keep of [1, 5, 976, 977, 1000, 1500, 1999]) {
      assert.equal(await store.seekBytes("t", keep * each), 2001 - keep, `to keep ${keep}`);
      assert.equal(
        await store.seekBytes("t", keep * each + each - 1),
        2001 - keep,
        `to keep ${keep} and a part`,
      );
    }
    assert.equal(await store.seekBytes("t", 2000 * each), 1);
    assert.equal(await store.seekBytes("t", 0), 2001);
    await store.truncate("t", 501);
    assert.equal(store.head("t").bytes, 1500 * each);
  });
}
