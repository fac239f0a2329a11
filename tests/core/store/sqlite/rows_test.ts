/** Inserting many rows with one statement, all or none. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { SqliteEventStore } from "../../../../core/store/sqlite/sqlite_event_store.ts";
import { position } from "../../../../core/store/sqlite/position.ts";
import { inFolder } from "../../../helpers/start.ts";
import { newEvent } from "../conformance.ts";

/** More rows than one statement takes, on both sides of the one that is in the way. */
const EVENTS = 200;
const IN_THE_WAY = 110;

Deno.test("SqliteEventStore stores nothing of an append when one of its rows is in the way, and goes on when it is gone", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const store = new SqliteEventStore(path);
    await store.append([{ topic: "t", events: [newEvent(), newEvent()] }]);
    const pos = position(1, IN_THE_WAY);
    const somebody = new DatabaseSync(path);
    somebody.exec(`INSERT INTO log SELECT ${pos}, type, key, head, sum, line FROM log LIMIT 1`);
    const events = Array.from({ length: EVENTS }, () => newEvent());
    const requests = [{ topic: "new", events: [newEvent()] }, { topic: "t", events }];
    await assert.rejects(store.append(requests), /UNIQUE constraint failed: log\.pos/);
    assert.equal(store.head("t").lastSeq, 2);
    assert.deepEqual(store.topics(), ["t"]);
    const rows = () => somebody.prepare("SELECT count(*) AS n FROM log").get()!["n"];
    assert.equal(rows(), 3);
    somebody.exec(`DELETE FROM log WHERE pos = ${pos}`);
    const outcomes = await store.append(requests);
    assert.deepEqual(outcomes.map((outcome) => outcome.ok && outcome.lastSeq), [1, EVENTS + 2]);
    assert.equal(rows(), EVENTS + 3);
    somebody.close();
    await store.close();
  });
});

Deno.test("SqliteEventStore stores no row of an append that failed between its rows with the next one", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const store = new SqliteEventStore(path);
    await store.append([{ topic: "t", events: [newEvent()] }]);
    const somebody = new DatabaseSync(path);
    somebody.exec(
      "CREATE TRIGGER no BEFORE INSERT ON given_ids WHEN NEW.id = 'bad' " +
        "BEGIN SELECT RAISE(ABORT, 'planted'); END",
    );
    const events = [newEvent(), newEvent(), newEvent({ id: "bad" })];
    await assert.rejects(store.append([{ topic: "t", events }]), /planted/);
    somebody.exec("DROP TRIGGER no");
    somebody.close();
    const next = newEvent();
    const [outcome] = await store.append([{ topic: "t", events: [next] }]);
    assert.ok(outcome?.ok && outcome.lastSeq === 2);
    const page = store.readPage("t", { from: 1, to: 9, limit: 9 });
    assert.deepEqual([page.events.length, page.events[1]?.id], [2, next.id]);
    await store.close();
  });
});

Deno.test("SqliteEventStore numbers a key as if an append that failed had not been", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/events.db`;
    const store = new SqliteEventStore(path);
    const keyed = (count: number) => ({
      topic: "t",
      events: Array.from({ length: count }, () => newEvent({ key: "k" })),
    });
    await store.append([keyed(2)]);
    const pos = position(1, IN_THE_WAY);
    const somebody = new DatabaseSync(path);
    somebody.exec(`INSERT INTO log SELECT ${pos}, type, NULL, head, sum, line FROM log LIMIT 1`);
    await assert.rejects(store.append([keyed(EVENTS)]), /UNIQUE constraint failed: log\.pos/);
    somebody.exec(`DELETE FROM log WHERE pos = ${pos}`);
    somebody.close();
    const [outcome] = await store.append([keyed(2)]);
    assert.deepEqual(outcome!.ok && [outcome!.firstSeq, outcome!.keySeqs], [3, [3, 4]]);
    await store.close();
  });
});
