/**
 * Damage to each kind of row, made outside the store: it is reported, and everything intact is
 * returned.
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { EventBroker } from "../../../../core/broker/event_broker.ts";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { inFolder } from "../../../helpers/start.ts";

const encoder = new TextEncoder();

async function damaged(sql: string, look: (store: SqliteEventStore) => void): Promise<void> {
  await inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const made = new SqliteEventStore(path);
    const events = Array.from({ length: 1500 }, (_, i) => ({
      id: `id-${i + 1}`,
      idGiven: true,
      type: i % 100 === 7 ? "rare" : "common",
      timestamp: i,
      schemaVersion: "1.0",
      metadata: "{}",
      payload: encoder.encode(String(i + 1)),
    }));
    await made.append([{ topic: "t", events }]);
    await made.close();
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
    const store = new SqliteEventStore(path);
    look(store);
    const found = store.damage();
    await store.close();
    // The register outlives the process, and a second look adds nothing to it.
    const again = new SqliteEventStore(path);
    look(again);
    assert.deepEqual(again.damage(), found);
    await again.close();
  });
}

function seqs(store: SqliteEventStore, types?: string[]): number[] {
  const found: number[] = [];
  for (let from = 1; from <= 1500;) {
    const page = store.readPage("t", { from, to: 1500, limit: 1024, types });
    found.push(...page.events.map(({ seq }) => seq));
    from = page.next;
  }
  return found;
}

const POS = (seq: number) => 2 ** 36 + seq;

for (const types of [undefined, ["common"]]) {
  Deno.test(`SqliteEventStore names a row that is gone, read ${types ? "by type" : "whole"}`, async () => {
    await damaged(
      `DELETE FROM log WHERE pos IN (${POS(500)}, ${POS(501)}, ${POS(1400)})`,
      (store) => {
        const found = seqs(store, types);
        assert.ok(!found.includes(500) && found.includes(499) && found.includes(502));
        assert.deepEqual(
          store.damage().map(({ firstSeq, lastSeq, lost }) => [firstSeq, lastSeq, lost]),
          [[500, 501, true], [1400, 1400, true]],
        );
      },
    );
  });
}

Deno.test("SqliteEventStore hands out an event whose type column changed, by its real type", async () => {
  await damaged(`UPDATE log SET type = 'other' WHERE pos = ${POS(8)}`, (store) => {
    assert.ok(seqs(store, ["rare"]).includes(8));
    assert.ok(!seqs(store, ["other"]).includes(8));
    const [damage, ...more] = store.damage();
    assert.match(damage!.what, /type column/);
    assert.deepEqual([damage!.firstSeq, damage!.lost, more.length], [8, false, 0]);
  });
});

Deno.test("SqliteEventStore makes a row of blocks again that is gone or changed", async () => {
  for (
    const sql of [
      "DELETE FROM blocks WHERE block = 0",
      "UPDATE blocks SET max_timestamp = 3 WHERE block = 0",
      "UPDATE blocks SET crc = 1 WHERE block = 1",
    ]
  ) {
    await damaged(sql, (store) => {
      assert.equal(store.seekTime("t", 700), 701);
      assert.equal(seqs(store).length, 1500);
      assert.equal(store.readLines("t", { from: 1, to: 1500, limit: 1024 }).count, 1024);
      assert.match(store.damage()[0]!.what, /table of blocks was damaged and is rebuilt/);
      assert.equal(store.damage()[0]!.lost, false);
    });
  }
});

Deno.test("SqliteEventStore takes a topic's name from its events when the row of the topic changed", async () => {
  await damaged("UPDATE topics SET name = 'u'", (store) => {
    assert.deepEqual(store.topics(), ["t"]);
    assert.equal(seqs(store).length, 1500);
    assert.match(store.damage()[0]!.what, /table of topics was damaged/);
  });
});

Deno.test("a subscription goes on behind a damaged event", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const made = new SqliteEventStore(path);
    const payloads = [1, 2, 3, 4, 5].map((n) => encoder.encode(String(n)));
    const event = { idGiven: false, type: "x", timestamp: 1, schemaVersion: "1.0", metadata: "{}" };
    await made.append([{
      topic: "t",
      events: payloads.map((payload, i) => ({ ...event, id: `i${i}`, payload })),
    }]);
    await made.close();
    const database = new DatabaseSync(path);
    database.exec(
      `UPDATE log SET line = replace(line, '"payload":3}', '"payload":9}') WHERE pos = ${POS(3)}`,
    );
    database.close();
    await using broker = new EventBroker({ eventStore: new SqliteEventStore(path) });
    await broker.createTopic("t");
    const seen: number[] = [];
    broker.subscribe("t", (event) => void seen.push(event.payload), { name: "s", from: "start" });
    await broker.idle();
    assert.deepEqual(seen, [1, 2, 4, 5]);
  });
});
